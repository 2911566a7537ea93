//! Authorization, expiry and replay, over the wire.
//! Never: a sleep; tests configure short times and wait for the event.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod browser; // a browser's cookies, by hand
mod cookies; // what every cookie looks like
mod matrix; // every event and request, with every role
mod revocation; // revoked users are disconnected everywhere at once
mod expiry; // what ends by time, and what prolongs it
mod refresh; // the cookie that turns
mod replay; // tickets and messages that count once
mod strict; // proofs, bound tokens, signed events
mod at_rest; // what the files in the data directory tell
mod names; // names of users of other issuers
mod rooms; // rooms between many
mod concurrent; // many requests at the same time, with exact results

use portcullis_test::{Config, SioClient, TestServer};
use serde_json::{Value, json};

/// Makes a room; gives its id.
pub(crate) fn room(client: &mut SioClient, visibility: &str) -> String {
    let made = client.ask("room:create", &json!({ "name": "Room", "visibility": visibility }));
    made["room"]["id"].as_str().unwrap().to_owned()
}

pub(crate) fn start(config: &Config) -> TestServer {
    TestServer::start(env!("CARGO_BIN_EXE_portcullis"), config)
}

/// No rate that a test about something else could meet.
pub(crate) fn unlimited() -> Config {
    let mut config = Config::default();
    let lines = [
        "message_per_user = \"100000/60s\"",
        "message_per_connection = \"100000/60s\"",
        "namespace_per_user = \"100000/60s\"",
        "ticket_per_user = \"100000/60s\"",
        "login_per_user = \"100000/60s\"",
        "event_per_user = { \"chat:send\" = \"100000/60s\", \"room:create\" = \"100000/60s\", \
         \"room:join\" = \"100000/60s\", \"room:kick\" = \"100000/60s\", \
         \"room:invite\" = \"100000/60s\", \"auth:refresh\" = \"100000/60s\", \
         \"room:list\" = \"100000/60s\" }",
    ];
    config.rate.extend(lines.map(String::from));
    config.capacity.push(String::from("rooms_per_user = 1000"));
    config
}

/// The code of an acknowledgement; `ok` when there is none.
pub(crate) fn code(answer: &Value) -> &str {
    if answer["ok"] == true { "ok" } else { answer["error"]["code"].as_str().unwrap_or("?") }
}
