//! The check of origins: exact bytes, before a socket exists.
//! Never: a browser's own refusal; the server has to refuse alone.

use portcullis_test::{Config, Connection, RawWebSocket, Request, TestServer, frame_bytes, hs256};
use serde_json::{Value, json};

use crate::clients::{ENGINE, SOCKETS, alive, assert_no_cors, start};

fn listed() -> Config {
    let lines =
        vec![String::from("allowed = [\"https://myapp.test\", \"https://www.myapp.test\"]")];
    Config { origin: lines, ..Config::default() }
}

/// Each of these origins is refused at both doors; nothing is left of it.
fn refused(server: &TestServer, origins: &[&str]) {
    for path in SOCKETS {
        for origin in origins {
            let answer = Request::upgrade(server, path).with("Origin", origin).ask(server);
            assert_eq!(answer.status, 403, "{path} {origin:?}");
            let code = if path == ENGINE { "4" } else { "forbidden_origin" };
            assert_eq!(answer.code(), code, "{path} {origin:?}");
            assert_eq!(answer.json()["message"], "Forbidden");
            assert_eq!(answer.header("upgrade"), None);
            assert_no_cors(&answer, origin);
        }
    }
    alive(server);
}

#[test]
fn t001_foreign_origin_is_rejected_before_the_upgrade_and_recorded() {
    let server = start(&listed());
    refused(&server, &["https://evil.com"]);
    let record = server.records.wait_for_rule("origin_rejected");
    assert_eq!(record["event"]["code"], "malicious_csrf", "{record}");
    assert_eq!(record["log"]["level"], "warning", "{record}");
    assert_eq!(record["labels"]["origin"], "https://evil.com", "{record}");
    assert_eq!(record["http"]["response"]["status_code"], 403, "{record}");
    for origin in ["https://myapp.test", "https://www.myapp.test"] {
        for path in SOCKETS {
            let answer = Request::upgrade(&server, path).with("Origin", origin).ask(&server);
            assert_eq!(answer.status, 101, "{path} {origin}");
        }
    }
}

#[test]
fn t002_t003_t004_t005_inexact_origin_is_rejected() {
    let server = start(&listed());
    let origins = [
        "null",
        "NULL",
        "",
        "*",
        "https://sub.myapp.test",
        "https://myapp.test.evil.com",
        "https://evilmyapp.test",
        "https://myapp.test-evil.com",
        "https://myappXcom",
        "https://myapp.co",
        "https://www.myapp.test.",
        "https://myapp.test.",
        "https://myapp.test/",
        "https://myapp.test/chat",
        "https://user@myapp.test",
        "https://MYAPP.com",
        "HTTPS://myapp.test",
        "https://myapp.test, https://evil.com",
        "https://myapp.test https://myapp.test",
        "https://myapp.test%00.evil.com",
        "http://myapp.test",
        "ws://myapp.test",
        "wss://myapp.test",
        "file://",
        "chrome-extension://x",
        "//myapp.test",
        "myapp.test",
        "https://myapp.test:443",
        "https://myapp.test:8443",
        "https://myapp.test:80",
        "https://myapp.test:0443",
    ];
    refused(&server, &origins);
    for path in SOCKETS {
        let doubled = Request::upgrade(&server, path)
            .with("Origin", "https://myapp.test")
            .header("Origin", "https://myapp.test");
        assert_eq!(doubled.ask(&server).status, 403, "{path}: two origins");
    }
}

#[test]
fn t007_t012_missing_origin_is_rejected_with_any_other_header() {
    let server = start(&listed());
    let bearer = format!("Bearer {}", hs256("native"));
    let others: [&[(&str, &str)]; 6] = [
        &[],
        &[("Cookie", "session=1")],
        &[("Authorization", &bearer)],
        &[("Referer", "https://myapp.test/")],
        &[("Sec-Fetch-Site", "same-origin")],
        &[("Sec-WebSocket-Origin", "https://myapp.test")],
    ];
    for path in SOCKETS {
        for headers in others {
            let mut request = Request::upgrade(&server, path).without("Origin");
            for (name, value) in headers {
                request = request.header(name, value);
            }
            assert_eq!(request.ask(&server).status, 403, "{path} {headers:?}");
        }
    }
    let record = server.records.wait_for_rule("origin_missing");
    assert_eq!(record["event"]["code"], "malicious_csrf", "{record}");
    alive(&server);
}

#[test]
fn t007_native_clients_come_in_with_a_token_if_that_is_configured() {
    let lines = vec![String::from("without_origin = \"token\"")];
    let server = start(&Config { origin: lines, ..Config::default() });
    let bearer = format!("Bearer {}", hs256("native"));
    for path in SOCKETS {
        let native = || Request::upgrade(&server, path).without("Origin");
        let cases = [
            (native().header("Authorization", &bearer), 101),
            (native(), 403),
            (native().header("Cookie", "session=1"), 403),
            (native().header("Authorization", &bearer).header("Cookie", "session=1"), 403),
            (native().header("Authorization", "Bearer x"), 401),
            (native().header("Authorization", &bearer).header("Origin", "https://evil.com"), 403),
        ];
        for (index, (request, status)) in cases.iter().enumerate() {
            assert_eq!(request.ask(&server).status, *status, "{path} case {index}");
        }
    }
    alive(&server);
}

#[test]
fn t009_websocket_sid_is_rejected_on_other_connections() {
    let server = start(&Config::default());
    let mut socket = RawWebSocket::open(&server, ENGINE);
    let open = socket.next_frame().unwrap().text();
    let open: Value = serde_json::from_str(&open[1..]).unwrap();
    let sid = open["sid"].as_str().unwrap();
    assert_eq!(open["upgrades"], json!([]), "{open}");
    let poll = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    let other = format!("{ENGINE}&sid={sid}");
    for (origin, status) in [("https://evil.com", 403), ("null", 403), ("", 403)] {
        let requests = [
            Request::get(&server, &poll).header("Origin", origin),
            Request::post(&server, &poll, "1").header("Origin", origin),
            Request::upgrade(&server, &other).with("Origin", origin),
        ];
        for request in requests {
            let answer = request.ask(&server);
            assert_eq!(answer.status, status, "{origin:?}");
            assert_no_cors(&answer, origin);
        }
    }
    // Its own origin cannot take it over either.
    let taken = Request::upgrade(&server, &other).ask(&server);
    assert_eq!((taken.status, taken.code().as_str()), (400, "1"));
    let posted = Request::post(&server, &poll, "1").header("Origin", &server.origin);
    assert_eq!(posted.ask(&server).status, 400);
    socket.send_text(&format!("40{}", json!({ "token": hs256("ann") })));
    let answer = socket.next_frame().unwrap().text();
    assert!(answer.starts_with("40{"), "{answer}");
}

#[test]
fn t013_disabled_polling_is_rejected_with_the_setting_to_change() {
    let transport = vec![String::from("polling = false")];
    let server = start(&Config { transport, ..Config::default() });
    let poll = "/socket.io/?EIO=4&transport=polling";
    let evil = Request::get(&server, poll).header("Origin", "https://evil.com").ask(&server);
    assert_eq!(evil.status, 403);
    assert_no_cors(&evil, "evil poll");
    let requests = [
        Request::get(&server, poll).header("Origin", &server.origin),
        Request::get(&server, poll),
        Request::get(&server, poll).header("Sec-Fetch-Site", "same-origin"),
        Request::post(&server, poll, "1").header("Origin", &server.origin),
    ];
    for request in requests {
        let answer = request.ask(&server);
        assert_eq!(answer.status, 400);
        let message = answer.json()["message"].to_string();
        assert!(message.contains(r#"transports: [\"websocket\"]"#), "{message}");
    }
    alive(&server);
}

#[test]
fn t001_rejected_upgrade_reads_no_frames() {
    let server = start(&Config::default());
    let mut connection = Connection::open(&server);
    let request = Request::upgrade(&server, ENGINE).with("Origin", "https://evil.com");
    let connect = format!("40{}", json!({ "token": hs256("ann") }));
    connection.send(&[request.bytes(), frame_bytes(0x81, connect.as_bytes())].concat());
    let text = String::from_utf8(connection.read_to_end()).unwrap();
    assert!(text.starts_with("HTTP/1.1 403 "), "{text}");
    assert!(text.ends_with('}'), "nothing follows the refusal: {text}");
    alive(&server);
}

#[test]
fn app_origins_are_allowed_exactly_and_only_when_listed() {
    const APPS: [&str; 7] = [
        "capacitor://localhost",
        "ionic://localhost",
        "tauri://localhost",
        "http://tauri.localhost",
        "app://-",
        "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
        "moz-extension://0e9d8c7b-0000-4000-8000-000000000000",
    ];
    let lines = vec![format!("allowed = {APPS:?}")];
    let server = start(&Config { origin: lines, ..Config::default() });
    for origin in APPS {
        for path in SOCKETS {
            let answer = Request::upgrade(&server, path).with("Origin", origin).ask(&server);
            assert_eq!(answer.status, 101, "{path} {origin}");
        }
        let polling = "/socket.io/?EIO=4&transport=polling";
        let answer = Request::get(&server, polling).header("Origin", origin).ask(&server);
        assert_eq!(answer.status, 200, "{origin}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    }
    refused(
        &server,
        &[
            "null",
            "file://",
            "capacitor://",
            "capacitor://localhost/",
            "capacitor://LOCALHOST",
            "capacitor://localhost.evil.com",
            "Capacitor://localhost",
            "https://tauri.localhost",
            "http://tauri.localhost:80",
            "app://.",
            "chrome-extension://ponmlkjihgfedcbaponmlkjihgfedcba",
            "moz-extension://0E9D8C7B-0000-4000-8000-000000000000",
        ],
    );
    let bare = start(&Config::default());
    refused(&bare, &APPS);
}
