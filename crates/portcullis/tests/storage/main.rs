//! A locked database or a full disk: what works, and what clients get.
//! Never: a sleep; what has to pass is waited for.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod held; // another program holds the lock
mod full; // the reserve of the disk is used up
mod commands; // commands on a full disk
mod commit; // the disk fails while a change is committed
mod moved; // the database's files are moved or removed
mod ready; // what `/ready` reports of it
mod examined; // the server checks itself, and others use the database

use portcullis_test::{Answer, Config, Request, SioClient, TestServer};
use serde_json::{Value, json};

pub(crate) fn start() -> TestServer {
    TestServer::start(env!("CARGO_BIN_EXE_portcullis"), &Config::default())
}

/// Makes a public room; gives its id.
pub(crate) fn room(client: &mut SioClient) -> String {
    let made = client.ask("room:create", &json!({ "name": "Room", "visibility": "public" }));
    made["room"]["id"].as_str().unwrap().to_owned()
}

/// The code of an acknowledgement; `ok` when there is none.
pub(crate) fn code(answer: &Value) -> &str {
    if answer["ok"] == true { "ok" } else { answer["error"]["code"].as_str().unwrap_or("?") }
}

/// Sends a message under an idempotency key.
pub(crate) fn send(client: &mut SioClient, room: &str, mid: &str) -> Value {
    let payload = json!({ "roomId": room, "message": format!("text of {mid}") });
    client.ask_arguments(&json!(["chat:send", payload, { "mid": mid }]))
}

/// The texts of a room, from the oldest on.
pub(crate) fn texts(client: &mut SioClient, room: &str) -> Vec<String> {
    let page = client.ask("chat:history", &json!({ "roomId": room }));
    let messages = page["messages"].as_array().unwrap_or_else(|| panic!("{page}"));
    messages.iter().map(|message| message["message"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn ready(server: &TestServer) -> Answer {
    Request::get(server, "/ready").ask_private(server)
}
