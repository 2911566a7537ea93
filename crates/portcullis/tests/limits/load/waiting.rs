//! The admission queue: few waiting connections, for a short time, in order.
//! Never: a wait that skips a check, or exceeds its deadline.

use std::time::Duration;

use portcullis_test::{
    Answer, Config, Connection, Request, SioClient, TestServer, counter, hs256, register, timed,
    until,
};
use serde_json::{Value, json};

use crate::clients::{alive, start};

const PATH: &str = "/socket.io/?EIO=4&transport=websocket";
const PASSWORD: &str = "a portcullis of plain oak";

fn waiting(server: &TestServer, room: &str) -> u64 {
    counter(server, &format!("portcullis_waiting{{room=\"{room}\"}}"))
}

fn until_waiting(server: &TestServer, room: &str, count: u64) {
    until(&format!("{count} in the room"), || (waiting(server, room) == count).then_some(()));
}

/// Asks and does not wait for the answer.
fn ask(server: &TestServer, request: &Request) -> Connection {
    let mut connection = Connection::open(server);
    connection.send(&request.bytes());
    connection
}

fn full_server() -> Config {
    let mut config = Config::default();
    config.transport.push(String::from("connect_timeout_ms = 60000"));
    config.capacity.extend(["connections_total = 20", "pre_auth_total = 2"].map(String::from));
    config
}

/// Connects until a connection waits, again after each two seconds. Returns the waiting connection.
fn someone_waits(server: &TestServer, request: &Request) -> Connection {
    let mut connection = ask(server, request);
    until("a waiting connection", || {
        if connection.is_readable(Duration::from_millis(1)) {
            assert_eq!(Answer::read(&mut connection).status, 503);
            connection = ask(server, request);
        }
        (waiting(server, "unauthenticated") == 1).then_some(())
    });
    connection
}

/// Connects and is neither admitted nor rejected at once: a wait of two seconds has just started.
fn begins_to_wait(server: &TestServer, request: &Request) -> Connection {
    let mut connection = ask(server, request);
    assert!(
        !connection.is_readable(Duration::from_millis(100)),
        "{}",
        connection.buffer.escape_ascii()
    );
    connection
}

#[test]
fn waiting_unauthenticated_client_gets_a_released_slot() {
    let server = start(&full_server());
    let held = [SioClient::open(&server), SioClient::open(&server)];
    let waits = Request::upgrade(&server, PATH);
    drop(someone_waits(&server, &waits));
    until_waiting(&server, "unauthenticated", 0);
    // A client that is rejected for another reason does not wait.
    let evil = Request::upgrade(&server, PATH).with("Origin", "https://evil.example");
    assert_eq!(evil.ask(&server).status, 403);
    let mut first = begins_to_wait(&server, &waits);
    drop(held);
    assert_eq!(Answer::read(&mut first).status, 101);
    until_waiting(&server, "unauthenticated", 0);
    alive(&server);
}

#[test]
fn wait_ends_after_two_seconds_and_a_full_queue_rejects() {
    let mut config = full_server();
    config.overload.push(String::from("waiting_strangers = 1"));
    let server = start(&config);
    let _held = [SioClient::open(&server), SioClient::open(&server)];
    // Of two who ask at one moment one waits, and one finds the room full.
    let request = Request::upgrade(&server, "/ws");
    let mut requested = [Connection::open(&server), Connection::open(&server)];
    requested.iter_mut().for_each(|connection| connection.send(&request.bytes()));
    let refused_ms = requested.map(|mut connection| {
        let answer = Answer::read(&mut connection);
        assert_eq!(answer.status, 503);
        assert!(answer.header("retry-after").is_some());
        let reference = answer.json()["ref"].as_str().unwrap().to_owned();
        let record = server.records.wait_for_reference(&reference);
        assert_eq!(record["rule"]["name"], "pre_auth_total", "{record}");
        server_ms(&record)
    });
    // By the server's clock, so that it does not matter when the test looks.
    let apart_ms = refused_ms[0].abs_diff(refused_ms[1]);
    assert!((1_000..=5_000).contains(&apart_ms), "{apart_ms} ms apart");
    until_waiting(&server, "unauthenticated", 0);
}

/// When a record was made, in ms of its day.
fn server_ms(record: &Value) -> u64 {
    let time = record["@timestamp"].as_str().unwrap();
    let (_, time) = time.trim_end_matches('Z').split_once('T').unwrap();
    let parts: Vec<f64> = time.split(':').map(|part| part.parse().unwrap()).collect();
    ((parts[0] * 3_600.0 + parts[1] * 60.0 + parts[2]) * 1_000.0) as u64
}

#[test]
fn drain_rejects_waiting_connections() {
    let server = start(&full_server());
    let _held = [SioClient::open(&server), SioClient::open(&server)];
    let mut waits = someone_waits(&server, &Request::upgrade(&server, PATH));
    server.signal("TERM");
    let answer = Answer::read(&mut waits);
    assert_eq!(answer.status, 503);
    // Refused for the drain, not because the wait was over.
    let reference = answer.json()["ref"].as_str().unwrap().to_owned();
    let record = server.records.wait_for_reference(&reference);
    assert_eq!(record["rule"]["name"], "draining", "{record}");
}

#[test]
fn shedding_admits_returning_clients_one_after_another() {
    let mut config = Config::default();
    config.rate.retain(|line| !line.starts_with("connect_total"));
    config.rate.push(String::from("connect_total = \"1/1s\""));
    config.overload = vec![String::from("state = \"shedding\"")];
    let server = start(&config);
    let _registered = register(&server, "ann", PASSWORD);
    let login = json!({ "username": "ann", "password": PASSWORD }).to_string();
    let answer = Request::post(&server, "/auth/login", &login).ask(&server).json();
    let admission = answer["admission"].as_str().unwrap();
    let request = Request::upgrade(&server, PATH).header("X-Admission", admission);
    let (mut first, took) = timed(|| {
        let first = SioClient::over(Connection::open(&server), &request);
        let mut others: Vec<_> = (0..3).map(|_| ask(&server, &request)).collect();
        for other in &mut others {
            assert_eq!(Answer::read(other).status, 101);
        }
        first
    });
    // Without a wait they would come in at once: one a second takes three at least.
    assert!(took > Duration::from_millis(2_900), "{took:?}");
    assert_eq!(waiting(&server, "unauthenticated"), 0);
    first.sign_in(&hs256("ann"));
    assert_eq!(first.ask("room:list", &json!({}))["ok"], true);
}

#[test]
fn log_ins_wait_for_their_turn() {
    let mut config = Config::default();
    config.rate.retain(|line| !line.starts_with("login_total"));
    config.rate.push(String::from("login_total = \"1/400ms\""));
    let server = start(&config);
    let _registered = register(&server, "ann", PASSWORD);
    let login = json!({ "username": "ann", "password": PASSWORD }).to_string();
    let request = Request::post(&server, "/auth/login", &login);
    let (statuses, took) = timed(|| {
        let mut requested: Vec<_> = (0..3).map(|_| ask(&server, &request)).collect();
        requested.iter_mut().map(|one| Answer::read(one).status).collect::<Vec<_>>()
    });
    assert_eq!(statuses, [200, 200, 200]);
    assert!(took > Duration::from_millis(700), "no connection waited: {took:?}");
    alive(&server);
}
