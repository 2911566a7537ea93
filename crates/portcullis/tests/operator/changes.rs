//! Operations of administrators that block networks, end connections, and change users and limits.
//! Never: an operation without a reason, a record, or a login that is new enough.

use std::net::IpAddr;

use portcullis_test::{
    Config, Connection, Request, SECRET, SioClient, TestServer, claims, forge_hs256, now_s,
    sign_up, until,
};
use serde_json::{Value, json};

use crate::done;

pub(crate) const PROXY: [u8; 4] = [127, 0, 0, 2];
const SOCKET: &str = "/socket.io/?EIO=4&transport=websocket";
const REASON: &str = "a flood from a rented network";

pub(crate) fn start() -> TestServer {
    let mut config = Config::default();
    config.listen.push(format!("trusted_proxies = [\"{}\"]", IpAddr::from(PROXY)));
    // Keys of the issuer's table, which stands last.
    config.more = String::from("roles_claim = [\"roles\"]\nprivileged_amr = [\"mfa\"]\n");
    crate::start(&config.production())
}

pub(crate) fn open(server: &TestServer, client: &str) -> SioClient {
    let connection = Connection::open_from(server, IpAddr::from(PROXY));
    let request = Request::upgrade(server, SOCKET).header("X-Forwarded-For", client);
    SioClient::over(connection, &request)
}

fn status(server: &TestServer, client: &str) -> u16 {
    let request = Request::upgrade(server, SOCKET).header("X-Forwarded-For", client);
    request.ask_on(&mut Connection::open_from(server, IpAddr::from(PROXY))).status
}

/// An administrator in `/admin`, who logged in with two factors some time ago.
pub(crate) fn administrator(server: &TestServer, client: &str, age_s: i64) -> SioClient {
    let mut claims = claims("rita");
    claims["roles"] = json!(["admin"]);
    claims["amr"] = json!(["pwd", "mfa"]);
    claims["auth_time"] = json!(now_s() - age_s);
    let header = json!({ "alg": "HS256", "typ": "JWT" }).to_string();
    let token = forge_hs256(&header, &claims.to_string(), SECRET.as_bytes());
    let mut socket = open(server, client);
    socket.sign_in(&token);
    socket.join_namespace("/admin", &json!({ "token": token }).to_string()).unwrap();
    socket
}

/// The id of the administrator.
fn admin_id(server: &TestServer) -> String {
    let list = done(server, &["user", "list"], "");
    let line = list.lines().find(|line| line.contains("\"rita\"")).unwrap();
    String::from(line.split(' ').next().unwrap())
}

pub(crate) fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or("ok")
}

/// The record of an operation.
fn recorded(server: &TestServer, event: &str) -> Value {
    server.records.wait_for(|record| {
        record["event"]["action"] == event && record["event"]["outcome"] == "success"
    })
}

#[test]
fn t406_prefix_is_previewed_blocked_listed_and_unblocked() {
    let server = start();
    let mut admin = administrator(&server, "198.51.100.7", 0);
    let ann = sign_up(&server, "ann");
    let mut user = open(&server, "203.0.113.7");
    user.sign_in(&ann.token);
    let mut waiting = open(&server, "203.0.113.8");
    let payload = json!({ "prefix": "203.0.113.0/24", "duration_s": 3600, "reason": REASON });
    let with = |name: &str, value: Value| {
        let mut payload = payload.clone();
        payload[name] = value;
        payload
    };
    let preview = admin.ask_in("/admin", "address:block", &with("dry_run", json!(true)));
    let effect = json!({ "connections": 2, "signed_in": 1, "unauthenticated": 1, "users": 1 });
    assert_eq!((&preview["dry_run"], &preview["effect"]), (&json!(true), &effect), "{preview}");
    assert_eq!(status(&server, "203.0.113.9"), 101, "a preview changes nothing");

    let answer = admin.ask_in("/admin", "address:block", &payload);
    assert_eq!(answer["block"]["scope"], "unauthenticated", "{answer}");
    assert_eq!(status(&server, "203.0.113.9"), 403, "in force with the answer");
    assert_eq!(waiting.close_code(), Some(4403));
    assert_eq!(user.ask("room:list", &json!({}))["ok"], true);
    let record = recorded(&server, "address:block");
    assert_eq!(record["event"]["code"], "authz_admin", "{record}");
    assert_eq!(record["labels"]["address"], "203.0.113.0/24", "{record}");
    assert_eq!(record["labels"]["stated_reason"], REASON, "{record}");
    assert_eq!(record["user"]["name"], "rita", "{record}");

    let block = admin.ask_in("/admin", "address:block", &with("prefix", json!("2001:db8::/48")));
    assert_eq!(code(&block), "ok");
    let first = admin.ask_in("/admin", "admin:blocks", &json!({ "limit": 1 }));
    assert_eq!(first["blocks"][0]["prefix"], "2001:db8::/48", "{first}");
    assert_eq!((&first["more"], first["blocks"].as_array().unwrap().len()), (&json!(true), 1));
    let next = json!({ "cursor": first["cursor"] });
    let second = admin.ask_in("/admin", "admin:blocks", &next);
    assert_eq!(second["blocks"][0]["prefix"], "203.0.113.0/24", "{second}");
    assert_eq!(second["blocks"][0]["by"], "rita", "{second}");
    assert!(second["blocks"][0]["rejected"].as_u64().unwrap() >= 2, "{second}");
    assert_eq!((&second["more"], &second["cursor"]), (&json!(false), &Value::Null));

    let payload = json!({ "prefix": "::ffff:203.0.113.0/120", "reason": "the flood is over" });
    assert_eq!(code(&admin.ask_in("/admin", "address:unblock", &payload)), "ok");
    assert_eq!(status(&server, "203.0.113.9"), 101);
    assert_eq!(code(&admin.ask_in("/admin", "address:unblock", &payload)), "block_unknown");
}

#[test]
fn t405_block_of_own_address_proxy_loopback_or_wide_prefix_is_rejected() {
    let server = start();
    let mut admin = administrator(&server, "198.51.100.7", 0);
    let cases = [
        ("198.51.100.0/24", "your own address"),
        ("198.51.100.7", "your own address"),
        ("::ffff:198.51.100.7", "your own address"),
        ("::ffff:198.51.100.0/120", "your own address"),
        ("127.0.0.2", "loopback"),
        ("::ffff:127.0.0.2", "loopback"),
        ("::1", "loopback"),
        ("10.0.0.0/8", "too wide"),
        ("::/0", "too wide"),
        ("::ffff:0:0/96", "too wide"),
        ("203.0.113.7/24", "bits set"),
        ("fe80::1%eth0", "not an address"),
    ];
    for (prefix, words) in cases {
        for dry_run in [true, false] {
            let payload = json!({ "prefix": prefix, "reason": REASON, "dry_run": dry_run });
            let answer = admin.ask_in("/admin", "address:block", &payload);
            assert_eq!(code(&answer), "prefix_invalid", "{prefix}: {answer}");
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(message.contains(words), "{prefix}: {message}");
        }
    }
    let long = "x".repeat(201);
    for (member, value, expect) in [
        ("reason", json!("no"), "reason_invalid"),
        ("reason", json!(long), "reason_invalid"),
        ("duration_s", json!(0), "duration_invalid"),
        ("duration_s", json!(31 * 86_400), "duration_invalid"),
        ("scope", json!("users"), "scope_unknown"),
    ] {
        let mut payload = json!({ "prefix": "203.0.113.7", "reason": REASON });
        payload[member] = value;
        assert_eq!(code(&admin.ask_in("/admin", "address:block", &payload)), expect, "{member}");
    }
    assert_eq!(admin.ask_in("/admin", "admin:blocks", &json!({}))["blocks"], json!([]));
}

#[test]
fn t405_old_login_needs_reauthentication() {
    let server = start();
    let victim = sign_up(&server, "ann");
    let block = json!({ "prefix": "203.0.113.7", "reason": REASON });
    let all = json!({ "prefix": "203.0.113.7", "scope": "all", "reason": REASON });
    let role = json!({ "user": victim.id, "roles": ["user"], "reason": REASON });
    for (age_s, expect) in [
        (1_000, ["reauth_required", "reauth_required", "reauth_required"]),
        (400, ["ok", "reauth_required", "reauth_required"]),
        (60, ["ok", "ok", "ok"]),
    ] {
        let mut admin = administrator(&server, "198.51.100.7", age_s);
        let operations = [("address:block", &block), ("address:block", &all), ("user:role", &role)];
        let codes = operations.map(|(event, payload)| {
            let answer = admin.ask_in("/admin", event, payload);
            String::from(code(&answer))
        });
        assert_eq!(codes, expect, "{age_s}");
        // A preview only reads, as an auditor can.
        for (event, payload) in operations {
            let mut payload = payload.clone();
            payload["dry_run"] = json!(true);
            let answer = admin.ask_in("/admin", event, &payload);
            assert_eq!(code(&answer), "ok", "{event} {age_s}: {answer}");
            assert!(answer["effect"]["connections"].is_u64(), "{answer}");
        }
    }
}

#[test]
fn users_are_restricted_and_sessions_end_with_a_reason_and_a_record() {
    let server = start();
    let mut admin = administrator(&server, "198.51.100.7", 0);
    for (event, more, effect, ends) in [
        ("user:mute", json!({ "duration_s": 60 }), Some("muted"), None),
        ("user:kick", json!({}), Some("disconnected"), Some(4401)),
        ("user:ban", json!({ "duration_s": 60 }), Some("banned"), Some(4401)),
        ("user:logout", json!({}), Some("signed_out"), Some(4401)),
        ("user:disable", json!({ "disabled": true }), Some("disabled"), Some(4401)),
        ("user:role", json!({ "roles": ["user", "moderator"] }), None, None),
    ] {
        let is_timed = more["duration_s"].is_u64();
        let name = event.replace(':', "_");
        let person = sign_up(&server, &name);
        let mut client = open(&server, "203.0.113.7");
        client.sign_in(&person.token);
        let mut payload = json!({ "user": person.id, "reason": "spam in rooms" });
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        payload["dry_run"] = json!(true);
        let preview = admin.ask_in("/admin", event, &payload);
        assert_eq!(preview["effect"]["connections"], 1, "{event}: {preview}");
        assert_eq!(client.ask("room:list", &json!({}))["ok"], true, "{event}: only a preview");
        payload["dry_run"] = json!(false);
        let answer = admin.ask_in("/admin", event, &payload);
        assert_eq!(code(&answer), "ok", "{event}: {answer}");
        let record = recorded(&server, event);
        assert_eq!(record["user"]["target"]["id"], json!(person.id), "{record}");
        assert_eq!(record["labels"]["stated_reason"], "spam in rooms", "{record}");
        assert_eq!(record["labels"]["effect"].as_str(), effect, "{record}");
        assert_eq!(record["labels"]["until"].is_string(), is_timed, "{record}");
        match ends {
            Some(code) => assert_eq!(client.close_code(), Some(code), "{event}"),
            None => assert_eq!(client.ask("room:list", &json!({}))["ok"], true, "{event}"),
        }
        payload["user"] = json!(admin_id(&server));
        assert_eq!(code(&admin.ask_in("/admin", event, &payload)), "own_account", "{event}");
        payload["user"] = json!("missing");
        assert_eq!(code(&admin.ask_in("/admin", event, &payload)), "user_unknown", "{event}");
    }
    let payload = json!({ "user": admin_id(&server), "session": "none", "reason": "a lost phone" });
    assert_eq!(code(&admin.ask_in("/admin", "session:end", &payload)), "own_account");
}

#[test]
fn session_of_a_user_ends_with_its_connections() {
    let server = start();
    let mut admin = administrator(&server, "198.51.100.7", 0);
    let ann = sign_up(&server, "ann");
    let mut client = open(&server, "203.0.113.7");
    client.sign_in(&ann.token);
    let request = Request::get(&server, "/auth/sessions")
        .header("Origin", &server.origin)
        .header("Authorization", &format!("Bearer {}", ann.token));
    let shown = request.ask(&server).json();
    let session = shown["sessions"][0]["id"].clone();
    assert!(session.is_string(), "{shown}");
    let payload = json!({ "user": ann.id, "session": session, "reason": "a lost phone" });
    assert_eq!(code(&admin.ask_in("/admin", "session:end", &payload)), "ok");
    assert_eq!(client.close_code(), Some(4401));
    let record = recorded(&server, "session:end");
    assert_eq!(record["user"]["target"]["id"], json!(ann.id), "{record}");
    assert_eq!(code(&admin.ask_in("/admin", "session:end", &payload)), "session_unknown");
}

#[test]
fn pin_ends_connections_close_and_limits_are_reset() {
    let server = start();
    let mut admin = administrator(&server, "198.51.100.7", 0);
    let pin = json!({ "state": "shedding", "duration_s": 600, "reason": REASON });
    assert_eq!(code(&admin.ask_in("/admin", "state:pin", &pin)), "ok");
    let overview = admin.ask_in("/admin", "admin:overview", &json!({}));
    assert_eq!(overview["overview"]["pinned"]["state"], "shedding", "{overview}");
    assert!(overview["overview"]["pinned"]["until"].is_string(), "{overview}");
    assert_eq!(status(&server, "203.0.113.9"), 503);
    let unpin = json!({ "reason": "the flood is over" });
    assert_eq!(code(&admin.ask_in("/admin", "state:unpin", &unpin)), "ok");
    assert_eq!(code(&admin.ask_in("/admin", "state:unpin", &unpin)), "state_not_pinned");
    // A slow machine can be at a higher level for a moment by itself.
    until("a new client", || (status(&server, "203.0.113.9") == 101).then_some(()));
    let record = recorded(&server, "state:pin");
    assert!(record["message"].as_str().unwrap().contains("shedding for 600 s"), "{record}");

    for (payload, expect) in [
        (json!({ "address": "203.0.113.7", "reason": REASON }), "ok"),
        (json!({ "user": admin_id(&server), "reason": REASON }), "ok"),
        (json!({ "user": "missing", "reason": REASON }), "user_unknown"),
        (json!({ "reason": REASON }), "subject_missing"),
    ] {
        assert_eq!(code(&admin.ask_in("/admin", "limits:unlock", &payload)), expect, "{payload}");
    }

    let bob = sign_up(&server, "bob");
    let mut client = open(&server, "203.0.113.7");
    client.sign_in(&bob.token);
    let record = server.records.wait_for(|record| {
        record["event"]["code"] == "ws_connected" && record["user"]["id"] == json!(bob.id)
    });
    let id = record["labels"]["conn_id"].as_str().unwrap();
    let close = |id: &str| json!({ "id": id, "reason": REASON });
    assert_eq!(code(&admin.ask_in("/admin", "connection:close", &close(id))), "ok");
    assert_eq!(client.close_code(), Some(4401));
    let again = admin.ask_in("/admin", "connection:close", &close(id));
    assert_eq!(code(&again), "connection_unknown");
    for id in ["", "7", "99999-1", "0-18446744073709551616"] {
        let answer = admin.ask_in("/admin", "connection:close", &close(id));
        assert_eq!(code(&answer), "connection_unknown", "{id}");
    }
}
