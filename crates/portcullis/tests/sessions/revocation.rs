//! A revoked user is disconnected everywhere at once, and none of the user's requests runs later.
//! Never: a connection that only ends at its next request.

use std::time::Duration;

use portcullis_test::{
    Person, PlainClient, PollingClient, Request, SioClient, TestServer, hs256, set_up, sign_up,
    timed, until_within,
};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::{code, room, start, unlimited};

/// How long anything may take that is promised at once, with room for a busy machine.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A user's connections in every form.
struct Everywhere<'a> {
    socketio: SioClient,
    polling: PollingClient<'a>,
    plain: PlainClient,
}

impl<'a> Everywhere<'a> {
    fn connect(server: &'a TestServer, token: &str) -> Self {
        Self {
            socketio: SioClient::connect(server, token),
            polling: PollingClient::connect(server, token),
            plain: PlainClient::connect(server, token),
        }
    }

    /// All have ended by themselves, soon.
    fn assert_ended(mut self, what: &str) {
        let ((), took) = timed(|| {
            assert_eq!(self.socketio.close_code(), Some(4401), "{what}");
            assert_eq!(self.plain.socket.close_code(), Some(4401), "{what}");
            let reply = self.polling.rest();
            assert!(!reply.iter().any(|packet| packet.starts_with("43")), "{what}: {reply:?}");
        });
        assert!(took < AT_ONCE, "{what}: {took:?}");
    }

    /// All go on.
    fn assert_alive(&mut self, what: &str) {
        assert_eq!(code(&self.socketio.ask("room:list", &json!({}))), "ok", "{what}");
        assert_eq!(code(&self.polling.ask("room:list", &json!({}))), "ok", "{what}");
        assert_eq!(code(&self.plain.ask("room:list", &json!({}))), "ok", "{what}");
    }
}

#[test]
fn t059_logout_ends_all_connections_of_its_session_only() {
    let server = start(&unlimited());
    let _ann = sign_up(&server, "ann");
    let (this, other) = (Browser::log_in(&server, "ann"), Browser::log_in(&server, "ann"));
    let mut config_room = SioClient::connect(&server, &other.token);
    let gone = Everywhere::connect(&server, &this.token);
    assert_eq!(this.post(&server, "/auth/logout", &json!({})).status, 200);
    gone.assert_ended("logout");
    assert_eq!(code(&config_room.ask("room:list", &json!({}))), "ok");
    assert_eq!(this.get(&server, "/auth/profile").status, 401);
    assert_eq!(this.ask_refresh(&server).status, 401);
    assert_eq!(other.ask_refresh(&server).status, 200);
    drop(config_room);

    let everything = Everywhere::connect(&server, &other.token);
    let third = Browser::log_in(&server, "ann");
    let mut elsewhere = SioClient::connect(&server, &third.token);
    assert_eq!(third.post(&server, "/auth/logout-all", &json!({})).status, 200);
    everything.assert_ended("logout-all");
    assert_eq!(elsewhere.close_code(), Some(4401));
    let record = server.records.wait_for(|record| record["event"]["code"] == "session_logout");
    assert!(record["user"]["id"].is_string());
}

#[test]
fn t068_fresh_proof_voids_older_tokens_and_keeps_the_open_connections() {
    let server = start(&unlimited());
    let _ann = sign_up(&server, "ann");
    let before = Browser::log_in(&server, "ann");
    let mut open = Everywhere::connect(&server, &before.token);
    let body = json!({ "password": "a plain long sentence of my own" }).to_string();
    let answer = Request::post(&server, "/auth/reauthenticate", &body)
        .header("Origin", &server.origin)
        .header("Authorization", &format!("Bearer {}", before.token))
        .header("Cookie", &format!("__Host-rt={}; __Host-device={}", before.refresh, before.device))
        .ask(&server);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let mut proved = before.clone();
    proved.take(&answer);
    assert!(proved.token != before.token && proved.refresh != before.refresh);
    assert_eq!(before.get(&server, "/auth/profile").status, 401);
    assert_eq!(proved.get(&server, "/auth/profile").status, 200);
    open.assert_alive("before the newer token");
    for token in [&before.token, &proved.token] {
        let expect = if *token == proved.token { "ok" } else { "unauthorized" };
        let handed = json!({ "token": token });
        assert_eq!(code(&open.socketio.ask("auth:refresh", &handed)), expect);
        assert_eq!(code(&open.polling.ask("auth:refresh", &handed)), expect);
        assert_eq!(code(&open.plain.ask("auth:refresh", &handed)), expect);
    }
    open.assert_alive("with the newer token");
}

#[test]
fn t059_session_can_be_ended_by_its_own_user_only() {
    let server = start(&unlimited());
    let (_ann, bob) = (sign_up(&server, "ann"), sign_up(&server, "bob"));
    let (this, lost) = (Browser::log_in(&server, "ann"), Browser::log_in(&server, "ann"));
    let connections = Everywhere::connect(&server, &lost.token);
    let listed = lost.get(&server, "/auth/sessions").json();
    let sessions = listed["sessions"].as_array().unwrap();
    let current = sessions.iter().find(|one| one["current"] == true).unwrap()["id"].clone();
    let end = json!({ "id": current });
    let outsider = Browser { token: bob.token, ..Browser::default() };
    let refused = outsider.post(&server, "/auth/sessions/end", &end);
    assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"));
    let unknown = outsider.post(&server, "/auth/sessions/end", &json!({ "id": "nobodys" }));
    assert_eq!((unknown.status, unknown.code().as_str()), (403, "forbidden"));
    assert_eq!(this.post(&server, "/auth/sessions/end", &end).status, 200);
    connections.assert_ended("ended from elsewhere");
    let left = this.get(&server, "/auth/sessions").json();
    assert!(!left.to_string().contains(current.as_str().unwrap()));
}

#[test]
fn t055_t059_kicked_banned_demoted_and_muted_while_connected() {
    let server = start(&unlimited());
    let root = set_up(&server, "root");
    let mut admin = SioClient::connect(&server, &root.token);
    let act = |admin: &mut SioClient, event: &str, person: &Person, more: Value| {
        let mut payload = json!({ "userId": person.id });
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(code(&admin.ask(event, &payload)), "ok", "{event}");
    };
    let hall = room(&mut admin, "public");

    let ann = sign_up(&server, "ann");
    let kicked = Everywhere::connect(&server, &ann.token);
    act(&mut admin, "user:kick", &ann, json!({}));
    kicked.assert_ended("user:kick");
    let mut back = Everywhere::connect(&server, &ann.token);
    back.assert_alive("a removed user may come back");

    act(&mut admin, "user:mute", &ann, json!({ "duration_s": 600 }));
    assert_eq!(code(&back.socketio.ask("room:join", &json!({ "roomId": hall }))), "ok");
    let response = json!({ "roomId": hall, "message": "listen" });
    let muted = back.socketio.ask("chat:send", &response);
    assert_eq!(code(&muted), "forbidden");
    let text = muted["error"]["message"].as_str().unwrap();
    assert!(text.starts_with("You are muted until 2"), "{text}");
    assert!((590..=600).contains(&muted["error"]["retry_after_s"].as_u64().unwrap()), "{muted}");
    assert_eq!(code(&back.plain.ask("chat:send", &response)), "forbidden");
    act(&mut admin, "user:mute", &ann, json!({ "duration_s": 0 }));
    assert_eq!(code(&back.socketio.ask("chat:send", &response)), "ok");

    act(&mut admin, "user:ban", &ann, json!({ "duration_s": 600, "reason": "spam" }));
    back.assert_ended("user:ban");
    let mut again = SioClient::open(&server);
    again.send(&format!("40{}", json!({ "token": ann.token })));
    assert!(again.wait_packet(|packet| packet.starts_with("44")).contains("\"unauthorized\""));
    act(&mut admin, "user:ban", &ann, json!({ "duration_s": 0 }));
    let renewed = Browser::log_in(&server, "ann");

    // T-066: a role given and taken away counts for the very next message.
    let mut client = SioClient::connect(&server, &renewed.token);
    let broadcast = json!({ "message": "attention" });
    for (roles, expect) in [(json!(["admin", "user"]), "ok"), (json!(["user"]), "forbidden")] {
        act(&mut admin, "user:role", &ann, json!({ "roles": roles }));
        assert_eq!(code(&client.ask("admin:broadcast", &broadcast)), expect);
    }
    for code in ["authz_admin", "privilege_permissions_changed"] {
        let _record = server.records.wait_for(|record| record["event"]["code"] == code);
    }
}

#[test]
fn t066_user_without_the_role_of_a_namespace_is_removed_from_it_alone() {
    let server = start(&unlimited());
    let root = set_up(&server, "root");
    let mut admin = SioClient::connect(&server, &root.token);
    let ann = sign_up(&server, "ann");
    let role = |admin: &mut SioClient, roles: Value| {
        let answer = admin.ask("user:role", &json!({ "userId": ann.id, "roles": roles }));
        assert_eq!(code(&answer), "ok", "{answer}");
    };
    role(&mut admin, json!(["admin", "user"]));
    let mut client = SioClient::connect(&server, &ann.token);
    let payload = json!({ "token": ann.token }).to_string();
    client.join_namespace("/admin", &payload).unwrap();
    role(&mut admin, json!(["user"]));
    assert!(client.wait_packet(|packet| packet.starts_with("41/admin")).starts_with("41/admin"));
    assert_eq!(code(&client.ask("room:list", &json!({}))), "ok");
    assert!(client.join_namespace("/admin", &payload).is_err());
}

#[test]
fn t058_database_change_ends_connections_without_a_notification() {
    let server = start(&unlimited());
    let _root = set_up(&server, "root");
    let database = || {
        let opened = rusqlite::Connection::open(server.data().join("portcullis.db")).unwrap();
        opened.busy_timeout(Duration::from_secs(5)).unwrap();
        opened
    };
    let cases = [
        ("disabled", "UPDATE users SET disabled = 1 WHERE username = ?1"),
        ("banned", "UPDATE users SET banned_until_unix_ms = 9000000000000 WHERE username = ?1"),
        (
            "session",
            "DELETE FROM sessions WHERE user = (SELECT key FROM users WHERE username = ?1)",
        ),
        ("revoked", "UPDATE users SET valid_after_unix_ms = 9000000000000 WHERE username = ?1"),
    ];
    for (name, statement) in cases {
        let person = sign_up(&server, name);
        let connections = Everywhere::connect(&server, &person.token);
        assert!(database().execute(statement, [name]).unwrap() > 0);
        // No notification: the server checks the store twice a second.
        connections.assert_ended(name);
    }
    let gone = sign_up(&server, "gone");
    let connections = Everywhere::connect(&server, &gone.token);
    database()
        .execute_batch(
            "PRAGMA foreign_keys = OFF; DELETE FROM users WHERE username = 'gone';
             DELETE FROM sessions WHERE user NOT IN (SELECT key FROM users);",
        )
        .unwrap();
    connections.assert_ended("a deleted user");

    // A token of another issuer, by its own name.
    let mut all = portcullis_test::claims("leaked");
    all["jti"] = json!("the-one");
    let header = r#"{"alg":"HS256","typ":"JWT"}"#;
    let secret = portcullis_test::SECRET.as_bytes();
    let token = portcullis_test::forge_hs256(header, &all.to_string(), secret);
    let connections = Everywhere::connect(&server, &token);
    let mut bystander = SioClient::connect(&server, &hs256("bystander"));
    let insert = "INSERT INTO revocations VALUES ('https://id.example', 0, 'the-one', ?1, '')";
    database().execute(insert, [9_000_000_000_000_i64]).unwrap();
    connections.assert_ended("a revoked token");
    let mut again = SioClient::open(&server);
    again.send(&format!("40{}", json!({ "token": token })));
    assert!(again.wait_packet(|packet| packet.starts_with("44")).contains("\"unauthorized\""));
    assert_eq!(code(&bystander.ask("room:list", &json!({}))), "ok");

    // A user with write access to the file can become administrator, which is recorded.
    let _eve = sign_up(&server, "eve");
    let statement = "UPDATE users SET roles = roles | 1 WHERE username = 'eve'";
    database().execute(statement, []).unwrap();
    let record = server.records.wait_for(|record| record["event"]["reason"] == "beside_server");
    assert_eq!(record["event"]["code"], "privilege_permissions_changed");
    assert_eq!(record["user"]["target"]["name"], "eve");
}

#[test]
fn t059_request_queued_after_a_logout_is_rejected() {
    let server = start(&unlimited());
    let _ann = sign_up(&server, "ann");
    let _bob = sign_up(&server, "bob");
    for round in 0..5 {
        let browser = Browser::log_in(&server, "ann");
        let reader = Browser::log_in(&server, "bob");
        let mut client = SioClient::connect(&server, &browser.token);
        let mut reader = SioClient::connect(&server, &reader.token);
        let hall = room(&mut reader, "public");
        let place = json!({ "roomId": hall });
        assert_eq!(code(&client.ask("room:join", &place)), "ok");
        for number in 0..400 {
            client.emit("chat:send", &json!({ "roomId": hall, "message": format!("{number}") }));
        }
        assert_eq!(browser.post(&server, "/auth/logout", &json!({})).status, 200);
        let newest = |reader: &mut SioClient| {
            let history = reader.ask("chat:history", &json!({ "roomId": hall, "limit": 1 }));
            history["messages"][0]["seq"].as_u64().unwrap_or(0)
        };
        let at_answer = newest(&mut reader);
        assert_eq!(client.close_code(), Some(4401), "{round}");
        assert_eq!(newest(&mut reader), at_answer, "{round}: sent after the log-out");
    }
}

#[test]
fn t061_unreadable_database_keeps_new_connections_out_and_leaves_the_old() {
    let server = start(&unlimited());
    let ann = sign_up(&server, "ann");
    let mut connected = SioClient::connect(&server, &ann.token);
    let files = portcullis_test::open_files(&server);
    let _bob = sign_up(&server, "bob");
    let other = rusqlite::Connection::open(server.data().join("portcullis.db")).unwrap();
    other
        .execute_batch("UPDATE users SET username = id, id = 'no id' WHERE username = 'bob'")
        .unwrap();
    // The server notices by itself, when its look finds what cannot be read.
    let record =
        server.records.wait_for(|record| record["event"]["code"] == "sys_monitor_disabled");
    assert_eq!(record["event"]["severity"], 80, "{record}");
    assert_eq!(code(&connected.ask("room:list", &json!({}))), "ok");
    for _ in 0..20 {
        let mut new = SioClient::open(&server);
        new.send(&format!("40{}", json!({ "token": ann.token })));
        let refused = new.wait_packet(|packet| packet.starts_with("44"));
        assert!(refused.contains("server_busy"), "{refused}");
    }
    other
        .execute_batch("UPDATE users SET id = username, username = 'bob' WHERE id = 'no id'")
        .unwrap();
    let _record =
        server.records.wait_for(|record| record["event"]["code"] == "sys_monitor_enabled");
    assert_eq!(code(&connected.ask("room:list", &json!({}))), "ok");
    drop(SioClient::connect(&server, &ann.token));
    until_within(Duration::from_secs(10), "descriptors are free again", || {
        (portcullis_test::open_files(&server) <= files + 4).then_some(())
    });
}

#[test]
fn t058_logout_of_a_foreign_user_without_a_connection_takes_effect() {
    let server = start(&unlimited());
    for path in ["/auth/logout", "/auth/logout-all"] {
        let token = hs256(&format!("never-{}", path.len()));
        let bearer = format!("Bearer {token}");
        let answer = Request::post(&server, path, "{}").header("Authorization", &bearer);
        assert_eq!(answer.ask(&server).status, 200, "{path}");
        let mut client = SioClient::open(&server);
        let refused = client.join_namespace("/", &json!({ "token": token }).to_string());
        assert_eq!(refused.unwrap_err()["data"]["code"], "unauthorized", "{path}");
    }
}

#[test]
fn muted_or_banned_user_learns_it_before_and_while_connected() {
    let server = start(&unlimited());
    let root = set_up(&server, "root");
    let mut admin = SioClient::connect(&server, &root.token);
    let ann = sign_up(&server, "ann");
    let mut act = |event: &str, more: Value| {
        let mut payload = json!({ "userId": ann.id });
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(code(&admin.ask(event, &payload)), "ok", "{event}");
    };
    let mut browser = Browser::log_in(&server, "ann");
    let mut refreshed = || {
        let answer = browser.ask_refresh(&server);
        browser.take(&answer);
        answer.json()["muted"].clone()
    };
    assert_eq!(refreshed(), Value::Null);
    act("user:mute", json!({ "duration_s": 600 }));
    assert!(refreshed()["until"].as_i64().unwrap() > 1_600_000_000_000);
    act("user:mute", json!({}));
    assert_eq!(refreshed(), json!({}));
    act("user:mute", json!({ "duration_s": 0 }));
    assert_eq!(refreshed(), Value::Null);

    let mut client = SioClient::connect(&server, &ann.token);
    act("user:ban", json!({ "duration_s": 600 }));
    let reply = client.wait_packet(|packet| packet.starts_with("42[\"error\""));
    assert!(reply.contains("\"session_ended\"") && reply.contains("You are banned"), "{reply}");
    assert_eq!(client.wait_packet(|packet| packet.starts_with("41")), "41");
}
