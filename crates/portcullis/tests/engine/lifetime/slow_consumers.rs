//! T-221: slow consumers whose socket takes little.
//! Never: a limit of bytes that ends the connection first.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use portcullis_test::{
    Config, Connection, Gauges, Request, SioClient, TestServer, WAIT, frame_bytes, hs256,
};
use serde_json::{Value, json};

use crate::clients::{NOTHING, PATH, alive, start, transport, wide};
use crate::lifetime::slow::is_held;

/// A signed-in client through whose socket little fits, and questions with long answers.
fn curious(server: &TestServer) -> (SioClient, Vec<u8>) {
    let request = Request::upgrade(server, PATH);
    let mut client = SioClient::over(Connection::open_slow(server, 4_096), &request);
    client.sign_in(&hs256("ann"));
    for number in 0..20 {
        let name = format!("{number}{}", "n".repeat(40));
        client.ask("room:create", &json!({ "name": name, "visibility": "public" }));
    }
    client.socket.connection.hold_unsent(16 * 1024);
    (client, frame_bytes(0x81, b"42777[\"room:list\",{}]"))
}

/// Asks without reading until nothing at all is taken for a while, which has to be before the
/// connection ends; gives the bytes that were taken.
fn ask_until_not_read(client: &SioClient, question: &[u8]) -> usize {
    let mut socket = client.socket.connection.socket();
    socket.set_write_timeout(Some(Duration::from_millis(1_000))).unwrap();
    let questions = question.repeat(1_000);
    let mut taken = 0;
    loop {
        match socket.write(&questions[taken % question.len()..]) {
            Ok(count) => taken += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return taken,
            Err(closed) => panic!("closed before it stopped reading, {taken} bytes: {closed}"),
        }
        assert!(taken < 512 * 1024 * 1024, "it reads and reads");
    }
}

/// No rate of bytes either: nothing but a full queue makes the server stop reading.
fn wide_bytes(stall_ms: u64) -> Config {
    let mut config = wide(transport(&[&format!("write_stall_ms = {stall_ms}")]));
    let rates = ["connection", "user", "prefix"];
    config.rate.extend(rates.map(|per| format!("bytes_per_{per} = \"1000000000/1s\"")));
    config
}

#[test]
fn t_221_slow_consumer_is_not_read_any_more_and_then_disconnected() {
    let server = start(&wide_bytes(5_000));
    let (client, question) = curious(&server);
    let before = server.resident_kib();
    let taken = ask_until_not_read(&client, &question);
    // It has stopped reading, and not ended yet.
    let held = Gauges { open: 1, pre_auth: 0, authenticated: 1 };
    assert_eq!(Gauges::read(&server), held, "{taken} bytes");
    let is_slow = |record: &Value| record["rule"]["name"] == "slow_consumer";
    assert!(!server.records.all().iter().any(is_slow), "it has ended already");
    let record = server.records.wait_for(is_slow);
    assert_eq!(record["event"]["code"], "ws_disconnected", "{record}");
    let ended = server.records.wait_for(|record| record["labels"]["close_code"] == "1013");
    assert_eq!(ended["event"]["code"], "ws_disconnected", "{ended}");
    NOTHING.wait_for(&server);
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 12 * 1024, "{grown} KiB more after {taken} bytes of questions");
    assert!(is_held(&client.socket.connection));
    alive(&server);
}

#[test]
fn t_221_consumer_that_reads_again_in_time_misses_no_message() {
    let server = start(&wide_bytes(60_000));
    let (mut client, question) = curious(&server);
    let taken = ask_until_not_read(&client, &question);
    // The rest of a question that was taken in part, from now on beside the reading.
    let (whole, part) = (taken / question.len(), taken % question.len());
    eprintln!("{whole} questions");
    let mut socket = client.socket.connection.socket().try_clone().unwrap();
    let rest = question[part..].to_vec();
    let writer = std::thread::spawn(move || {
        socket.set_write_timeout(Some(WAIT)).unwrap();
        socket.write_all(&rest)
    });
    for number in 0..=whole {
        let answer = client.wait_packet(|packet| packet.starts_with("43777["));
        assert!(answer.contains("\"ok\":true"), "{number} of {whole}: {answer:.200}");
    }
    writer.join().unwrap().unwrap();
    assert_eq!(client.ask("room:list", &json!({}))["ok"], true);
    alive(&server);
}
