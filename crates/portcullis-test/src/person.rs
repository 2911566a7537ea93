//! Accounts of a server under test.
//! Never: a password that would be rejected.

use serde_json::{Value, json};

use crate::clients::http::{Answer, Request};
use crate::servers::server::TestServer;

/// A signed-in user.
#[derive(Debug, Clone)]
pub struct Person {
    /// The user's id.
    pub id: String,
    /// The access token.
    pub token: String,
}

const PASSWORD: &str = "a plain long sentence of my own";

/// Asks for an account.
#[must_use]
pub fn register(server: &TestServer, username: &str, password: &str) -> Answer {
    let body = json!({ "username": username, "password": password }).to_string();
    Request::post(server, "/auth/register", &body).ask(server)
}

/// Asks for a token.
#[must_use]
pub fn login(server: &TestServer, username: &str, password: &str) -> Answer {
    let body = json!({ "username": username, "password": password }).to_string();
    Request::post(server, "/auth/login", &body).ask(server)
}

/// Makes an account and signs in.
#[must_use]
pub fn sign_up(server: &TestServer, username: &str) -> Person {
    let made = register(server, username, PASSWORD);
    assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.body));
    sign_in(server, username)
}

/// Makes the first administrator by the one-time link and signs in.
#[must_use]
pub fn set_up(server: &TestServer, username: &str) -> Person {
    let token = server.setup_token.as_ref().expect("a server without an administrator");
    let body = json!({ "token": token, "username": username, "password": PASSWORD }).to_string();
    let made = Request::post(server, "/auth/setup", &body).ask(server);
    assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.body));
    sign_in(server, username)
}

/// Signs an account in that [`sign_up`] or [`set_up`] made.
#[must_use]
pub fn sign_in(server: &TestServer, username: &str) -> Person {
    let answer: Value = login(server, username, PASSWORD).json();
    Person {
        id: answer["user"]["id"].as_str().unwrap().to_owned(),
        token: answer["access_token"].as_str().unwrap().to_owned(),
    }
}
