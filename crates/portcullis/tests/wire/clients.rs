//! A server, and whether it still serves.
//! Never: a client that the test under way also uses.

use portcullis_test::{Config, SioClient, TestServer, hs256};
use serde_json::json;

pub(crate) fn start(config: &Config) -> TestServer {
    TestServer::start(env!("CARGO_BIN_EXE_portcullis"), config)
}

/// The server admits a new client and answers.
pub(crate) fn alive(server: &TestServer) {
    let mut client = SioClient::connect(server, &hs256("alive"));
    let answer = client.ask("room:list", &json!({}));
    assert_eq!(answer["ok"], true, "{answer}");
}
