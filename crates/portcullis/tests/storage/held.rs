//! Another program holds the database: a change is rejected without effect, reads go on.
//! Never: a rejected change that is stored later.

use std::sync::mpsc::sync_channel;

use portcullis_test::{Config, SioClient, TestServer, login, register, sign_up, until};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::{code, ready, room, send, start, texts};

const PASSWORD: &str = "a plain long sentence of my own";

/// Holds the lock until it is dropped.
struct HeldLock(Connection);

impl HeldLock {
    fn take(server: &TestServer) -> Self {
        let other = Connection::open(server.data().join("portcullis.db")).unwrap();
        until("the lock", || other.execute_batch("BEGIN EXCLUSIVE").ok());
        Self(other)
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        self.0.execute_batch("ROLLBACK").unwrap();
    }
}

#[test]
fn rejected_message_is_not_stored_and_its_retry_is_stored_once() {
    let server = start();
    let ann = sign_up(&server, "ann");
    let mut client = SioClient::connect(&server, &ann.token);
    let room = room(&mut client);
    let held = HeldLock::take(&server);
    let answer = send(&mut client, &room, "m1");
    assert_eq!(code(&answer), "server_busy", "{answer}");
    assert!(answer["error"].get("outcome").is_none(), "it has no effect: {answer}");
    assert_eq!(answer["error"]["retry_after_s"], 5);
    drop(held);
    // Another message comes through first, so that nothing of the first can be on its way.
    assert_eq!(send(&mut client, &room, "m2")["seq"], 1);
    assert_eq!(send(&mut client, &room, "m1")["seq"], 2);
    assert_eq!(send(&mut client, &room, "m1")["seq"], 2);
    assert_eq!(texts(&mut client, &room), ["text of m2", "text of m1"]);
}

/// The answers to acknowledgements from 100 on, however they are ordered.
fn answers(client: &mut SioClient, many: usize) -> Vec<Value> {
    let mut answers = vec![Value::Null; many];
    for _ in 0..many {
        let packet = client.wait_packet(|packet| packet.starts_with("431"));
        let (id, arguments) = packet[2..].split_once('[').unwrap();
        let arguments: Value = serde_json::from_str(&format!("[{arguments}")).unwrap();
        answers[id.parse::<usize>().unwrap() - 100] = arguments[0].clone();
    }
    answers
}

#[test]
fn events_behind_a_held_one_are_answered_with_it_and_have_no_effect() {
    const SENDS: usize = 30;
    let server = start();
    let ann = sign_up(&server, "ann");
    let mut client = SioClient::connect(&server, &ann.token);
    let room = room(&mut client);
    let held = HeldLock::take(&server);
    for number in 0..SENDS {
        let message = json!({ "roomId": room, "message": format!("late {number}") });
        client.send(&format!("42{}[\"chat:send\",{message}]", 100 + number));
    }
    let create = json!({ "name": "Late", "visibility": "public" });
    client.send(&format!("42{}[\"room:create\",{create}]", 100 + SENDS));
    // One after the other, they would need a minute.
    let answers = answers(&mut client, SENDS + 1);
    let busy = answers.iter().filter(|answer| code(answer) == "server_busy").count();
    let limited = answers.iter().filter(|answer| code(answer) == "RATE_LIMIT_EXCEEDED").count();
    assert_eq!(busy + limited, SENDS + 1, "{answers:?}");
    assert_eq!(code(&answers[SENDS]), "server_busy");
    assert!(answers.iter().all(|answer| answer["error"].get("outcome").is_none()), "{answers:?}");
    drop(held);
    let rooms = until("the writer", || {
        let answer = client.ask("room:create", &json!({ "name": "Now", "visibility": "public" }));
        (code(&answer) == "ok").then(|| client.ask("room:list", &json!({})))
    });
    assert!(!rooms.to_string().contains("Late"), "{rooms}");
    assert_eq!(texts(&mut client, &room), [""; 0]);
}

#[test]
fn moderation_under_a_held_lock_is_busy_and_has_no_effect() {
    let server = start();
    let (ann, bob) = (sign_up(&server, "ann"), sign_up(&server, "bob"));
    let made = server.operate(&["user", "grant", "ann", "moderator"], "");
    assert!(made.status.success(), "{made:?}");
    let mut client = SioClient::connect(&server, &ann.token);
    let mut other = SioClient::connect(&server, &bob.token);
    let _recorded = server.records.wait_for(|record| record.to_string().contains("moderator"));
    // The connection gets the role a moment after the record.
    let lifts = json!({ "userId": bob.id, "duration_s": 0 });
    until("the role", || (code(&client.ask("user:mute", &lifts)) == "ok").then_some(()));
    let held = HeldLock::take(&server);
    // A kick stores nothing.
    for event in ["user:mute", "user:ban"] {
        let answer = client.ask(event, &json!({ "userId": bob.id, "reason": "spam" }));
        assert_eq!(code(&answer), "server_busy", "{event}: {answer}");
    }
    drop(held);
    until("the writer", || {
        let answer = client.ask("room:create", &json!({ "name": "Now", "visibility": "public" }));
        (code(&answer) == "ok").then_some(())
    });
    let made = other.ask("room:create", &json!({ "name": "His", "visibility": "public" }));
    let response =
        other.ask("chat:send", &json!({ "roomId": made["room"]["id"], "message": "here" }));
    assert_eq!(code(&response), "ok", "neither muted nor banned: {response}");
    assert_eq!(code(&client.ask("user:kick", &json!({ "userId": bob.id }))), "ok");
}

#[test]
fn every_change_is_answered_busy_and_reads_and_connects_go_on() {
    let mut config = Config::default();
    config.capacity.push(String::from("connections_per_user = 50"));
    let server = TestServer::start(env!("CARGO_BIN_EXE_portcullis"), &config);
    let (ann, bob) = (sign_up(&server, "ann"), sign_up(&server, "bob"));
    let mut client = SioClient::connect(&server, &ann.token);
    let room = room(&mut client);
    send(&mut client, &room, "m1");
    let held = HeldLock::take(&server);
    let changes = [
        ("room:create", json!({ "name": "Two", "visibility": "public" })),
        ("room:join", json!({ "roomId": room })),
        ("room:leave", json!({ "roomId": room })),
        ("room:delete", json!({ "roomId": room })),
        ("room:invite", json!({ "roomId": room, "userId": bob.id })),
        ("room:kick", json!({ "roomId": room, "userId": bob.id })),
        ("chat:send", json!({ "roomId": room, "message": "x" })),
    ];
    let (answered, answers) = sync_channel(16);
    std::thread::scope(|scope| {
        for (event, payload) in &changes {
            let (answered, token, server) = (answered.clone(), &ann.token, &server);
            scope.spawn(move || {
                // A CONNECT needs no lock.
                let mut client = SioClient::connect(server, token);
                answered.send((*event, client.ask(event, payload))).unwrap();
            });
        }
        let (answered, server) = (answered.clone(), &server);
        scope.spawn(move || {
            for answer in [login(server, "ann", PASSWORD), register(server, "eve", PASSWORD)] {
                let error = json!({ "ok": false, "error": answer.json() });
                assert_eq!(answer.status, 503);
                answered.send(("http", error)).unwrap();
            }
        });
    });
    drop(answered);
    for (event, answer) in answers {
        assert_eq!(code(&answer), "server_busy", "{event}: {answer}");
        assert!(answer["error"].get("outcome").is_none(), "{event}: {answer}");
    }
    assert_eq!(texts(&mut client, &room), ["text of m1"]);
    assert_eq!(ready(&server).status, 200);
    drop(held);
    // Nothing of it has happened, and all of it is possible again.
    let rooms = until("the writer", || {
        (code(&send(&mut client, &room, "m2")) == "ok").then(|| client.ask("room:list", &json!({})))
    });
    assert_eq!(rooms["rooms"].as_array().map(Vec::len), Some(1), "{rooms}");
    assert_eq!(texts(&mut client, &room), ["text of m1", "text of m2"]);
    assert_eq!(register(&server, "eve", PASSWORD).status, 201);
}
