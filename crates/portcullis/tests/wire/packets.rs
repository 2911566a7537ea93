//! Packets that break Engine.IO or Socket.IO, before and after CONNECT.
//! Never: a packet that is half understood.

use portcullis_test::{Config, Request, SioClient, TestServer, hs256};
use serde_json::json;

use crate::clients::{alive, start};

fn before_connect(server: &TestServer, packet: &str, expect: u16) {
    let mut client = SioClient::open(server);
    client.send(packet);
    assert_eq!(client.close_code(), Some(expect), "{packet}");
}

fn after_connect(server: &TestServer, packet: &str, expect: u16) {
    let mut client = SioClient::connect(server, &hs256("packets"));
    client.send(packet);
    assert_eq!(client.close_code(), Some(expect), "{packet}");
}

#[test]
fn t182_t191_packets_at_the_wrong_time() {
    let server = start(&Config::plaintext());
    let cases = [
        ("0", 1002),
        ("2", 1002),
        ("2probe", 1002),
        ("5", 1002),
        ("6", 1002),
        ("7", 1002),
        ("9", 1002),
        ("42[\"chat:send\",{}]", 1002),
        ("42/admin,[\"x\"]", 1002),
        ("43[]", 1002),
        ("44{\"message\":\"x\"}", 1002),
        ("1", 1000),
    ];
    for (packet, expect) in cases {
        before_connect(&server, packet, expect);
    }
    after_connect(&server, "40", 1002);
    after_connect(&server, "42/admin,[\"x\"]", 1002);
    after_connect(&server, "42/other,[\"x\"]", 1002);
    alive(&server);
}

#[test]
fn t193_t196_t198_t200_malformed_packets_end_the_connection() {
    let server = start(&Config::plaintext());
    let long = format!("42[\"{}\"]", "a".repeat(10_000));
    let digits = format!("42{}[\"a\"]", "9".repeat(1_000));
    let cases = [
        ("42", 1002),
        ("42{}", 1002),
        ("42[]", 1002),
        ("42[null]", 1002),
        ("42[1]", 1002),
        ("42[\"\"]", 1002),
        ("42[{\"toString\":\"foo\"}]", 1002),
        ("42[[\"x\"]]", 1002),
        ("42[\"a\"]garbage", 1002),
        ("42[\"a\"][\"b\"]x", 1002),
        ("42\u{feff}[\"a\"]", 1002),
        ("42-1[\"a\"]", 1002),
        ("429007199254740993[\"a\"]", 1002),
        ("451-[\"a\",{\"_placeholder\":true,\"num\":0}]", 1003),
        ("461-1[{\"_placeholder\":true,\"num\":0}]", 1003),
        (long.as_str(), 1002),
        (digits.as_str(), 1002),
    ];
    for (packet, expect) in cases {
        after_connect(&server, packet, expect);
    }
    alive(&server);
}

#[test]
fn t194_reserved_or_unknown_event_is_rejected_and_the_socket_stays() {
    let server = start(&Config::plaintext());
    let mut client = SioClient::connect(&server, &hs256("reserved"));
    let names = [
        "connect",
        "connect_error",
        "disconnect",
        "disconnecting",
        "newListener",
        "removeListener",
        "error",
        "connection",
    ];
    for name in names {
        let answer = client.ask(name, &json!({}));
        assert_eq!(answer["error"]["code"], "UNKNOWN_EVENT", "{name}: {answer}");
    }
    assert_eq!(client.ask("room:list", &json!({}))["ok"], true);
    alive(&server);
}

#[test]
fn t192_namespaces() {
    let server = start(&Config::plaintext());
    let mut client = SioClient::connect(&server, &hs256("namespaces"));
    for namespace in ["/unknown", "/../", "/__proto__"] {
        client.send(&format!("40{namespace},"));
        let answer = client.wait_packet(|packet| packet.starts_with("44/"));
        assert!(answer.contains("Invalid namespace"), "{answer}");
    }
    for packet in ["40/admin?token=x,", "40/\u{e9},", &format!("40/{},", "n".repeat(10_000))] {
        after_connect(&server, packet, 1002);
    }
    alive(&server);
}

#[test]
fn t190_t181_silence_ends_a_connection() {
    let mut config = Config::plaintext();
    config.transport = vec![
        "connect_timeout_ms = 1500".into(),
        "ping_interval_ms = 200".into(),
        "ping_timeout_ms = 1500".into(),
    ];
    let server = start(&config);
    assert_eq!(SioClient::open(&server).close_code(), Some(4408), "no CONNECT");
    let mut silent = SioClient::connect(&server, &hs256("silent"));
    assert_eq!(silent.close_code(), Some(4408), "no pong");
    let mut flood = SioClient::connect(&server, &hs256("flood"));
    for _ in 0..100 {
        flood.send("3");
    }
    assert_eq!(flood.close_code(), Some(1008), "pongs without a ping");
    alive(&server);
}

#[test]
fn t174_t175_parameters_and_methods() {
    let server = start(&Config::plaintext());
    let code = |request: Request| {
        let answer = request.ask(&server);
        assert_eq!(answer.status, 400, "{request:?}");
        answer.code()
    };
    let upgrade = |query: &str| Request::upgrade(&server, &format!("/socket.io/?{query}"));
    let cases = [
        ("EIO=3&transport=websocket", "5"),
        ("transport=websocket", "5"),
        ("EIO=4x&transport=websocket", "5"),
        ("EIO=4&transport=webtransport", "0"),
        ("EIO=4&transport=__proto__", "0"),
        ("EIO=4", "0"),
        ("EIO[]=4&transport=websocket", "3"),
        ("EIO=4&EIO=4&transport=websocket", "3"),
        ("EIO=4&transport=websocket&j=0", "3"),
        ("EIO=4&transport=websocket&sid=chosen", "1"),
    ];
    for (query, expect) in cases {
        assert_eq!(code(upgrade(query)), expect, "{query}");
    }
    alive(&server);
}

#[test]
fn administrators_namespace_answers_in_the_namespace_of_the_request() {
    let server = start(&Config::default());
    let admin = portcullis_test::set_up(&server, "the_admin");
    let mut client = SioClient::connect(&server, &admin.token);
    let payload = json!({ "token": admin.token }).to_string();
    client.join_namespace("/admin", &payload).expect("an administrator may");
    client.send("42/admin,7[\"no:such\",{}]");
    let answer = client.wait_packet(|packet| packet.starts_with("43/admin,7["));
    assert!(answer.contains("UNKNOWN_EVENT"), "{answer}");
    alive(&server);
}
