//! Accounts of a server under test.
//! Never: a password that would be refused.

use serde_json::{Value, json};

use crate::http::{Answer, Request};
use crate::server::TestServer;

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
    let answer: Value = login(server, username, PASSWORD).json();
    Person {
        id: answer["user"]["id"].as_str().unwrap().to_owned(),
        token: answer["access_token"].as_str().unwrap().to_owned(),
    }
}
