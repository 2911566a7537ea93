//! T-183, T-220: slow senders, at every stage of a connection.
//! Never: a slot, a file or memory that waits for such a client.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use portcullis_test::{
    Answer, Config, Connection, PollingClient, RawWebSocket, frame_bytes, hs256, open_files, timed,
    until,
};

use crate::clients::{NOTHING, alive, open_socket, socket_sign_in, start, waiting_poll};
use crate::lifetime::slow::{is_held, short};

#[test]
fn t_183_slow_posted_body_is_answered_on_time_and_holds_no_memory() {
    let server = start(&short());
    let client = PollingClient::connect(&server, &hs256("ann"));
    let mut connection = client.connection();
    let head = client.post_request(b"").with("Content-Length", "6000").bytes();
    connection.send(&head);
    let (status, took) = timed(|| send_slowly(&mut connection));
    assert_eq!(status, 408);
    assert!(took >= Duration::from_millis(1_000) && took < Duration::from_secs(6), "{took:?}");
    NOTHING.wait_for(&server);
    assert!(is_held(&connection));
    // Before CONNECT as well, and without a byte of the body.
    let client = PollingClient::open(&server);
    let mut connection = client.connection();
    connection.send(&client.post_request(b"").with("Content-Length", "6000").bytes());
    assert_eq!(Answer::read(&mut connection).status, 408);
    NOTHING.wait_for(&server);
    let _record = server.records.wait_for_rule("body_timeout");
    alive(&server);
}

/// Sends a byte every few moments until there is an answer; gives its status.
fn send_slowly(connection: &mut Connection) -> u16 {
    let pause = Duration::from_millis(50);
    connection.socket().set_read_timeout(Some(pause)).unwrap();
    let mut text = Vec::new();
    until("an answer", || {
        let mut socket = connection.socket();
        let _closed_already = socket.write_all(b"4");
        let mut chunk = [0; 4096];
        match socket.read(&mut chunk) {
            Ok(count) => text.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_reset) => return Some(()),
        }
        (!text.is_empty()).then_some(())
    });
    let text = String::from_utf8_lossy(&text).into_owned();
    text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

#[test]
fn t_183_t_220_slow_peers_lose_their_slots_at_every_stage() {
    every_stage(&short());
}

#[test]
fn t_183_t_220_slow_peers_at_every_stage_over_tls() {
    every_stage(&Config { plaintext: false, ..short() });
}

/// Each stage is left by a deadline of the server's, and its socket is dropped.
fn every_stage(config: &Config) {
    let server = start(config);
    let files = open_files(&server);
    let ann = || hs256("ann");
    let mut held: Vec<Connection> = Vec::new();
    let mut stage = |what: &str, connections: Vec<Connection>| {
        let (_, took) = timed(|| NOTHING.wait_within(Duration::from_secs(8), &server));
        eprintln!("{what}: {took:?}");
        assert!(connections.iter().all(is_held));
        held.extend(connections);
    };
    // Nothing, half a head, a head without its body.
    let silent = Connection::open(&server);
    let mut half = Connection::open(&server);
    half.send(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost:");
    stage("half a head", vec![silent, half]);
    // A session that is opened and never polled; one whose poll waits before CONNECT.
    let client = PollingClient::open(&server);
    let waiting = waiting_poll(&server, &client);
    let _never_polled = PollingClient::open(&server);
    stage("a poll before CONNECT", vec![waiting]);
    // A poll of a signed-in session that waits: its ping is written and never answered.
    let client = PollingClient::connect(&server, &ann());
    let waiting = waiting_poll(&server, &client);
    stage("a poll never read", vec![waiting]);
    // A probe that says nothing, one that was answered, one that switched and reads nothing.
    let client = PollingClient::connect(&server, &ann());
    let silent = client.open_upgrade();
    stage("a silent probe", vec![silent.connection]);
    let client = PollingClient::connect(&server, &ann());
    let probed = client.probe();
    stage("a probe without a switch", vec![probed.connection]);
    let client = PollingClient::connect(&server, &ann());
    let switched = client.upgrade();
    stage("a switch and nothing else", vec![switched.connection]);
    let client = PollingClient::open(&server);
    let switched = client.upgrade();
    stage("a switch before CONNECT", vec![switched.connection]);
    // WebSockets: silent, half a frame, half a message, missing attachments, no pong.
    let (socket, _) = open_socket(&server);
    stage("no CONNECT", vec![socket.connection]);
    let (mut socket, _) = open_socket(&server);
    socket_sign_in(&mut socket, &ann());
    stage("no pong", vec![socket.connection]);
    let (mut socket, _) = open_socket(&server);
    socket_sign_in(&mut socket, &ann());
    socket.connection.send(&frame_bytes(0x81, b"42[\"room:list\",{}]")[..9]);
    stage("half a frame", vec![socket.connection]);
    let (mut socket, _) = open_socket(&server);
    socket_sign_in(&mut socket, &ann());
    socket.connection.send(&frame_bytes(0x01, b"42[\"room:list\",{}]"));
    stage("half a message", vec![socket.connection]);
    let plain = RawWebSocket::open(&server, "/ws");
    stage("the plain form", vec![plain.connection]);
    // The server has let every one of those sockets go, too.
    until("the sockets' files to be closed", || (open_files(&server) <= files + 4).then_some(()));
    drop(held);
    alive(&server);
}
