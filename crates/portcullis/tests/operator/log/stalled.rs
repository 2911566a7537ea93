//! Operations that are recorded although the disk of the security log hangs.
//! Never: a client that waits for that disk.

use std::net::IpAddr;

use portcullis_test::{
    Config, Connection, Request, SioClient, StalledDisk, TestServer, counter, set_up, sign_up,
    until,
};
use serde_json::{Value, json};

use crate::{done, start};

/// Attackers of a flood, each with an address of its own.
const SOURCES: u32 = 700;
/// Rejections of one source that are recorded in a minute.
const EACH: usize = 5;
/// Threads of a flood.
const THREADS: u32 = 4;

/// Requests from an origin that is not allowed, more than the queue of their records holds.
fn flood(server: &TestServer) {
    let attack = |source: u32| {
        let [.., high, low] = source.to_be_bytes();
        let from = IpAddr::from([127, 60, high, low]);
        let mut connection = Connection::open_from(server, from);
        for _ in 0..EACH {
            let request = Request::post(server, "/auth/ticket", "{}");
            let request = request.header("Origin", "https://evil.example");
            assert_eq!(request.ask_on(&mut connection).status, 403);
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || (0..SOURCES).filter(|it| it % THREADS == thread).for_each(attack));
        }
    });
}

// T-376
#[test]
fn t376_ban_during_an_origin_flood_on_a_stalled_disk_is_recorded() {
    let mut config = Config { plaintext: true, ..Config::default() };
    let disk = StalledDisk::install(&mut config);
    let server = start(&config);
    let root = set_up(&server, "root");
    let ann = sign_up(&server, "ann");
    let mut admin = SioClient::connect(&server, &root.token);
    let mut victim = SioClient::connect(&server, &ann.token);
    disk.stall();
    flood(&server);
    let lost = || counter(&server, "portcullis_log_lost_total");
    until("the queue of the flood to be full", || {
        flood(&server);
        (lost() > 0).then_some(())
    });
    let answer = admin.ask("user:ban", &json!({ "userId": ann.id, "reason": "spam" }));
    assert_eq!(answer["ok"], true, "{answer}");
    assert_eq!(victim.close_code(), Some(4401));
    let is_ban = |record: &Value| {
        record["event"]["action"] == "user:ban" && record["user"]["target"]["id"] == ann.id
    };
    let written = || {
        let text = std::fs::read_to_string(disk.log()).unwrap();
        let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        records.filter(is_ban).count()
    };
    assert_eq!(written(), 0, "the disk hangs");
    let flooded = lost();
    disk.release();
    until("the ban in the file", || (written() == 1).then_some(()));
    until("the number of lost records", || {
        let text = std::fs::read_to_string(disk.log()).unwrap();
        text.contains("\"log_lost\"").then_some(())
    });
    assert!(lost() >= flooded);
    let key = done(&server, &["audit", "key"], "");
    let printed = done(&server, &["audit", "verify", "--key", key.trim()], "");
    assert!(printed.contains("sound"), "{printed}");
}
