//! Fixtures of the tests: servers, rooms, and a check that a server still serves.
//! Never: a client that the test under way also uses.

use portcullis_test::{
    Config, Connection, Gauges, PollingClient, RawWebSocket, SioClient, TestServer, counter, hs256,
    until,
};
use serde_json::{Value, json};

pub(crate) const PATH: &str = "/socket.io/?EIO=4&transport=websocket";
/// Nothing is held any more.
pub(crate) const NOTHING: Gauges = Gauges { open: 0, pre_auth: 0, authenticated: 0 };

pub(crate) fn start(config: &Config) -> TestServer {
    TestServer::start(env!("CARGO_BIN_EXE_portcullis"), config)
}

/// Plain text, with these lines of `[transport]`.
pub(crate) fn transport(lines: &[&str]) -> Config {
    Config {
        transport: lines.iter().map(|line| String::from(*line)).collect(),
        ..Config::plaintext()
    }
}

/// No rate of messages or packets, and no missing answer to a ping, that a test about something
/// else could meet.
pub(crate) fn wide(mut config: Config) -> Config {
    let lines = [
        "message_per_user = \"1000000/60s\"",
        "message_per_connection = \"1000000/60s\"",
        "namespace_per_user = \"1000000/60s\"",
        "signature_per_user = \"1000000/60s\"",
        "event_per_user = { \"chat:send\" = \"1000000/60s\", \"room:create\" = \"1000000/60s\", \
         \"room:join\" = \"1000000/60s\", \"room:list\" = \"1000000/60s\" }",
    ];
    config.rate.extend(lines.map(String::from));
    if !config.transport.iter().any(|line| line.starts_with("ping_interval_ms")) {
        config.transport.push(String::from("ping_interval_ms = 3600000"));
    }
    config
}

/// The server admits a new client and answers.
pub(crate) fn alive(server: &TestServer) {
    let mut client = SioClient::connect(server, &hs256("alive"));
    let answer = client.ask("room:list", &json!({}));
    assert_eq!(answer["ok"], true, "{answer}");
}

/// The id of a room that was made.
pub(crate) fn room_id(created: &Value) -> String {
    created["room"]["id"].as_str().unwrap_or_else(|| panic!("no room: {created}")).to_owned()
}

/// What a public room is asked for with.
pub(crate) fn public_room() -> Value {
    json!({ "name": "Room", "visibility": "public" })
}

/// A WebSocket session, and what its open packet said.
pub(crate) fn open_socket(server: &TestServer) -> (RawWebSocket, Value) {
    let mut socket = RawWebSocket::open(server, PATH);
    let open = socket.next_frame().expect("an open packet").text();
    let opened = serde_json::from_str(open.strip_prefix('0').expect("an open packet")).unwrap();
    (socket, opened)
}

/// The next packet that begins so, past all others; pings are answered on the way.
pub(crate) fn socket_packet(socket: &mut RawWebSocket, prefix: &str) -> String {
    loop {
        let frame = socket.next_frame().expect("a packet before the end");
        assert_ne!(frame.opcode, 8, "closed: {:?}, without {prefix}", frame.close_code());
        if frame.opcode != 1 {
            continue;
        }
        let text = frame.text();
        if text == "2" {
            socket.send_text("3");
        }
        if text.starts_with(prefix) {
            return text;
        }
    }
}

/// Signs a WebSocket session in.
pub(crate) fn socket_sign_in(socket: &mut RawWebSocket, token: &str) {
    socket.send_text(&format!("40{}", json!({ "token": token })));
    socket_packet(socket, "40{");
}

/// The session answers an act.
pub(crate) fn socket_works(socket: &mut RawWebSocket) {
    socket.send_text("42777[\"room:list\",{}]");
    let answer = socket_packet(socket, "43777[");
    assert!(answer.contains("\"ok\":true"), "{answer}");
}

/// Sends a poll and waits until the server has taken it up; its answer is left unread.
pub(crate) fn waiting_poll(server: &TestServer, client: &PollingClient<'_>) -> Connection {
    let requests = || counter(server, "portcullis_http_requests_total");
    let before = requests();
    let connection = client.start_poll();
    until("the poll to be taken up", || (requests() > before).then_some(()));
    connection
}
