//! What operators see on the private listener, and nobody else does.
//! Never: a secret in what they see.

use portcullis_test::{Config, Request};

use crate::clients::{alive, start};

#[test]
fn t263_the_private_listener_tells_operators_and_the_public_one_does_not() {
    let server = start(&Config::default());
    let evil = Request::upgrade(&server, "/ws").with("Origin", "https://evil.com");
    assert_eq!(evil.ask(&server).status, 403);
    for (path, word) in [
        ("/health", r#"{"status":"ok"}"#),
        ("/ready", r#"{"status":"ready","parts":{"#),
        ("/metrics", "origin_rejected"),
    ] {
        let answer = Request::get(&server, path).ask_private(&server);
        let text = String::from_utf8(answer.body.clone()).unwrap();
        assert_eq!(answer.status, 200, "{path}");
        assert!(text.contains(word), "{path}: {text}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(Request::get(&server, path).ask(&server).status, 404, "{path} in public");
        let posted = Request::post(&server, path, "{}").ask_private(&server);
        assert_eq!(posted.status, 405, "{path}");
    }
    for path in ["/", "/ws", "/socket.io/", "/auth/login", "/.git/HEAD", "/metrics/"] {
        assert_eq!(Request::get(&server, path).ask_private(&server).status, 404, "{path}");
    }
    alive(&server);
}
