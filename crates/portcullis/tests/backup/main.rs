//! Backups of running and stopped servers, restored on another machine, and what is rejected.
//! Never: a sleep; what has to pass is waited for.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod written; // what a backup has, and what a restored server has
mod rejected; // backups and data directories that are rejected
mod hostile; // backups of an attacker, with manifests that fit
mod pages; // commands of the documentation
mod interrupted; // kill -9, and a server without space
mod disks; // other disks, also full ones
mod earlier; // data directories of earlier versions
mod upgraded; // data of each earlier version, started, backed up and restored
mod later; // files of later versions
mod clock; // the clock after a restore
mod wrong_keys; // field keys of another server

use std::path::{Path, PathBuf};

use portcullis_test::{Answer, Config, Request, SioClient, TestServer, login, sign_up};
use serde_json::{Value, json};

const PASSWORD: &str = "a plain long sentence of my own";

/// Starts a server whose users can send as much as a test sends.
pub(crate) fn start() -> TestServer {
    let mut config = Config::default();
    config.rate.extend([
        String::from("message_per_user = \"100000/60s\""),
        String::from("message_per_connection = \"100000/60s\""),
        String::from("event_per_user = { \"chat:send\" = \"100000/60s\" }"),
    ]);
    TestServer::start(env!("CARGO_BIN_EXE_portcullis"), &config)
}

/// A stopped server without a data directory: another machine.
pub(crate) fn other_machine() -> TestServer {
    let mut server = start();
    assert!(server.terminate().success());
    std::fs::remove_dir_all(server.data()).unwrap();
    server
}

/// The output of a command that succeeds.
pub(crate) fn done(server: &TestServer, arguments: &[&str]) -> String {
    let output = server.operate(arguments, "");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The error of a command that fails.
pub(crate) fn rejected(server: &TestServer, arguments: &[&str]) -> String {
    let output = server.operate(arguments, "");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success(), "{arguments:?}: {printed}");
    String::from_utf8(output.stderr).unwrap()
}

/// A room with a user who sends messages to it.
pub(crate) struct Sender {
    pub(crate) client: SioClient,
    pub(crate) room: String,
    pub(crate) token: String,
    pub(crate) sent: u32,
}

impl Sender {
    /// Signs a user up, and makes a room.
    pub(crate) fn new(server: &TestServer) -> Self {
        let token = sign_up(server, "ann").token;
        let mut client = SioClient::connect(server, &token);
        let made = client.ask("room:create", &json!({ "name": "Room", "visibility": "public" }));
        let room = made["room"]["id"].as_str().unwrap().to_owned();
        Self { client, room, token, sent: 0 }
    }

    /// Sends messages until `count` of all are acknowledged.
    pub(crate) fn send_until(&mut self, count: u32) {
        while self.sent < count {
            let text = format!("text {}", self.sent + 1);
            let payload = json!({ "roomId": self.room, "message": text });
            let answer = self.client.ask("chat:send", &payload);
            assert_eq!(answer["seq"], self.sent + 1, "{answer}");
            self.sent += 1;
        }
    }
}

/// The texts of a room on a server, oldest first; at most a page of the newest.
pub(crate) fn texts(server: &TestServer, token: &str, room: &str) -> Vec<String> {
    let mut client = SioClient::connect(server, token);
    let page = client.ask("chat:history", &json!({ "roomId": room }));
    let messages = page["messages"].as_array().unwrap_or_else(|| panic!("{page}"));
    messages.iter().map(|message| message["message"].as_str().unwrap().to_owned()).collect()
}

/// The refresh cookie of a new login.
pub(crate) fn refresh_cookie(server: &TestServer) -> String {
    let answer = login(server, "ann", PASSWORD);
    let cookies = answer.values("set-cookie");
    let value = cookies.iter().find_map(|cookie| cookie.strip_prefix("__Host-rt="));
    value.unwrap().split(';').next().unwrap().to_owned()
}

/// Requests the next turn of a session.
pub(crate) fn refresh(server: &TestServer, cookie: &str) -> Answer {
    Request::post(server, "/auth/refresh", "{}")
        .header("Origin", &server.origin)
        .header("Cookie", &format!("__Host-rt={cookie}"))
        .ask(server)
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The files below a directory.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// The names in a directory.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The manifest of a backup.
pub(crate) fn manifest(directory: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(directory.join("manifest.json")).unwrap()).unwrap()
}
