//! Who finds no place waits for one: few, for a short time, in their order.
//! Never: a wait that skips a check, or outlasts its deadline.

use portcullis_test::{
    Answer, Config, Connection, Request, SioClient, TestServer, counter, hs256, register, until,
};
use serde_json::json;

use crate::clients::{alive, recorded, start};

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

fn crowded() -> Config {
    let mut config = Config::default();
    config.transport.push(String::from("connect_timeout_ms = 60000"));
    config.capacity.extend(["connections_total = 20", "pre_auth_total = 2"].map(String::from));
    config
}

#[test]
fn a_stranger_waits_for_a_place_and_gets_the_one_that_is_given_back() {
    let server = start(&crowded());
    let held = [SioClient::open(&server), SioClient::open(&server)];
    let waits = Request::upgrade(&server, PATH);
    let mut first = ask(&server, &waits);
    until_waiting(&server, "strangers", 1);
    // Whoever is refused for another reason does not wait at all.
    let evil = Request::upgrade(&server, PATH).with("Origin", "https://evil.example");
    assert_eq!(evil.ask(&server).status, 403);
    assert_eq!(waiting(&server, "strangers"), 1);
    drop(held);
    assert_eq!(Answer::read(&mut first).status, 101);
    until_waiting(&server, "strangers", 0);
    alive(&server);
}

#[test]
fn nobody_waits_longer_than_two_seconds_or_in_a_full_room() {
    let mut config = crowded();
    config.overload.push(String::from("waiting_strangers = 1"));
    let server = start(&config);
    let _held = [SioClient::open(&server), SioClient::open(&server)];
    let mut waits = ask(&server, &Request::upgrade(&server, "/ws"));
    until_waiting(&server, "strangers", 1);
    let turned_away = Request::upgrade(&server, "/ws").ask(&server);
    assert_eq!(turned_away.status, 503, "the room is full");
    let refused = Answer::read(&mut waits);
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    recorded(&server, "pre_auth_total");
    until_waiting(&server, "strangers", 0);
}

#[test]
fn a_drain_waits_for_nobody_who_waits() {
    let server = start(&crowded());
    let _held = [SioClient::open(&server), SioClient::open(&server)];
    let mut waits = ask(&server, &Request::upgrade(&server, PATH));
    until_waiting(&server, "strangers", 1);
    server.signal("TERM");
    let answer = Answer::read(&mut waits);
    assert_eq!(answer.status, 503);
}

#[test]
fn in_shedding_those_who_have_been_here_come_in_one_after_the_other() {
    let mut config = Config::default();
    config.rate.retain(|line| !line.starts_with("connect_total"));
    config.rate.push(String::from("connect_total = \"1/700ms\""));
    config.overload = vec![String::from("state = \"shedding\"")];
    let server = start(&config);
    let _registered = register(&server, "ann", PASSWORD);
    let login = json!({ "username": "ann", "password": PASSWORD }).to_string();
    let answer = Request::post(&server, "/auth/login", &login).ask(&server).json();
    let admission = answer["admission"].as_str().unwrap();
    let request = Request::upgrade(&server, PATH).header("X-Admission", admission);
    let mut first = SioClient::over(Connection::open(&server), &request);
    let mut others: Vec<_> = (0..3).map(|_| ask(&server, &request)).collect();
    until("those behind wait", || (waiting(&server, "known") >= 2).then_some(()));
    for other in &mut others {
        assert_eq!(Answer::read(other).status, 101);
    }
    assert_eq!(waiting(&server, "strangers"), 0);
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
    let mut asked: Vec<_> = (0..3).map(|_| ask(&server, &request)).collect();
    let statuses: Vec<_> = asked.iter_mut().map(|one| Answer::read(one).status).collect();
    assert_eq!(statuses, [200, 200, 200]);
    alive(&server);
}
