//! A server with a receiver of all its alerts, and what its users do to cause some.
//! Never: a receiver outside this machine.

use portcullis_test::{Config, Person, Request, SioClient, TestServer, until};
use serde_json::json;

use crate::alert::channels::{Receiver, channel};
use crate::start;

/// A message that is spam.
pub(crate) const SPAM: &str =
    "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!";

/// A server with a receiver of all its alerts.
pub(crate) struct AlertedServer {
    pub(crate) server: TestServer,
    pub(crate) receiver: Receiver,
    _directory: tempfile::TempDir,
}

impl AlertedServer {
    pub(crate) fn start(config: Config, more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let receiver = Receiver::start(&[]);
        let all = "severities = [\"info\", \"medium\", \"high\", \"critical\"]\n";
        let channel = channel(directory.path(), "page", receiver.address) + all;
        let mut config = config;
        config.rate.push(String::from("login_per_user = \"1000/60s\""));
        config.more = format!("{}{more}{channel}", config.more);
        Self { server: start(&config), receiver, _directory: directory }
    }

    pub(crate) fn new(more: &str) -> Self {
        Self::start(Config::default(), more)
    }

    /// Waits for an alert `RULE severity state`, and returns the value of its key.
    pub(crate) fn alert(&self, rule: &str, severity: &str, state: &str, kind: &str) -> String {
        let data = until(&format!("{rule} {severity} {state} by {kind}"), || {
            let all = self.receiver.all().into_iter().map(|message| message.body["data"].clone());
            all.into_iter().find(|data| {
                let key = data["key"]["kind"].as_str().unwrap_or("all");
                data["rule"] == rule
                    && (data["severity"] == severity && data["state"] == state)
                    && key == kind
            })
        });
        String::from(data["key"]["value"].as_str().unwrap_or_default())
    }

    pub(crate) fn fires(&self, rule: &str, severity: &str, kind: &str) -> String {
        self.alert(rule, severity, "firing", kind)
    }
}

/// Makes a room and returns its id.
pub(crate) fn room(client: &mut SioClient) -> String {
    let made = client.ask("room:create", &json!({ "name": "Room", "visibility": "public" }));
    made["room"]["id"].as_str().unwrap().to_owned()
}

/// A one-time ticket of a user.
pub(crate) fn ticket(server: &TestServer, person: &Person) -> String {
    let answer = Request::post(server, "/auth/ticket", "{}")
        .header("Origin", &server.origin)
        .header("Authorization", &format!("Bearer {}", person.token))
        .ask(server);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()["ticket"].as_str().unwrap().to_owned()
}
