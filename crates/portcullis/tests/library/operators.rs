//! The recipients of an event: rooms, exceptions, all clients, one client; and their answers.
//! Never: a recipient twice, or a missing recipient, on any shard.

use std::sync::Arc;
use std::time::Duration;

use portcullis::prelude::*;
use portcullis::{Running, SocketInfo};
use portcullis_test::SioClient;

use crate::served::ServedApp;

/// `enter {rooms}`: joins these rooms.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Enter {
    rooms: Vec<String>,
}

impl Event for Enter {
    const NAME: &'static str = "enter";
    const RULE: Rule = Rule::DEFAULT;
}

/// `tell {to, except, me}`: emits `told` with the operators that are named.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Notify {
    to: Vec<String>,
    except: Vec<String>,
    me: bool,
}

impl Event for Notify {
    const NAME: &'static str = "tell";
    const RULE: Rule = Rule::DEFAULT;
}

/// `survey {}`: asks everyone else and tells how many answered what.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Survey {}

impl Event for Survey {
    const NAME: &'static str = "survey";
    const RULE: Rule = Rule::DEFAULT;
}

/// `list {room}`: the members of a room.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    room: String,
}

impl Event for List {
    const NAME: &'static str = "list";
    const RULE: Rule = Rule::DEFAULT;
}

/// `evict {room}`: disconnects the members of the room.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Evict {
    room: String,
}

impl Event for Evict {
    const NAME: &'static str = "evict";
    const RULE: Rule = Rule::DEFAULT;
}

fn room(name: &str) -> RoomId {
    RoomId::parse(name).unwrap()
}

fn served() -> ServedApp {
    ServedApp::start(|server| {
        server.on(|permit: Permit<Enter>, context: Context| async move {
            for name in &permit.payload().rooms {
                context.join(&room(name))?;
            }
            Ok(Reply::ok())
        })?;
        server.on(|permit: Permit<Notify>, context: Context| async move {
            let Notify { to, except, me } = permit.payload();
            let everyone = context.as_server();
            let others = everyone.clone().without(context.connection);
            let mut target = if *me { everyone } else { others };
            target = to.iter().fold(target, |target, name| target.to(&room(name)));
            target = except.iter().fold(target, |target, name| target.except(&room(name)));
            target.emit("told", &Payload::of(&json!({})))?;
            Ok(Reply::ok())
        })?;
        server.on(|_permit: Permit<Survey>, context: Context| async move {
            let reply = context
                .others()
                .emit_with_ack("question", &Payload::of(&json!({})), Duration::from_millis(1500))
                .await?;
            let mut answers: Vec<_> =
                reply.answers.iter().map(|one| one.answer.arguments().to_owned()).collect();
            answers.sort();
            Ok(Reply::fields(&json!({"answers": answers, "missing": reply.missing})))
        })?;
        server.on(|permit: Permit<List>, context: Context| async move {
            let there: Vec<SocketInfo> = context
                .hub
                .namespace(Namespace::MAIN)
                .to(&room(&permit.payload().room))
                .fetch()
                .await?;
            let mut names: Vec<_> = there.iter().map(|one| one.user.name().to_string()).collect();
            names.sort();
            let rooms: usize = there.iter().map(|one| one.rooms.len()).sum();
            Ok(Reply::fields(&json!({"count": names.len(), "rooms": rooms})))
        })?;
        server.on(|permit: Permit<Evict>, context: Context| async move {
            context.as_server().to(&room(&permit.payload().room)).disconnect()?;
            Ok(Reply::ok())
        })?;
        Ok(())
    })
}

/// Clients `0..count`; each has entered its own rooms.
fn clients(served: &ServedApp, rooms: &[&[&str]]) -> Vec<SioClient> {
    let enter = |(number, rooms): (usize, &&[&str])| {
        let mut client = served.connect(&format!("user-{number}"));
        assert_eq!(client.ask("enter", &json!({"rooms": rooms}))["ok"], true);
        client
    };
    rooms.iter().enumerate().map(enter).collect()
}

/// How many events each client received, after all earlier events have arrived everywhere.
fn reply(clients: &mut [SioClient]) -> Vec<usize> {
    let count = |client: &mut SioClient| {
        // The path to a client's own shard is one queue, so this answer comes after the events.
        let _flushed = client.ask("enter", &json!({"rooms": ["flush"]}));
        let reply = client.seen.iter().filter(|packet| packet.starts_with("42[\"told\"")).count();
        client.seen.clear();
        reply
    };
    clients.iter_mut().map(count).collect()
}

#[test]
fn rooms_and_exceptions_choose_each_socket_once() {
    let served = served();
    let mut clients = clients(&served, &[&["a"], &["a", "b"], &["b"], &["c"], &[]]);
    let cases = [
        (json!({"to": ["a"], "except": [], "me": true}), [1, 1, 0, 0, 0]),
        (json!({"to": ["a"], "except": [], "me": false}), [0, 1, 0, 0, 0]),
        (json!({"to": ["a", "b"], "except": [], "me": true}), [1, 1, 1, 0, 0]),
        (json!({"to": ["a", "b"], "except": ["b"], "me": true}), [1, 0, 0, 0, 0]),
        (json!({"to": [], "except": ["a"], "me": true}), [0, 0, 1, 1, 1]),
        (json!({"to": [], "except": [], "me": false}), [0, 1, 1, 1, 1]),
        (json!({"to": ["empty"], "except": [], "me": true}), [0, 0, 0, 0, 0]),
    ];
    for (payload, expect) in cases {
        assert_eq!(clients[0].ask("tell", &payload)["ok"], true);
        assert_eq!(reply(&mut clients), expect, "{payload}");
    }
}

#[test]
fn answers_are_collected_from_every_shard_and_missing_ones_are_counted() {
    let served = served();
    let mut clients = clients(&served, &[&[], &[], &[], &[]]);
    let mut asker = clients.remove(0);
    asker.send(r#"425["survey",{}]"#);
    for (number, client) in clients.iter_mut().enumerate() {
        let question = client.wait_packet(|packet| packet.contains("[\"question\","));
        let id: String = question[2..].chars().take_while(char::is_ascii_digit).collect();
        match number {
            0 => client.send(&format!("43{id}[{{\"n\":1}}]")),
            // Twice: the second is nobody's.
            1 => {
                client.send(&format!("43{id}[\"two\"]"));
                client.send(&format!("43{id}[\"three\"]"));
            }
            // Not at all.
            _ => {}
        }
    }
    let answer = asker.wait_packet(|packet| packet.starts_with("435["));
    assert_eq!(answer, r#"435[{"ok":true,"answers":["[\"two\"]","[{\"n\":1}]"],"missing":1}]"#);
    assert_eq!(clients[1].ask("enter", &json!({"rooms": []}))["ok"], true, "still there");
}

#[test]
fn client_that_leaves_does_not_delay_the_answers() {
    let served = served();
    let mut clients = clients(&served, &[&[], &[]]);
    let mut gone = clients.remove(1);
    clients[0].send(r#"425["survey",{}]"#);
    let _request = gone.wait_packet(|packet| packet.contains("[\"question\","));
    drop(gone);
    let answer = clients[0].wait_packet(|packet| packet.starts_with("435["));
    assert_eq!(answer, r#"435[{"ok":true,"answers":[],"missing":1}]"#);
}

#[test]
fn sockets_are_listed_and_disconnected_by_room() {
    let served = served();
    let mut clients = clients(&served, &[&["a"], &["a", "b"], &["b"], &[]]);
    let mut watcher = served.connect("watcher");
    let listed = watcher.ask("list", &json!({"room": "a"}));
    assert_eq!((&listed["count"], &listed["rooms"]), (&json!(2), &json!(3)));
    assert_eq!(watcher.ask("evict", &json!({"room": "a"}))["ok"], true);
    for client in &mut clients[..2] {
        assert_eq!(client.wait_packet(|packet| packet == "41"), "41");
    }
    assert_eq!(watcher.ask("list", &json!({"room": "a"}))["count"], 0);
    assert_eq!(watcher.ask("list", &json!({"room": "b"}))["count"], 1);
    assert_eq!(clients[3].ask("enter", &json!({"rooms": []}))["ok"], true);
}

#[test]
fn events_from_outside_of_handlers_reach_everyone() {
    let mut hub = None;
    let served = ServedApp::start(|server| {
        hub = Some(server.hub());
        Ok(())
    });
    let mut clients: Vec<_> = (0..4).map(|n| served.connect(&format!("user-{n}"))).collect();
    let everyone = hub.unwrap().namespace(Namespace::MAIN);
    let sender = std::thread::spawn(move || {
        for number in 0..20 {
            everyone.emit("news", &Payload::of(&json!({"number": number}))).unwrap();
        }
        everyone.emit("disconnect", &Payload::default())
    });
    for client in &mut clients {
        for number in 0..20 {
            assert_eq!(client.event("news")["number"], number);
        }
    }
    assert!(sender.join().unwrap().is_err(), "a name of the protocol's own");
}

/// Only so that the type of a running server is named once: it can be sent to other threads.
#[test]
fn running_server_is_send() {
    fn sendable<T: Send>(_: Option<Arc<T>>) {}
    sendable::<Running>(None);
}
