//! A browser, as far as log-ins see it: its token in memory, its cookies in a jar.
//! Never: a cookie the server did not set.

use portcullis_test::{Answer, Request, TestServer};
use serde_json::{Value, json};

const PASSWORD: &str = "a plain long sentence of my own";

/// One browser of one user.
#[derive(Clone, Default)]
pub(crate) struct Browser {
    /// The access token it has.
    pub(crate) token: String,
    /// The refresh cookie's value.
    pub(crate) refresh: String,
    pub(crate) device: String,
}

impl Browser {
    /// Logs a user in whom `sign_up` made.
    pub(crate) fn log_in(server: &TestServer, username: &str) -> Self {
        let mut browser = Self::default();
        let body = json!({ "username": username, "password": PASSWORD }).to_string();
        let answer = Request::post(server, "/auth/login", &body).ask(server);
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        browser.take(&answer);
        browser
    }

    /// Keeps the token and the cookies of an answer.
    pub(crate) fn take(&mut self, answer: &Answer) {
        if let Some(token) = answer.json()["access_token"].as_str() {
            self.token = token.to_owned();
        }
        for cookie in answer.values("set-cookie") {
            let value = |name: &str| {
                let rest = cookie.strip_prefix(name)?.strip_prefix('=')?;
                Some(rest.split(';').next().unwrap().to_owned())
            };
            self.refresh = value("__Host-rt").unwrap_or_else(|| self.refresh.clone());
            self.device = value("__Host-device").unwrap_or_else(|| self.device.clone());
        }
    }

    /// A request with the cookies, and no token.
    pub(crate) fn by_cookie(&self, server: &TestServer, path: &str) -> Request {
        let cookies = format!("__Host-rt={}; __Host-device={}", self.refresh, self.device);
        Request::post(server, path, "{}")
            .header("Origin", &server.origin)
            .header("Cookie", &cookies)
    }

    /// Asks for the next turn; the jar stays as it is.
    pub(crate) fn ask_refresh(&self, server: &TestServer) -> Answer {
        self.by_cookie(server, "/auth/refresh").ask(server)
    }

    /// Sends a body with the token.
    pub(crate) fn post(&self, server: &TestServer, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        Request::post(server, path, &body.to_string()).header("Authorization", &bearer).ask(server)
    }

    /// Asks with the token.
    pub(crate) fn get(&self, server: &TestServer, path: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        Request::get(server, path).header("Authorization", &bearer).ask(server)
    }
}
