//! Paths and methods that name nothing here.
//! Never: a second spelling of a path.

use portcullis_test::{Config, Request};

use crate::clients::{alive, answers, send_raw, start};

#[test]
fn t248_unsupported_method_is_rejected() {
    let server = start(&Config::default());
    for path in ["/", "/auth/login"] {
        for method in ["TRACE", "TRACK", "PUT", "DELETE", "PATCH", "PROPFIND", "get"] {
            let request = Request::bare(&format!("{method} {path} HTTP/1.1"))
                .header("Host", &server.public.to_string())
                .header("X-Secret", "echo-me");
            let answer = request.ask(&server);
            assert_eq!(answer.status, 405, "{method} {path}");
            assert!(!answer.body.escape_ascii().to_string().contains("echo-me"));
        }
    }
    let _record = server.records.wait_for_rule("method");
    alive(&server);
}

#[test]
fn t251_t263_unknown_path_is_not_found() {
    let server = start(&Config::default());
    let paths = [
        "/metrics",
        "/health",
        "/ready",
        "/debug",
        "/debug/pprof/",
        "/.git/HEAD",
        "/.env",
        "/server-status",
        "/nothing",
        "/..",
        "/../../etc/passwd",
        "/./",
        "//",
        "//evil.com/",
        "/;/",
        "/;x=1",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/%252e%252e/",
        "/..;/metrics",
        "/%6detrics",
        "/%77s",
        "/ws/",
        "/ws;x",
        "/ws%00",
        "/WS",
        "/socket.io",
        "/socket.io//",
        "/socket.io/../ws",
        "/socket.io/socket.io.js",
        "/auth/login/",
        "/auth//login",
        "/AUTH/LOGIN",
        "/auth/%6cogin",
        "/x/../auth/login",
    ];
    for path in paths {
        let answer = Request::upgrade(&server, path).ask(&server);
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.code(), "not_found", "{path}");
    }
    let record = server.records.wait_for_rule("not_found");
    assert_eq!(record["event"]["code"], "malicious_excess_404", "{record}");
    alive(&server);
}

#[test]
fn t251_invalid_path_is_rejected() {
    let server = start(&Config::plaintext());
    let paths = [
        "/%",
        "/%2",
        "/%zz",
        "/\u{e9}",
        "/a b",
        "/a\\b",
        "/a#b",
        "/<x>",
        "/\"",
        "ws",
        "../ws",
        "file:///etc/passwd",
        "ftp://x/",
        "*",
        "?x",
        "http://",
        "/\u{1}",
        "/a\tb",
    ];
    for path in paths {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", server.public);
        let text = send_raw(&server, head.as_bytes());
        assert!(text.starts_with("HTTP/1.1 400 "), "{path:?}: {text}");
        assert_eq!(answers(&text), 1, "{path:?}: {text}");
    }
    alive(&server);
}
