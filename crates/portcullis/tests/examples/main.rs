//! The examples, run as programs and used as their readers would.
//! Never: an example that only compiles.
//!
//! The cursor board and the open server are tested in `tests/engine`.

use std::net::SocketAddr;

use portcullis_test::{Connection, ExampleServer, Request, SioClient, forge_hs256, now_s};
use serde_json::{Value, json};

const SECRET: &str = "kR8v2WqLz5nTfYp1XcJm9BdHs4GuEa7o";

fn token(issuer: &str, subject: &str) -> String {
    let now = now_s();
    let claims = json!({
        "iss": issuer, "aud": "portcullis", "sub": subject, "iat": now, "exp": now + 600,
    });
    forge_hs256(r#"{"alg":"HS256","typ":"JWT"}"#, &claims.to_string(), SECRET.as_bytes())
}

fn headers(public: SocketAddr, line: &str) -> Request {
    let host = public.to_string();
    Request::bare(line).header("Host", &host).header("Origin", &format!("http://{host}"))
}

fn connect(public: SocketAddr, token: &str) -> SioClient {
    let request = headers(public, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    let mut client = SioClient::over(Connection::open_bare(public), &request);
    client.sign_in(token);
    client
}

#[test]
fn echo_answers_messages_that_its_rule_allows() {
    let server = ExampleServer::start("echo", &[("ECHO_SECRET", SECRET)]);
    let mut client = connect(server.public, &token("https://echo.example", "ann"));
    let answer = client.ask("echo", &json!({"text": "hello"}));
    assert_eq!(answer, json!({"ok": true, "text": "hello"}));
    let wrong = client.ask("echo", &json!({"text": 1}));
    assert_eq!(
        (&wrong["error"]["code"], &wrong["error"]["field"]),
        (&json!("INVALID_MESSAGE"), &json!("text"))
    );
    let codes: Vec<Value> = (0..10)
        .map(|_| client.ask("echo", &json!({"text": "again"}))["error"]["code"].clone())
        .collect();
    assert_eq!(codes.last().unwrap(), "RATE_LIMIT_EXCEEDED", "{codes:?}");
}

#[test]
fn notifications_reach_their_user_now_or_at_the_next_connect() {
    let server = ExampleServer::start("notify", &[("NOTIFY_SECRET", SECRET)]);
    let issuer = "https://notify.example";
    let push = |bearer: &str, user: &str, text: &str| {
        let body = json!({"user": user, "text": text}).to_string();
        let request = headers(server.public, "POST /push HTTP/1.1")
            .header("Authorization", &format!("Bearer {bearer}"))
            .header("Content-Type", "application/json")
            .header("Content-Length", &body.len().to_string())
            .body(body.as_bytes());
        request.ask_on(&mut Connection::open_bare(server.public)).status
    };
    let pusher = token(issuer, "pusher");
    let mut ann = connect(server.public, &token(issuer, "ann"));
    let mut bob = connect(server.public, &token(issuer, "bob"));
    // The clock tells everyone, so both are there.
    assert!(ann.event("time")["unix_ms"].is_number() && bob.event("time").is_object());
    assert_eq!(push(&pusher, "ann", "for ann"), 202);
    assert_eq!(ann.event("notify"), json!({"number": 1, "text": "for ann"}));
    assert_eq!(push(&token(issuer, "bob"), "ann", "forged"), 403);
    assert_eq!(push("no.token.atall", "ann", "forged"), 401);
    assert_eq!(push(&pusher, "carol", "for carol"), 202);
    let mut carol = connect(server.public, &token(issuer, "carol"));
    assert_eq!(carol.event("notify"), json!({"number": 2, "text": "for carol"}));
    assert_eq!(carol.ask("notify:read", &json!({"number": 2}))["ok"], true);
    drop(carol);
    assert_eq!(push(&pusher, "carol", "later"), 202);
    let mut carol = connect(server.public, &token(issuer, "carol"));
    assert_eq!(carol.event("notify")["text"], "later", "what was read does not come again");
    let received = bob.seen.iter().filter(|packet| packet.contains("notify")).count();
    assert_eq!(received, 0, "no other client received it");
}
