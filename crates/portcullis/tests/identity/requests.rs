//! Requests that the tests of accounts share.
//! Never: a check of an answer.

use portcullis_test::{Answer, Request, TestServer};
use serde_json::{Value, json};

/// The password of all users.
pub(crate) const PASSWORD: &str = "a plain long sentence of my own";

/// Sends a request with a bearer token.
pub(crate) fn post(server: &TestServer, path: &str, token: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    Request::post(server, path, &body.to_string()).header("Authorization", &bearer).ask(server)
}

/// Logs in, with a code if there is one.
pub(crate) fn log_in(server: &TestServer, name: &str, totp: Option<&str>) -> Answer {
    let mut body = json!({ "username": name, "password": PASSWORD });
    if let Some(totp) = totp {
        body["totp"] = json!(totp);
    }
    Request::post(server, "/auth/login", &body.to_string()).ask(server)
}
