//! Fixtures of the tests: a server, and a check that it still serves.
//! Never: an assertion about a refusal; each test makes its own.

use portcullis_test::{Answer, Config, Connection, SioClient, TestServer, hs256};
use serde_json::json;

pub(crate) const ENGINE: &str = "/socket.io/?EIO=4&transport=websocket";
/// Both doors to a socket.
pub(crate) const SOCKETS: [&str; 2] = [ENGINE, "/ws"];

pub(crate) fn start(config: &Config) -> TestServer {
    TestServer::start(env!("CARGO_BIN_EXE_portcullis"), config)
}

/// The server admits a new client and answers.
pub(crate) fn alive(server: &TestServer) {
    let mut client = SioClient::connect(server, &hs256("alive"));
    let answer = client.ask("room:list", &json!({}));
    assert_eq!(answer["ok"], true, "{answer}");
}

/// Sends bytes on a connection of their own; gives everything until the server closes.
pub(crate) fn send_raw(server: &TestServer, bytes: &[u8]) -> String {
    let mut connection = Connection::open(server);
    connection.send(bytes);
    String::from_utf8_lossy(&connection.read_to_end()).into_owned()
}

/// How many HTTP answers there are.
pub(crate) fn answers(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count()
}

/// No page of another origin may read the answer.
pub(crate) fn assert_no_cors(answer: &Answer, what: &str) {
    let cors = answer.headers.iter().find(|(name, _)| name.starts_with("access-control-"));
    assert_eq!(cors, None, "{what}");
}
