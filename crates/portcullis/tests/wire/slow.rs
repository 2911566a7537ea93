//! Peers that do not read, do not write, or do not go, and a server that goes itself.
//! Never: more waiting than the deadline under test.

use std::net::IpAddr;
use std::time::Duration;

use portcullis_test::{
    Answer, Config, Connection, Request, SioClient, TestServer, client_hello, counter, hs256,
    timed, until,
};
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
fn t220_t221_slow_consumer_is_disconnected_without_an_effect_on_others() {
    let mut config = wide_rates();
    // On a slow machine, buffers fill so slowly that the missing answer to a ping would end it.
    config.transport = vec!["write_stall_ms = 300".into(), "ping_interval_ms = 600000".into()];
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
    let text = "words that the client does not read ".repeat(20);
    let is_slow = |record: &Value| record.to_string().contains("slow_consumer");
    let mut sent = 0;
    while !server.records.all().iter().any(is_slow) {
        let answer = sender.ask("chat:send", &json!({ "roomId": id, "message": text }));
        assert_eq!(answer["ok"], true, "{answer}");
        sent += 1;
        assert_eq!(healthy.event("chat:message")["seq"], sent, "the others receive everything");
        assert!(sent < 20_000, "the slow consumer is never disconnected");
    }
    assert!(server.resident_kib() < before + 16 * 1024, "unread data is not kept");
    alive(&server);
}

/// A handshake has to be over in this time; what is slow within it is another limit's business.
const HANDSHAKE_MS: u64 = 1_500;
/// What a busy machine may add until the test has seen an end.
const MARGIN_MS: u64 = 5_000;

fn impatient(config: Config) -> Config {
    let lines =
        [format!("handshake_timeout_ms = {HANDSHAKE_MS}"), "receive_grace_ms = 60000".into()];
    Config { transport: lines.to_vec(), ..config }
}

fn source(number: u8) -> IpAddr {
    IpAddr::from([127, 9, 0, number])
}

/// Each connection is asked to be over in time; `more` is what each sends now and then.
fn all_end_on_time(what: &str, open: impl Fn(u8) -> Connection, more: Option<&[u8]>) -> Vec<u16> {
    let (statuses, took) = timed(|| {
        let mut slow: Vec<_> = (1..=200).map(open).collect();
        let mut statuses = Vec::new();
        let mut bytes = more.unwrap_or_default().iter();
        until(what, || {
            let byte = bytes.next().copied();
            slow.retain_mut(|connection| {
                let ended = byte.is_some_and(|byte| connection.try_send(&[byte]).is_err());
                let reply = ended || connection.is_readable(Duration::from_millis(1));
                if reply {
                    let status = Answer::read(connection).status;
                    assert_eq!(connection.read_to_end(), b"", "one answer, and the end");
                    statuses.push(status);
                }
                !reply
            });
            slow.is_empty().then_some(())
        });
        statuses
    });
    eprintln!("{what}: {took:?}");
    assert!(took >= Duration::from_millis(HANDSHAKE_MS / 2), "{what}: {took:?}");
    assert!(took < Duration::from_millis(HANDSHAKE_MS + MARGIN_MS), "{what}: {took:?}");
    assert_eq!(statuses.len(), 200);
    statuses
}

#[test]
fn t229_slow_handshakes_end_on_time() {
    for config in [Config::plaintext(), Config::default()] {
        let server = start(&impatient(config));
        let open = |number| {
            let mut connection = Connection::open_from(&server, source(number));
            connection.send(b"GET /ws HTTP/1.1\r\nX-Slow: ");
            connection
        };
        let statuses = all_end_on_time("heads that stop", open, None);
        assert!(statuses.iter().all(|status| *status == 408), "{statuses:?}");
        // What still comes when the answer is out may cost the client its answer, never the end.
        let statuses = all_end_on_time("slow heads", open, Some(&[b'x'; 4_096]));
        assert!(statuses.iter().all(|status| [408, 0].contains(status)), "{statuses:?}");
        let labels = "{rule=\"head_timeout\",code=\"handshake_timeout\",key=\"\"}";
        let counted = || counter(&server, &format!("portcullis_refusals_total{labels}"));
        until("all of them to be counted", || (counted() == 400).then_some(()));
        nothing_is_held(&server);
        alive(&server);
    }
}

#[test]
fn t229_slow_tls_handshakes_end_on_time() {
    let server = start(&impatient(Config::default()));
    let hello = client_hello(&server);
    let (head, tail) = hello.split_at(20);
    let open = |number| {
        let mut connection = Connection::open_bare_from(server.public, source(number));
        connection.send(head);
        connection
    };
    all_end_on_time("hellos that stop", open, None);
    all_end_on_time("slow hellos", open, Some(&tail[..tail.len() - 1]));
    nothing_is_held(&server);
    alive(&server);
}

fn nothing_is_held(server: &TestServer) {
    until("their places to be free", || {
        (counter(server, "portcullis_http_open") == 0).then_some(())
    });
}

#[test]
fn stopping_server_closes_with_1012_and_keeps_stored_messages() {
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
