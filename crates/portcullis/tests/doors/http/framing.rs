//! Requests that can be read in two ways, as smuggling needs them.
//! Never: a second answer on the connection.

use portcullis_test::{Config, TestServer};

use crate::clients::{alive, answers, send_raw, start};

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

/// Each head, with a chunked body and another request behind it, is refused and ends it all.
fn refused(server: &TestServer, heads: &[&str]) {
    for method in ["POST /auth/login", "GET /", "GET /ws", "OPTIONS /auth/login"] {
        for head in heads {
            let bytes = format!(
                "{method} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n{head}\r\n\r\n\
                 0\r\n\r\n{SMUGGLED}",
                server.public
            );
            let text = send_raw(server, bytes.as_bytes());
            assert!(text.starts_with("HTTP/1.1 400 "), "{method} {head:?}: {text}");
            assert!(text.contains("\r\nConnection: close\r\n"), "{method} {head:?}: {text}");
            assert_eq!(answers(&text), 1, "{method} {head:?}: {text}");
        }
    }
    let _record = server.records.wait_for_rule("http");
    alive(server);
}

#[test]
fn t244_transfer_coding_is_rejected() {
    let heads = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding:  chunked",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding : chunked",
        " Transfer-Encoding: chunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "X: y\nTransfer-Encoding: chunked",
        "Transfer-Encoding:\tchunked",
        "transfer-encoding: CHUNKED",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding:",
        "Transfer-Encoding\r\n: chunked",
    ];
    for config in [Config::plaintext(), Config::default()] {
        refused(&start(&config), &heads);
    }
}

#[test]
fn t247_chunked_body_is_rejected_before_its_first_size() {
    for server in [start(&Config::plaintext()), start(&Config::default())] {
        let endless = format!("1;{}\r\nx\r\n", "e".repeat(20_000));
        let trailers = format!("0\r\n{}\r\n", "X-Trailer: 1\r\n".repeat(1_000));
        let bodies = [
            "5\r\nhello\r\n0\r\n\r\n",
            "11111111111111111\r\nhello\r\n0\r\n\r\n",
            "-1\r\nhello\r\n0\r\n\r\n",
            "+5\r\nhello\r\n0\r\n\r\n",
            "0x5\r\nhello\r\n0\r\n\r\n",
            "5\nhello\n0\n\n",
            "5\r\nhello",
            &endless,
            &trailers,
        ];
        for body in bodies {
            let bytes = format!(
                "POST /auth/login HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
                 Transfer-Encoding: chunked\r\n\r\n{body}{SMUGGLED}",
                server.public
            );
            let text = send_raw(&server, bytes.as_bytes());
            assert!(text.starts_with("HTTP/1.1 400 "), "{body:.60?}: {text}");
            assert_eq!(answers(&text), 1, "{body:.60?}: {text}");
        }
        alive(&server);
    }
}

#[test]
fn t245_length_that_is_not_a_plain_number_is_rejected() {
    let heads = [
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 0\r\ncontent-length: 5",
        "Content-Length: +5",
        "Content-Length: 5,5",
        "Content-Length: 5, 5",
        "Content-Length: -1",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length: 05",
        "Content-Length: 5.0",
        "Content-Length: 1e3",
        "Content-Length: \"5\"",
        "Content-Length:",
        "Content-Length: 18446744073709551616",
        "Content-Length: 18446744073709551615",
        "Content-Length : 5",
        "Content-Length: \x0b5",
    ];
    for config in [Config::plaintext(), Config::default()] {
        refused(&start(&config), &heads);
    }
}

#[test]
fn t248_t246_invalid_head_is_rejected() {
    let server = start(&Config::plaintext());
    let own = server.public;
    let heads = [
        String::from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        format!("CONNECT {own} HTTP/1.1\r\nHost: {own}\r\n\r\n"),
        String::from("CONNECT evil.com:443 HTTP/1.1\r\nHost: evil.com:443\r\n\r\n"),
        format!("OPTIONS * HTTP/1.1\r\nHost: {own}\r\n\r\n"),
        format!("GET / HTTP/2.0\r\nHost: {own}\r\n\r\n"),
        format!("GET / HTTP/1.0\r\nHost: {own}\r\n\r\n"),
        format!("GET / HTTP/0.9\r\nHost: {own}\r\n\r\n"),
        String::from("GET /\r\n\r\n"),
        format!("\r\nGET / HTTP/1.1\r\nHost: {own}\r\n\r\n"),
        format!("GET / HTTP/1.1\nHost: {own}\n\r\n\r\n"),
        format!("GET  / HTTP/1.1\r\nHost: {own}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {own}\r\nX\0: 1\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {own}\r\nX: a\0b\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {own}\r\nContent-Length: 5\r\n\r\nhello"),
        format!("TRACE / HTTP/1.1\r\nHost: {own}\r\nContent-Length: 5\r\n\r\nhello"),
        String::from("\u{16}\u{3}\u{1}\r\n\r\n"),
    ];
    for head in &heads {
        let text = send_raw(&server, head.as_bytes());
        assert!(text.starts_with("HTTP/1.1 400 "), "{head:?}: {text}");
        assert_eq!(answers(&text), 1, "{head:?}: {text}");
    }
    alive(&server);
}
