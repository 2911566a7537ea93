//! T-183, T-185, T-202, T-220, T-221, T-223, T-228: peers that do not read, write or go.
//! Never: a slot, a file or memory that waits for such a peer.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use portcullis_test::{
    Answer, Config, Connection, Gauges, PollingClient, RawWebSocket, Request, SioClient,
    TestServer, WAIT, frame_bytes, hs256, narrow, open_files, packets, timed, until, until_within,
};
use serde_json::{Value, json};

use crate::clients::{
    NOTHING, PATH, alive, open_socket, public_room, room_id, socket_works, start, transport,
    waiting_poll, wide,
};

/// Two signed-in connections of a test's own do not count: a sender and what it holds.
const SENDER: Gauges = Gauges { open: 1, pre_auth: 0, authenticated: 1 };

/// Short deadlines everywhere.
pub(crate) fn short() -> Config {
    wide(transport(&[
        "connect_timeout_ms = 1200",
        "handshake_timeout_ms = 1200",
        "assembly_timeout_ms = 1200",
        "write_stall_ms = 1200",
        "ping_interval_ms = 1000",
        "ping_timeout_ms = 1000",
    ]))
}

/// The client still holds its socket, and may write on it as far as it knows.
pub(crate) fn is_held(connection: &Connection) -> bool {
    connection.source().port() != 0
}

/// Fills a room with messages until `enough` says so; gives how many there were.
fn fill(sender: &mut SioClient, room: &str, bytes: usize, mut enough: impl FnMut() -> bool) -> u64 {
    let text = "words that are not read ".repeat(bytes / 24);
    let mut sent = 0;
    while !enough() {
        let answer = sender.ask("chat:send", &json!({ "roomId": room, "message": text }));
        assert_eq!(answer["ok"], true, "{answer}");
        sent += 1;
        assert!(sent < 20_000, "the connection is never closed");
    }
    sent
}

fn join(client: &mut PollingClient<'_>, room: &str) {
    assert_eq!(client.ask("room:join", &json!({ "roomId": room }))["ok"], true);
}

#[test]
fn t_220_t_221_websocket_that_never_reads_releases_its_slot() {
    let server = start(&wide(transport(&["write_stall_ms = 1000"])));
    let mut sender = SioClient::connect(&server, &hs256("sender"));
    let room = room_id(&sender.ask("room:create", &public_room()));
    let request = Request::upgrade(&server, PATH);
    let mut slow = SioClient::over(Connection::open_slow(&server, 4_096), &request);
    slow.sign_in(&hs256("slow"));
    assert_eq!(slow.ask("room:join", &json!({ "roomId": room }))["ok"], true);
    Gauges { open: 2, pre_auth: 0, authenticated: 2 }.wait_for(&server);
    let before = server.resident_kib();
    let mut looks = 0;
    fill(&mut sender, &room, 960, || {
        looks += 1;
        looks % 50 == 0 && Gauges::read(&server) == SENDER
    });
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 12 * 1024, "{grown} KiB more");
    assert!(is_held(&slow.socket.connection));
    let _record = server.records.wait_for(|record| record.to_string().contains("slow_consumer"));
    alive(&server);
}

/// A signed-in session with more than one answer's worth waiting, and a poll that is not read.
fn unread_poll(server: &TestServer, connection: &str) -> (SioClient, TcpStream) {
    let mut sender = SioClient::connect(server, &hs256("sender"));
    let room = room_id(&sender.ask("room:create", &public_room()));
    let mut client = PollingClient::connect(server, &hs256("slow"));
    join(&mut client, &room);
    fill_to(&mut sender, &room, 70);
    let mut slow = narrow(server);
    let request = client.poll_request().header("Connection", connection);
    slow.write_all(&request.bytes()).unwrap();
    (sender, slow)
}

#[test]
fn t_183_unread_poll_answer_ends_the_session() {
    let server = start(&wide(transport(&["handshake_timeout_ms = 1500"])));
    let (sender, slow) = unread_poll(&server, "keep-alive");
    SENDER.wait_within(Duration::from_secs(8), &server);
    assert!(slow.local_addr().is_ok());
    drop(sender);
    alive(&server);
}

#[test]
fn t_183_slow_last_poll_of_a_connection_is_closed_on_time() {
    let server = start(&wide(transport(&["handshake_timeout_ms = 1500"])));
    let (sender, slow) = unread_poll(&server, "close");
    SENDER.wait_within(Duration::from_secs(8), &server);
    assert!(slow.local_addr().is_ok());
    drop(sender);
    alive(&server);
}

fn fill_to(sender: &mut SioClient, room: &str, count: u64) {
    let mut left = count;
    fill(sender, room, 960, || {
        left = left.saturating_sub(1);
        left == 0
    });
}

#[test]
fn t_185_packets_that_wait_for_a_poll_are_limited_and_sent_once() {
    let server = start(&wide(Config::plaintext()));
    let mut sender = SioClient::connect(&server, &hs256("sender"));
    let room = room_id(&sender.ask("room:create", &public_room()));
    let mut client = PollingClient::connect(&server, &hs256("reader"));
    join(&mut client, &room);
    for number in 1..=150_u64 {
        let payload = json!({ "roomId": room, "message": "some words ".repeat(80) });
        assert_eq!(sender.ask("chat:send", &payload)["seq"], number);
    }
    let most = client.opened["maxPayload"].as_u64().unwrap();
    assert_eq!(most, 64 * 1024);
    let mut received = Vec::new();
    let mut polls = 0;
    while received.len() < 150 {
        let answer = client.poll();
        polls += 1;
        assert!(answer.body.len() as u64 <= most, "{} bytes in one answer", answer.body.len());
        for packet in packets(&answer) {
            if let Some(arguments) = packet.strip_prefix("42") {
                let arguments: Value = serde_json::from_str(arguments).unwrap();
                received.extend(arguments[1]["seq"].as_u64());
            }
        }
    }
    assert_eq!(received, (1..=150).collect::<Vec<u64>>(), "each once, in order");
    assert!(polls >= 3, "an answer has a bound");
    // Asking again gives nothing again: the next poll waits for something new.
    let mut waiting = client.start_poll();
    let payload = json!({ "roomId": room, "message": "the last" });
    assert_eq!(sender.ask("chat:send", &payload)["seq"], 151);
    let answer = Answer::read(&mut waiting);
    assert_eq!(packets(&answer).len(), 1, "{answer:?}");
    assert!(packets(&answer)[0].contains("the last"));
}

#[test]
fn t_202_flood_to_slow_consumers_costs_one_copy_and_ends_them() {
    let server = start(&wide(Config::plaintext()));
    let mut sender = SioClient::connect(&server, &hs256("sender"));
    let room = room_id(&sender.ask("room:create", &public_room()));
    let mut healthy = SioClient::connect(&server, &hs256("healthy"));
    assert_eq!(healthy.ask("room:join", &json!({ "roomId": room }))["ok"], true);
    let mut slow: Vec<PollingClient<'_>> = (0..150)
        .map(|number| PollingClient::connect(&server, &hs256(&format!("slow-{number}"))))
        .collect();
    slow.iter_mut().for_each(|client| join(client, &room));
    let before = server.resident_kib();
    let text = "words that are not read ".repeat(40);
    let mut most = 0;
    let mut gone_after = 0;
    for number in 1..=1_000_u64 {
        let answer = sender.ask("chat:send", &json!({ "roomId": room, "message": text }));
        assert_eq!(answer["seq"], number, "{answer}");
        assert_eq!(healthy.event("chat:message")["seq"], number, "the others receive everything");
        most = most.max(server.resident_kib());
        if gone_after == 0 && Gauges::read(&server).open == 2 {
            gone_after = number;
        }
    }
    // 1 MiB for each of 150 readers are 150 MiB if everyone has a copy.
    let grown = most.saturating_sub(before);
    assert!(grown < 12 * 1024, "{grown} KiB more");
    assert!((1..=900).contains(&gone_after), "readers that never read stay: {gone_after}");
    for client in &mut slow {
        let reply = client.rest();
        assert!(reply.len() <= 900, "{}", reply.len());
    }
    Gauges { open: 2, pre_auth: 0, authenticated: 2 }.wait_for(&server);
    alive(&server);
}

#[test]
fn t_223_reset_at_every_stage_releases_everything() {
    let server = start(&wide(transport(&["connect_timeout_ms = 3000"])));
    let upgrade = Request::upgrade(&server, PATH);
    let open = PollingClient::outsider(&server).request("GET", "");
    let stage = |number: usize| {
        let mut connection = Connection::open(&server);
        match number % 8 {
            0 => {}
            1 => connection.send(b"GET /socket.io/?EIO=4&tran"),
            2 => connection.send(&upgrade.bytes()),
            3 => connection.send(&open.bytes()),
            4 => {
                let mut socket = RawWebSocket::upgrade(connection, &upgrade);
                socket.connection.send(&frame_bytes(0x81, b"40{\"token\":\"half")[..9]);
                return socket.connection.reset();
            }
            5 => {
                let client = PollingClient::open(&server);
                let waiting = client.start_poll();
                waiting.reset();
                return;
            }
            6 => {
                let client = PollingClient::open(&server);
                let mut posting = client.connection();
                let head = client.post_request(b"4").with("Content-Length", "500");
                posting.send(&head.bytes());
                // The session goes by its own deadline: the server may read that head after `1`.
                posting.reset();
                return;
            }
            _ => {
                let client = PollingClient::connect(&server, &hs256("ann"));
                let socket = client.probe();
                socket.connection.reset();
                client.say("1");
                return;
            }
        }
        connection.reset();
    };
    (0..160).for_each(stage);
    let settled = || {
        until_within(WAIT * 2, "every slot", || {
            let now = Gauges::read(&server);
            (now.pre_auth + now.authenticated == 0).then_some(())
        });
    };
    settled();
    let (before, files) = (server.resident_kib(), open_files(&server));
    let records = server.records.mark();
    (0..4_000).for_each(stage);
    settled();
    NOTHING.wait_for(&server);
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB more");
    until("files to be closed", || (open_files(&server) <= files + 4).then_some(()));
    // A peer that goes is an event, not an alarm: one line at its coming, one at its going.
    let written = server.records.all().split_off(records);
    assert!(written.len() < 4_000, "{} records for 4,000 resets", written.len());
    // Requests over their deadline are answered, also hundreds a second, which load a server.
    let reply = |record: &Value| {
        ["connect_timeout", "load"].iter().any(|rule| record["rule"]["name"] == *rule)
    };
    let alarm = written.iter().find(|record| record["log"]["level"] != "info" && !reply(record));
    assert_eq!(alarm, None);
    alive(&server);
}

#[test]
fn t_228_half_closed_connection_ends_in_five_seconds() {
    // The server waits for three seconds; a busy machine may take a while to see that it did.
    let most = Duration::from_secs(10);
    let server = start(&Config::plaintext());
    // It ends its direction, and keeps the other open.
    let (socket, _) = open_socket(&server);
    socket.connection.half_close();
    NOTHING.wait_within(most, &server);
    // It says close, and never reads the answer nor closes.
    let (mut socket, _) = open_socket(&server);
    socket.connection.send(&frame_bytes(0x88, b"\x03\xe8"));
    let (_, took) = timed(|| while socket.connection.read() {});
    assert!(took < most, "{took:?}");
    // The server closes; the peer never answers.
    let (mut socket, _) = open_socket(&server);
    socket.connection.send(&frame_bytes(0x81, b"7"));
    let (_, took) = timed(|| while socket.connection.read() {});
    assert!(took < most, "{took:?}");
    // A polling client that hangs up while its poll waits.
    let client = PollingClient::connect(&server, &hs256("ann"));
    let waiting = waiting_poll(&server, &client);
    waiting.half_close();
    NOTHING.wait_within(most, &server);
    let client = PollingClient::connect(&server, &hs256("ann"));
    waiting_poll(&server, &client).reset();
    NOTHING.wait_within(most, &server);
    alive(&server);
}

#[test]
fn t_183_flood_after_a_waiting_poll_is_not_buffered() {
    let server = start(&Config::plaintext());
    let client = PollingClient::connect(&server, &hs256("ann"));
    let mut waiting = client.start_poll();
    let (flood, mut sent) = (vec![b'G'; 64 * 1024], 0_usize);
    let before = server.resident_kib();
    until("the server to have enough", || {
        sent += flood.len();
        assert!(sent < 256 * 1024 * 1024, "it reads and reads");
        let ended = waiting.try_send(&flood).is_err();
        (ended || Gauges::read(&server) == NOTHING).then_some(())
    });
    NOTHING.wait_for(&server);
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 4 * 1024, "{grown} KiB more");
    alive(&server);
}

#[test]
fn stopping_server_answers_waiting_polls() {
    let mut server = start(&Config::plaintext());
    let client = PollingClient::connect(&server, &hs256("ann"));
    let mut waiting = waiting_poll(&server, &client);
    let _between = PollingClient::connect(&server, &hs256("bob"));
    let upgraded = PollingClient::connect(&server, &hs256("cat"));
    let mut socket = upgraded.upgrade();
    socket_works(&mut socket);
    server.signal("TERM");
    let answer = Answer::read(&mut waiting);
    assert_eq!(answer.status, 200);
    assert_eq!(packets(&answer).last().map(String::as_str), Some("1"), "{answer:?}");
    assert_eq!(socket.close_code(), Some(1012));
    let (status, took) = timed(|| server.wait());
    assert!(status.success());
    assert!(took < Duration::from_secs(10), "{took:?}");
}
