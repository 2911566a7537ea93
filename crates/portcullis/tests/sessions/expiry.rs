//! Sessions and connections that end by time, and their renewal in place.
//! Never: a connection that outlives its token by a second.

use std::time::Duration;

use portcullis_test::{
    Config, PlainClient, SECRET, SioClient, TestServer, claims, forge_hs256, hs256, now_s, timed,
};
use serde_json::{Value, json};

use crate::{code, start, unlimited};

/// A token of the issuer for a user that expires after this many seconds.
fn lasting(subject: &str, seconds: i64) -> String {
    changed(subject, &json!({ "iat": now_s() - 5, "exp": now_s() + seconds }))
}

fn changed(subject: &str, change: &Value) -> String {
    let mut all = claims(subject);
    all.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    forge_hs256(r#"{"alg":"HS256","typ":"JWT"}"#, &all.to_string(), SECRET.as_bytes())
}

fn config(session: &str) -> Config {
    Config { more: format!("[session]\n{session}\n"), ..unlimited() }
}

fn ended(server: &TestServer, reason: &str) {
    let _record = server.records.wait_for(|record| {
        record["event"]["reason"] == reason && record["event"]["code"] == "session_expired"
    });
}

#[test]
fn t057_expired_token_ends_its_connection_within_a_second() {
    let server = start(&unlimited());
    let mut socketio = SioClient::connect(&server, &lasting("ann", 2));
    let mut plain = PlainClient::connect(&server, &lasting("bob", 2));
    let (codes, took) = timed(|| [socketio.close_code(), plain.socket.close_code()]);
    assert_eq!(codes, [Some(4401), Some(4401)]);
    // Leeway is for the clocks of issuers: 5 s, and a second to notice.
    assert!(took < Duration::from_secs(9), "{took:?}");
    ended(&server, "expired");
}

#[test]
fn t057_idle_connection_ends_and_active_one_ends_at_its_absolute_end() {
    let server = start(&config("idle_s = 1"));
    let mut silent = SioClient::connect(&server, &hs256("ann"));
    let (end, took) = timed(|| silent.close_code());
    assert_eq!(end, Some(4401));
    assert!((Duration::from_millis(900)..Duration::from_secs(3)).contains(&took), "{took:?}");
    ended(&server, "idle");

    let server = start(&config("absolute_s = 2"));
    let mut busy = SioClient::connect(&server, &hs256("ann"));
    let ((), took) = timed(|| {
        // It speaks all the time; that does not help. Each answer paces the next question.
        loop {
            busy.send("420[\"room:list\",{}]");
            let Some(frame) = busy.socket.next_frame() else { break };
            if frame.opcode == 8 {
                assert_eq!(frame.close_code(), Some(4401));
                break;
            }
        }
    });
    assert!((Duration::from_millis(1_900)..Duration::from_secs(4)).contains(&took), "{took:?}");
    ended(&server, "absolute");
}

#[test]
fn client_is_warned_before_expiry_and_renews_in_place() {
    let server = start(&unlimited());
    let mut socketio = SioClient::connect(&server, &lasting("ann", 4));
    let mut plain = PlainClient::connect(&server, &lasting("bob", 4));
    // Less than a minute is left: both get the warning at once.
    assert!(socketio.event("auth:expiring")["expires_at"].as_i64().unwrap() > now_s() * 1000);
    assert!(plain.event("auth:expiring")["expires_at"].is_i64());
    let later = now_s() + 600;
    let newer = |name| changed(name, &json!({ "exp": later }));
    let answer = socketio.ask("auth:refresh", &json!({ "token": newer("ann") }));
    assert_eq!(answer, json!({ "ok": true, "expires_at": later * 1000 }));
    assert_eq!(code(&plain.ask("auth:refresh", &json!({ "token": newer("bob") }))), "ok");
    // A third, not prolonged, shows that the time has come.
    let mut third = SioClient::connect(&server, &lasting("eve", 4));
    assert_eq!(third.close_code(), Some(4401));
    assert_eq!(code(&socketio.ask("room:list", &json!({}))), "ok");
    assert_eq!(code(&plain.ask("room:list", &json!({}))), "ok");
}

#[test]
fn rejected_renewal_keeps_the_session_and_reveals_no_reason() {
    let server = start(&unlimited());
    let mut client = SioClient::connect(&server, &lasting("ann", 300));
    let good = changed("ann", &json!({}));
    let cases = [
        ("another user", hs256("bob"), "unauthorized"),
        (
            "past",
            changed("ann", &json!({ "exp": now_s() - 60, "iat": now_s() - 90 })),
            "unauthorized",
        ),
        ("another audience", changed("ann", &json!({ "aud": "elsewhere" })), "unauthorized"),
        ("another issuer", changed("ann", &json!({ "iss": "https://a.example" })), "unauthorized"),
        ("no signature", good.rsplit_once('.').unwrap().0.to_owned(), "unauthorized"),
        ("changed", good.replace(good.chars().last().unwrap(), "-"), "unauthorized"),
        ("a ticket", String::from("wst_nobodys"), "unauthorized"),
        ("nothing", String::new(), "unauthorized"),
    ];
    for (what, token, expect) in cases {
        let answer = client.ask("auth:refresh", &json!({ "token": token }));
        let seen = code(&answer).to_owned();
        assert!(seen == expect || seen == "INVALID_MESSAGE", "{what}: {answer}");
        let mut alive = client.ask("room:list", &json!({}));
        assert_eq!(alive["ok"].take(), true, "{what}");
        if seen == "INVALID_MESSAGE" {
            continue;
        }
        assert_eq!(answer["error"]["message"], "unauthorized", "{what}");
    }
    for payload in ["{}", "{\"token\":7}", "{\"token\":null}", "{\"token\":\"a\",\"user\":\"b\"}"] {
        let mut fresh = SioClient::connect(&server, &lasting("ann", 300));
        let answer = fresh.ask_text(&format!("[\"auth:refresh\",{payload}]"));
        assert_eq!(code(&answer), "INVALID_MESSAGE", "{payload}");
    }
}

#[test]
fn token_of_another_user_is_recorded_as_direct_reference_and_counts() {
    let server = start(&unlimited());
    let _bob = SioClient::connect(&server, &lasting("bob", 300));
    let mut client = SioClient::connect(&server, &lasting("ann", 300));
    for other in ["bob", "never-connected"] {
        let answer = client.ask("auth:refresh", &json!({ "token": hs256(other) }));
        assert_eq!(answer["error"]["code"], "unauthorized");
        let record = server.records.wait_for_reference(answer["error"]["ref"].as_str().unwrap());
        assert_eq!(record["event"]["code"], "malicious_direct_reference", "{other}");
    }
    // Ten violations in a minute end the connection.
    for _ in 0..8 {
        client.emit("auth:refresh", &json!({ "token": hs256("bob") }));
    }
    assert_eq!(client.close_code(), Some(4429));
}
