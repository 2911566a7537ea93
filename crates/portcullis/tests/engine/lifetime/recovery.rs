//! T-147: recovery of a connection: by its user, once, after a new check, with missed messages.
//! Never: a message of a room that the user left in the meantime.

use std::time::Duration;

use portcullis_test::{
    Config, Connection, ExampleServer, Gauges, Request, SioClient, TestServer, counter, hs256,
    now_s, until,
};
use serde_json::{Value, json};

use crate::boards::{Client, board_token, board_token_until, start_board};
use crate::clients::{NOTHING, PATH, alive, public_room, room_id, start, wide};

/// A member of board `b1` that has heard one note and is gone; its `pid`, `sid` and offset.
struct LostConnection {
    pid: String,
    sid: String,
    offset: Value,
}

fn note(client: &mut Client, text: &str) {
    let response = client.ask("board:note", &json!({ "board": "b1", "text": text }));
    assert_eq!(response["ok"], true, "{response}");
}

fn lose(server: &ExampleServer, name: &str, speaker: &mut Client) -> LostConnection {
    let mut client = Client::board(server, name);
    client.enter("b1");
    note(speaker, "heard");
    let received = client.event("board:note");
    assert_eq!(received[1]["text"], "heard", "{received}");
    let text = |name: &str| client.joined[name].as_str().expect("in the answer").to_owned();
    let gone = LostConnection { pid: text("pid"), sid: text("sid"), offset: received[2].clone() };
    assert!(gone.offset.is_string(), "{received}");
    client.socket.connection.reset();
    gone
}

fn payload(name: &str, gone: &LostConnection) -> Value {
    json!({ "token": board_token(name), "pid": gone.pid, "offset": gone.offset })
}

/// Comes back until the server has noticed the loss: it gives the place only then.
fn come_back(server: &ExampleServer, name: &str, gone: &LostConnection) -> Client {
    until("the old place", || {
        let mut client = Client::open(server, "/board,");
        let joined = client.join(&payload(name, gone)).expect("to be admitted");
        if joined["pid"] == gone.pid.as_str() {
            return Some(client);
        }
        client.send("1");
        None
    })
}

fn speaker(server: &ExampleServer) -> Client {
    let mut speaker = Client::board(server, "speaker");
    speaker.enter("b1");
    speaker
}

#[test]
fn t_147_recovered_client_gets_missed_messages_once_and_in_order() {
    let server = start_board();
    let mut speaker = speaker(&server);
    let gone = lose(&server, "ann", &mut speaker);
    for number in 0..20 {
        note(&mut speaker, &format!("missed {number}"));
    }
    let mut client = come_back(&server, "ann", &gone);
    assert_eq!(client.joined["sid"], gone.sid.as_str(), "the same socket");
    note(&mut speaker, "live");
    for number in 0..20 {
        assert_eq!(client.event("board:note")[1]["text"], format!("missed {number}"));
    }
    assert_eq!(client.event("board:note")[1]["text"], "live");
    // It is on its board as before, without joining again.
    note(&mut client, "mine");
    assert_eq!(speaker.event("board:note")[1]["text"], "heard");
    // The id is used up while the place is taken: a second client gets a place of its own.
    let mut second = Client::open(&server, "/board,");
    let joined = second.join(&payload("ann", &gone)).unwrap();
    assert_ne!(joined["pid"], gone.pid.as_str());
    assert_ne!(joined["sid"], gone.sid.as_str());
    note(&mut speaker, "for members");
    assert_eq!(second.ask("board:join", &json!({ "board": "b9" }))["ok"], true);
    assert!(second.unread().iter().all(|text| !text.contains("board:note")));
}

/// A client whose network is gone: neither side has closed anything.
#[test]
fn client_of_a_half_open_connection_recovers_and_its_slot_is_free() {
    let server = start_board();
    let mut speaker = speaker(&server);
    let mut client = Client::board(&server, "ann");
    client.enter("b1");
    note(&mut speaker, "heard");
    let offset = client.event("board:note")[2].clone();
    let mut silent = vec![client];
    for change in 0..6 {
        let joined = silent.last().unwrap().joined.clone();
        note(&mut speaker, &format!("missed {change}"));
        let shown = json!({ "token": board_token("ann"), "pid": joined["pid"], "offset": offset });
        // The server asks the old connection, which is silent, and ends it.
        let mut next = until("the place of the silent connection", || {
            let mut next = Client::open(&server, "/board,");
            let again = next.join(&shown).expect("never connection_limit");
            if again["pid"] == joined["pid"] {
                assert_eq!(again["sid"], joined["sid"]);
                next.joined = again;
                return Some(next);
            }
            next.send("1");
            // A client that comes back waits before it tries again.
            std::thread::sleep(Duration::from_millis(100));
            None
        });
        for number in 0..=change {
            assert_eq!(next.event("board:note")[1]["text"], format!("missed {number}"));
        }
        silent.push(next);
    }
    let last = silent.pop();
    for mut old in silent {
        assert_eq!(old.close_code(), Some(1000));
    }
    drop(last);
}

#[test]
fn t_147_recovery_of_another_users_socket_gets_a_new_socket() {
    let server = start_board();
    let mut speaker = speaker(&server);
    let gone = lose(&server, "ann", &mut speaker);
    note(&mut speaker, "for ann alone");
    let mut thief = Client::open(&server, "/board,");
    let joined = thief.join(&payload("eve", &gone)).expect("a place of her own");
    assert_ne!(joined["pid"], gone.pid.as_str(), "{joined}");
    assert_ne!(joined["sid"], gone.sid.as_str(), "{joined}");
    assert_eq!(thief.ask("board:join", &json!({ "board": "b9" }))["ok"], true);
    assert!(thief.unread().iter().all(|text| !text.contains("board:note")), "{:?}", thief.unread());
    let refused = thief.ask("board:note", &json!({ "board": "b1", "text": "me too" }));
    assert_eq!(refused["error"]["code"], "forbidden", "{refused}");
    // Her attempt took nothing away.
    let mut client = come_back(&server, "ann", &gone);
    assert_eq!(client.event("board:note")[1]["text"], "for ann alone");
}

#[test]
fn t_147_recovery_checks_the_credential_every_time() {
    let server = start_board();
    let mut speaker = speaker(&server);
    let gone = lose(&server, "ann", &mut speaker);
    let tokens = [
        Value::Null,
        json!(""),
        json!("x"),
        json!(board_token_until("ann", now_s() - 60)),
        json!(hs256("ann")),
        json!(format!("{}x", board_token("ann"))),
    ];
    for token in tokens {
        let mut client = Client::open(&server, "/board,");
        let payload = json!({ "token": token, "pid": gone.pid, "offset": gone.offset });
        let refused = client.join(&payload).expect_err("a credential that is none");
        assert_eq!(refused["data"]["code"], "unauthorized", "{refused}");
        assert_eq!(client.close_code(), Some(4401));
    }
    let mut client = Client::open(&server, "/board,");
    let bare = json!({ "pid": gone.pid, "offset": gone.offset });
    assert_eq!(client.join(&bare).unwrap_err()["data"]["code"], "unauthorized");
    // In another namespace the id means nothing: there is none, so there is no place either.
    let mut client = Client::open(&server, "/other,");
    assert!(client.join(&payload("ann", &gone)).is_err());
    let client = come_back(&server, "ann", &gone);
    assert_eq!(client.joined["sid"], gone.sid.as_str());
}

#[test]
fn t_147_invalid_id_or_offset_gets_a_new_socket_or_a_rejection() {
    let server = start_board();
    let mut speaker = speaker(&server);
    let gone = lose(&server, "ann", &mut speaker);
    let token = board_token("ann");
    let long = "9".repeat(1_000);
    let offsets = [
        "null",
        "[]",
        "{}",
        "true",
        "1.5",
        "-1",
        "1e400",
        "\"\"",
        "\"x\"",
        "\"-1\"",
        "\"1e3\"",
        "\" 1\"",
        "\"0x1\"",
        "\"18446744073709551616\"",
        "18446744073709551616",
        "\"1.0\"",
        "\"\\u0000\"",
        &long,
    ];
    let pids = ["1", "null", "[]", "{}", "\"\"", "\"x\"", "\"__proto__\"", "\"\\u0000\"", "true"];
    let pid = json!(gone.pid).to_string();
    let offset = gone.offset.to_string();
    let payloads = offsets
        .iter()
        .map(|offset| format!("{{\"token\":\"{token}\",\"pid\":{pid},\"offset\":{offset}}}"))
        .chain(
            pids.iter()
                .map(|pid| format!("{{\"token\":\"{token}\",\"pid\":{pid},\"offset\":{offset}}}")),
        );
    for payload in payloads {
        let shown = &payload[payload.len().saturating_sub(120)..];
        let mut client = Client::open(&server, "/board,");
        client.send(&format!("40/board,{payload}"));
        loop {
            let frame = client.socket.next_frame().expect("an answer");
            let text = String::from_utf8_lossy(&frame.payload).into_owned();
            if frame.opcode == 8 || text.starts_with("44/board,") {
                break;
            }
            if let Some(answer) = text.strip_prefix("40/board,") {
                let joined: Value = serde_json::from_str(answer).unwrap();
                assert_ne!(joined["pid"], gone.pid.as_str(), "{shown}");
                break;
            }
        }
    }
    let huge = format!("\"{}\"", "p".repeat(10_000));
    let mut client = Client::open(&server, "/board,");
    client.send(&format!("40/board,{{\"token\":\"{token}\",\"pid\":{huge},\"offset\":\"1\"}}"));
    let mut works = Client::board(&server, "works");
    works.enter("b1");
    note(&mut works, "still here");
}

#[test]
fn t_147_offset_that_the_server_never_sent_gives_a_new_connection() {
    let server = start_board();
    let mut speaker = speaker(&server);
    let gone = lose(&server, "ann", &mut speaker);
    note(&mut speaker, "missed");
    let reply = gone.offset.as_str().unwrap().to_owned();
    let changed = format!("{}A", &reply[..reply.len() - 1]);
    for offset in ["9007199254740991", "0", "1", &changed, &reply.to_uppercase()] {
        if offset == reply {
            continue;
        }
        let forged = json!({ "token": board_token("ann"), "pid": gone.pid, "offset": offset });
        let mut client = Client::open(&server, "/board,");
        client.send(&format!("40/board,{forged}"));
        let joined = loop {
            let text = client.socket.next_frame().unwrap().text();
            if let Some(answer) = text.strip_prefix("40/board,") {
                break serde_json::from_str::<Value>(answer).unwrap();
            }
        };
        assert_ne!(joined["pid"], gone.pid.as_str(), "{offset}");
    }
    let mut client = come_back(&server, "ann", &gone);
    assert_eq!(client.event("board:note")[1]["text"], "missed");
}

#[test]
fn offsets_do_not_reveal_how_much_other_rooms_write() {
    let server = start_board();
    let mut speaker = speaker(&server);
    let mut listener = Client::board(&server, "ann");
    listener.enter("b1");
    let offsets: Vec<String> = (0..8)
        .map(|number| {
            note(&mut speaker, &format!("note {number}"));
            listener.event("board:note")[2].as_str().unwrap().to_owned()
        })
        .collect();
    assert!(offsets.iter().all(|offset| offset.parse::<u64>().is_err()), "{offsets:?}");
    assert!(!offsets.is_sorted(), "{offsets:?}");
}

#[test]
fn t_147_client_that_left_or_was_disconnected_is_not_recovered() {
    let server = start_board();
    let mut speaker = speaker(&server);
    for how in ["41/board,", "42/board,[\"board:quit\",{}]"] {
        let mut client = Client::board(&server, "ann");
        client.enter("b1");
        note(&mut speaker, "heard");
        let offset = client.event("board:note")[2].clone();
        let pid = client.joined["pid"].as_str().unwrap().to_owned();
        let sid = client.joined["sid"].as_str().unwrap().to_owned();
        client.send(how);
        if how.contains("quit") {
            client.text(|text| text == "41/board,");
        }
        drop(client);
        let gone = LostConnection { pid, sid, offset };
        note(&mut speaker, "unheard");
        for _ in 0..3 {
            let mut again = Client::open(&server, "/board,");
            let joined = again.join(&payload("ann", &gone)).unwrap();
            assert_ne!(joined["pid"], gone.pid.as_str(), "{how}");
            assert_ne!(joined["sid"], gone.sid.as_str(), "{how}");
            again.send("1");
        }
    }
}

/// A user of the product, lost while it heard a room; with what it has to show.
fn lost(server: &TestServer, name: &str, room: &str, offset: &Value) -> Value {
    let mut client = SioClient::open(server);
    let joined = client.sign_in(&hs256(name));
    let pid = joined["pid"].as_str().expect("a private id in the answer").to_owned();
    assert_eq!(client.ask("room:join", &json!({ "roomId": room }))["ok"], true);
    let known = Gauges::read(server).authenticated;
    client.socket.connection.reset();
    until("the loss to be seen", || (Gauges::read(server).authenticated < known).then_some(()));
    json!({ "token": hs256(name), "pid": pid, "offset": offset })
}

/// The offset of a message that a member of a room has received.
fn received_offset(server: &TestServer, owner: &mut SioClient, room: &str) -> Value {
    let mut watcher = SioClient::connect(server, &hs256("owner"));
    assert_eq!(watcher.ask("room:join", &json!({ "roomId": room }))["ok"], true);
    let sent = owner.ask("chat:send", &json!({ "roomId": room, "message": "before" }));
    assert_eq!(sent["ok"], true);
    let before = watcher.wait_packet(|packet| packet.contains("\"before\""));
    let arguments: Value = serde_json::from_str(&before[2..]).unwrap();
    assert!(arguments[2].is_string(), "{before}");
    arguments[2].clone()
}

#[test]
fn t_147_recovered_client_gets_no_messages_of_a_room_it_left() {
    let server = start(&wide(Config::plaintext()));
    let mut owner = SioClient::connect(&server, &hs256("owner"));
    let (kept, left) = (
        room_id(&owner.ask("room:create", &public_room())),
        room_id(&owner.ask("room:create", &public_room())),
    );
    let say = |owner: &mut SioClient, room: &str, text: &str| {
        let payload = json!({ "roomId": room, "message": text });
        assert_eq!(owner.ask("chat:send", &payload)["ok"], true);
    };
    let offset = received_offset(&server, &mut owner, &kept);

    let mut client = SioClient::open(&server);
    let joined = client.sign_in(&hs256("ann"));
    let pid = joined["pid"].as_str().expect("a private id in the answer").to_owned();
    for room in [&kept, &left] {
        assert_eq!(client.ask("room:join", &json!({ "roomId": room }))["ok"], true);
    }
    let known = Gauges::read(&server).authenticated;
    client.socket.connection.reset();
    until("the loss to be seen", || (Gauges::read(&server).authenticated < known).then_some(()));
    let mut elsewhere = SioClient::connect(&server, &hs256("ann"));
    assert_eq!(elsewhere.ask("room:leave", &json!({ "roomId": left }))["ok"], true);
    say(&mut owner, &left, "secret, unheard");
    say(&mut owner, &kept, "missed");
    let mut back = SioClient::open(&server);
    let payload = json!({ "token": hs256("ann"), "pid": pid, "offset": offset });
    let again = back.join_namespace("/", &payload.to_string()).expect("to be admitted");
    assert_eq!((&again["pid"], &again["sid"]), (&joined["pid"], &joined["sid"]), "{again}");
    assert_eq!(back.event("chat:message")["message"], "missed");
    say(&mut owner, &left, "secret, live");
    say(&mut owner, &kept, "live");
    assert_eq!(back.event("chat:message")["message"], "live");
    assert!(back.seen.iter().all(|packet| !packet.contains("secret")), "{:?}", back.seen);
}

#[test]
fn t_147_deleted_room_or_other_user_recovers_no_messages() {
    let server = start(&wide(Config::plaintext()));
    let mut owner = SioClient::connect(&server, &hs256("owner"));
    let room = room_id(&owner.ask("room:create", &public_room()));
    let offset = received_offset(&server, &mut owner, &room);
    let payload = lost(&server, "ann", &room, &offset);
    let sent = owner.ask("chat:send", &json!({ "roomId": room, "message": "missed" }));
    assert_eq!(sent["ok"], true);
    let mut thief = SioClient::open(&server);
    let mut stolen = payload.clone();
    stolen["token"] = json!(hs256("eve"));
    let joined = thief.join_namespace("/", &stolen.to_string()).expect("a place of her own");
    assert_ne!(joined["pid"], payload["pid"]);
    assert_eq!(thief.ask("room:list", &json!({}))["ok"], true);
    assert!(thief.seen.iter().all(|packet| !packet.contains("missed")), "{:?}", thief.seen);
    assert_eq!(owner.ask("room:delete", &json!({ "roomId": room }))["ok"], true);
    let mut back = SioClient::open(&server);
    back.join_namespace("/", &payload.to_string()).expect("to be admitted");
    assert_eq!(back.ask("room:list", &json!({}))["ok"], true);
    assert!(back.seen.iter().all(|packet| !packet.contains("missed")), "{:?}", back.seen);
    alive(&server);
}

#[test]
fn t_147_recovery_after_a_restart_gives_a_new_connection() {
    let server = start(&wide(Config::plaintext()));
    let mut owner = SioClient::connect(&server, &hs256("owner"));
    let room = room_id(&owner.ask("room:create", &public_room()));
    let offset = received_offset(&server, &mut owner, &room);
    let payload = lost(&server, "ann", &room, &offset);
    let server = server.crash_and_restart();
    let mut back = SioClient::open(&server);
    let joined = back.join_namespace("/", &payload.to_string()).expect("to be admitted");
    assert_ne!(joined["pid"], payload["pid"], "a fresh place");
    assert_eq!(back.ask("room:list", &json!({}))["ok"], true);
}

#[test]
fn t_147_at_most_ten_thousand_sockets_are_kept() {
    let mut config = wide(Config::plaintext());
    config.rate.retain(|line| !line.contains("_per_prefix"));
    config.rate.push("connect_per_prefix = \"10000000/60s\"".into());
    let server = start(&config);
    let upgrade = Request::upgrade(&server, PATH).bytes();
    let token = hs256("ann");
    let connect =
        portcullis_test::frame_bytes(0x81, format!("40{{\"token\":\"{token}\"}}").as_bytes());
    // Each signs in, and is gone as soon as it has its place.
    let park = |count: usize| {
        for _ in 0..count {
            let mut connection = Connection::open(&server);
            connection.send(&[upgrade.clone(), connect.clone()].concat());
            while !connection.buffer.windows(5).any(|five| five == b"\"pid\"") {
                assert!(connection.read(), "{}", connection.buffer.escape_ascii());
            }
            connection.reset();
        }
    };
    park(500);
    let before = server.resident_kib();
    park(10_500);
    NOTHING.wait_for(&server);
    let full = server.resident_kib();
    park(3_000);
    NOTHING.wait_for(&server);
    let over = server.resident_kib();
    assert!(full.saturating_sub(before) < 24 * 1024, "{} KiB", full.saturating_sub(before));
    assert!(over.saturating_sub(full) < 2 * 1024, "{} KiB", over.saturating_sub(full));
    assert_eq!(counter(&server, "portcullis_slots_authenticated"), 0);
    alive(&server);
}
