//! Invalid opening handshakes, and offers that the server declines.
//! Never: an accepted extension or subprotocol.

use portcullis_test::{Config, Connection, Request, SioClient, hs256};
use serde_json::json;

use crate::clients::{ENGINE, SOCKETS, alive, answers, send_raw, start};

#[test]
fn t210_upgrade_with_another_version_or_incomplete_is_rejected() {
    let server = start(&Config::default());
    for path in SOCKETS {
        let good = || Request::upgrade(&server, path);
        for version in ["8", "0", "99", "7", "013", "13, 8", "-13", "13.0", ""] {
            let answer = good().with("Sec-WebSocket-Version", version).ask(&server);
            assert_eq!(answer.status, 426, "{path} {version:?}");
            assert_eq!(answer.header("sec-websocket-version"), Some("13"));
        }
        assert_eq!(good().without("Sec-WebSocket-Version").ask(&server).status, 426);
        let hixie = good()
            .without("Sec-WebSocket-Version")
            .without("Sec-WebSocket-Key")
            .header("Sec-WebSocket-Key1", "18x 6]8vM;54 *(5:  {   U1]8  z [  8")
            .header("Sec-WebSocket-Key2", "1_ tx7X d  <  nf  334J702) 7]o}` 0");
        assert_eq!(hixie.ask(&server).status, 426, "{path}: hixie");
        let doubled = good().header("Sec-WebSocket-Version", "13");
        assert!([400, 426].contains(&doubled.ask(&server).status), "{path}: two versions");
        let refused = [
            good().without("Upgrade"),
            good().with("Upgrade", "websockets"),
            good().with("Upgrade", "h2c"),
            good().without("Connection"),
            good().with("Connection", "keep-alive"),
            good().with("Connection", "close"),
            good().header("Content-Length", "5").body(b"hello"),
        ];
        for (index, request) in refused.iter().enumerate() {
            assert_eq!(request.ask(&server).status, 400, "{path} case {index}");
        }
        let line = |line: &str| {
            let text = String::from_utf8(good().bytes()).unwrap();
            let changed = text.replacen(&format!("GET {path} HTTP/1.1"), line, 1);
            send_raw(&server, changed.as_bytes())
        };
        for changed in [
            format!("POST {path} HTTP/1.1"),
            format!("PUT {path} HTTP/1.1"),
            format!("GET {path} HTTP/1.0"),
            format!("get {path} HTTP/1.1"),
        ] {
            let text = line(&changed);
            assert!(text.starts_with("HTTP/1.1 400 "), "{changed}: {text}");
        }
        for fine in ["keep-alive, Upgrade", "upgrade", "UPGRADE , x"] {
            assert_eq!(good().with("Connection", fine).ask(&server).status, 101, "{fine}");
        }
        assert_eq!(good().with("Upgrade", "WebSocket").ask(&server).status, 101);
    }
    alive(&server);
}

#[test]
fn t211_upgrade_without_one_key_of_16_bytes_is_rejected() {
    let server = start(&Config::default());
    for path in SOCKETS {
        let good = || Request::upgrade(&server, path);
        for key in [
            "",
            "dGhlIHNhbXBsZSBub25j",
            "dGhlIHNhbXBsZSBub25jZTE=",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZR==",
            "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
            "!!!!!!!!!!!!!!!!!!!!!!==",
            "dGhlIHNhbXBs ZSBub25jZQ==",
        ] {
            let answer = good().with("Sec-WebSocket-Key", key).ask(&server);
            assert_eq!(answer.status, 400, "{path} {key:?}");
        }
        assert_eq!(good().without("Sec-WebSocket-Key").ask(&server).status, 400);
        let doubled = good().header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(doubled.ask(&server).status, 400, "{path}: two keys");
        let answer = good().ask(&server);
        // The pair of RFC 6455, 1.3.
        assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }
    alive(&server);
}

#[test]
fn t212_t214_offers_of_extensions_are_ignored() {
    let server = start(&Config::default());
    let spaces = format!("permessage-deflate{};x", " ".repeat(12_000));
    let many = vec!["x-a"; 1_000].join(", ");
    let offers = [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits=99",
        "permessage-deflate; server_no_context_takeover; client_max_window_bits",
        "x-webkit-deflate-frame",
        "constructor",
        "__proto__",
        "unknown; a=\"\\\"quoted\\\"\"",
        ";;;,,,===",
        &spaces,
        &many,
    ];
    for offer in offers {
        let request = Request::upgrade(&server, ENGINE).header("Sec-WebSocket-Extensions", offer);
        let answer = request.ask(&server);
        assert_eq!(answer.status, 101, "{:.60}", offer);
        assert_eq!(answer.header("sec-websocket-extensions"), None, "{:.60}", offer);
        let mut client = SioClient::over(Connection::open(&server), &request);
        client.sign_in(&hs256("ann"));
        assert_eq!(client.ask("room:list", &json!({}))["ok"], true, "{:.60}", offer);
    }
    let endless = Request::upgrade(&server, ENGINE)
        .header("Sec-WebSocket-Extensions", &format!("a{}b", " ".repeat(32_000)));
    assert_eq!(endless.ask(&server).status, 431);
    alive(&server);
}

#[test]
fn t214_offered_subprotocol_is_rejected_or_ignored() {
    let server = start(&Config::default());
    let many: Vec<String> = (0..1_000).map(|index| format!("p{index}")).collect();
    let many = many.join(", ");
    for path in SOCKETS {
        for (offer, status) in [
            ("constructor", 101),
            ("__proto__", 101),
            ("a, a", 400),
            ("a b", 400),
            (",", 400),
            ("\"quoted\"", 400),
            (&many, 400),
        ] {
            let request = Request::upgrade(&server, path).header("Sec-WebSocket-Protocol", offer);
            let answer = request.ask(&server);
            assert_eq!(answer.status, status, "{path} {:.60}", offer);
            assert_eq!(answer.header("sec-websocket-protocol"), None, "{path} {:.60}", offer);
        }
    }
    alive(&server);
}

#[test]
fn t248_bytes_after_an_upgrade_are_not_read_as_a_request() {
    let server = start(&Config::default());
    for path in SOCKETS {
        let upgrade = Request::upgrade(&server, path).bytes();
        let text = send_raw(&server, &[upgrade, Request::get(&server, "/").bytes()].concat());
        assert!(text.starts_with("HTTP/1.1 101 "), "{text}");
        assert_eq!(answers(&text), 1, "{text}");
    }
    alive(&server);
}
