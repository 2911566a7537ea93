//! T-089: a server that may open no more files.
//! Never: a limit changed in a process that runs; it starts with few, as with `ulimit -n`.

use std::net::TcpStream;

use portcullis_test::{
    Config, ProcessOptions, Request, SioClient, TestServer, hs256, processor_ms, timed, until,
};
use serde_json::{Value, json};

use crate::clients::{alive, start};

/// What a server at rest has open, and a few for clients: fewer than half, which those may take who
/// are not sockets yet.
const FILES_MAX: u64 = 56;

fn few_files() -> TestServer {
    // The clients that take all files do nothing else, and stay connected until the test ends.
    let transport = ["handshake_timeout_ms = 3600000", "ping_interval_ms = 500"];
    start(&Config {
        transport: transport.map(String::from).to_vec(),
        process: ProcessOptions { files_max: Some(FILES_MAX), ..ProcessOptions::default() },
        ..Config::default()
    })
}

fn starved(server: &TestServer) -> usize {
    let is_starved = |record: &&Value| record["rule"]["name"] == "accept";
    server.records.all().iter().filter(is_starved).count()
}

/// Reads up to the next ping, and answers it.
fn pinged(client: &mut SioClient) {
    while client.socket.next_frame().unwrap().text() != "2" {}
    client.send("3");
}

#[test]
fn t_089_server_without_file_descriptors_keeps_sockets_and_recovers() {
    let server = few_files();
    let mut ann = SioClient::connect(&server, &hs256("ann"));
    let created = ann.ask("room:create", &json!({ "name": "R", "visibility": "public" }));
    let id = created["room"]["id"].as_str().expect("a room").to_owned();
    // The kernel takes them all; the server cannot.
    let many: Vec<TcpStream> =
        (0..3 * FILES_MAX).map(|_| TcpStream::connect(server.public).unwrap()).collect();
    let record = server.records.wait_for_rule("accept");
    assert_eq!(record["log"]["level"], "critical", "{record}");

    // A connected user writes, reads and gets pings; and the server uses almost no processor time.
    let before_ms = processor_ms(&server);
    let (_, took) = timed(|| {
        for number in 1..=3 {
            let text = format!("message {number}");
            let sent = ann.ask("chat:send", &json!({ "roomId": id, "message": text }));
            assert_eq!(sent["seq"], number, "{sent}");
            pinged(&mut ann);
        }
    });
    let used_ms = processor_ms(&server) - before_ms;
    eprintln!("{used_ms} ms of the processor in {took:?}");
    assert!(u128::from(used_ms) < took.as_millis() / 2, "{used_ms} ms in {took:?}");
    assert!(starved(&server) <= 10, "{} records", starved(&server));

    drop(many);
    // Each thread accepts the remaining sockets in the kernel's queue before a new client.
    until("every thread to serve again", || {
        let serves = |_| Request::get(&server, "/").ask(&server).status == 200;
        (0..20).all(serves).then_some(())
    });
    alive(&server);
    assert_eq!(ann.ask("room:list", &json!({}))["ok"], true);
}
