//! Peers that do not read, do not write, or do not go, and a server that goes itself.
//! Never: more waiting than the deadline under test.

use std::net::IpAddr;

use portcullis_test::{Answer, Config, Connection, Request, SioClient, hs256};
use serde_json::{Value, json};

use crate::clients::{alive, start};

const PATH: &str = "/socket.io/?EIO=4&transport=websocket";

fn wide_rates() -> Config {
    let mut config = Config::plaintext();
    for line in [
        "message_per_user = \"100000/60s\"",
        "message_per_connection = \"100000/60s\"",
        "event_per_user = { \"chat:send\" = \"100000/60s\" }",
    ] {
        config.rate.push(line.into());
    }
    config
}

#[test]
fn t220_t221_who_does_not_read_is_let_go_and_nobody_else_notices() {
    let mut config = wide_rates();
    config.transport = vec!["write_stall_ms = 300".into()];
    let server = start(&config);
    let mut sender = SioClient::connect(&server, &hs256("sender"));
    let created = sender.ask("room:create", &json!({ "name": "Busy", "visibility": "public" }));
    let id = created["room"]["id"].as_str().expect("a room").to_owned();
    let mut slow =
        SioClient::over(Connection::open_slow(&server, 4_096), &Request::upgrade(&server, PATH));
    slow.sign_in(&hs256("slow"));
    assert_eq!(slow.ask("room:join", &json!({ "roomId": id }))["ok"], true);
    let mut healthy = SioClient::connect(&server, &hs256("healthy"));
    assert_eq!(healthy.ask("room:join", &json!({ "roomId": id }))["ok"], true);

    let before = server.resident_kib();
    let text = "words that nobody on the other side reads ".repeat(20);
    let is_slow = |record: &Value| record.to_string().contains("slow_consumer");
    let mut sent = 0;
    while !server.records.all().iter().any(is_slow) {
        let answer = sender.ask("chat:send", &json!({ "roomId": id, "message": text }));
        assert_eq!(answer["ok"], true, "{answer}");
        sent += 1;
        assert_eq!(healthy.event("chat:message")["seq"], sent, "the others hear everything");
        assert!(sent < 20_000, "the slow reader is never let go");
    }
    assert!(server.resident_kib() < before + 16 * 1024, "what nobody reads is not kept");
    alive(&server);
}

#[test]
fn t229_slow_handshakes_end_on_time() {
    let mut config = Config::plaintext();
    config.transport = vec!["handshake_timeout_ms = 1500".into()];
    let server = start(&config);
    let mut slow: Vec<Connection> = (1..=200)
        .map(|number| Connection::open_from(&server, IpAddr::from([127, 9, 0, number])))
        .collect();
    for connection in &mut slow {
        connection.send(b"GET /ws HTTP/1.1\r\nHos");
    }
    alive(&server);
    for connection in &mut slow {
        assert_eq!(Answer::read(connection).status, 408);
        while connection.read() {}
    }
    alive(&server);
}

#[test]
fn a_server_that_stops_says_so_and_leaves_nothing_half_done() {
    let mut server = start(&wide_rates());
    let mut client = SioClient::connect(&server, &hs256("late"));
    let created = client.ask("room:create", &json!({ "name": "R", "visibility": "public" }));
    let id = created["room"]["id"].as_str().expect("a room").to_owned();
    let sent = client.ask("chat:send", &json!({ "roomId": id, "message": "the last word" }));
    assert_eq!(sent["seq"], 1, "{sent}");
    server.signal("TERM");
    assert_eq!(client.close_code(), Some(1012));
    assert!(server.wait().success());
    // It has ended already: only its second half, the start on the same data, is left to do.
    let server = server.crash_and_restart();
    let mut client = SioClient::connect(&server, &hs256("late"));
    let history = client.ask("chat:history", &json!({ "roomId": id }));
    assert_eq!(history["messages"][0]["message"], "the last word", "{history}");
}
