//! Tables of request heads: the result of reading each of them.
//! Never: a socket.

use proptest::prelude::*;

use super::*;
use crate::websocket::accept_key;

const LIMITS: HeadLimits =
    HeadLimits { head_max_bytes: 16_384, headers_max: 64, target_max_bytes: 2_048 };

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn parse(input: &str) -> Result<Option<Head<'_>>, HeadFault> {
    parse_head(input.as_bytes(), &LIMITS)
}

fn whole(input: &str) -> Head<'_> {
    parse(input).unwrap().unwrap()
}

fn check_fault(input: &str, expect: HeadFault) {
    assert_eq!(parse(input), Err(expect), "{:?}", &input[..input.len().min(200)]);
}

/// A head with these lines after a valid `Host`.
fn with_lines(request_line: &str, lines: &str) -> String {
    format!("{request_line}\r\nHost: chat.example\r\n{lines}\r\n")
}

#[test]
fn plain_head_is_read() {
    let input = "POST /auth/login?x=1&y HTTP/1.1\r\nHost: chat.example\r\nX-Empty:\r\n\
        x-blank: \t one two \t\r\ncontent-length: 17\r\n\r\n{\"username\":\"ann\"";
    let head = whole(input);
    assert_eq!(head.method, "POST");
    assert_eq!(head.target, "/auth/login?x=1&y");
    assert_eq!((head.path, head.query), ("/auth/login", "x=1&y"));
    assert_eq!(head.authority, None);
    assert_eq!(head.content_length, 17);
    assert!(head.keep_alive);
    assert_eq!(&input[head.length..], "{\"username\":\"ann\"");
    assert_eq!(head.header("HOST"), FieldValue::One(b"chat.example"));
    assert_eq!(head.header("x-empty"), FieldValue::One(b""));
    assert_eq!(head.header("X-Blank"), FieldValue::One(b"one two"));
    assert_eq!(head.header("cookie"), FieldValue::None);
}

#[test]
fn repeated_field_has_no_single_value() {
    let input = with_lines("GET / HTTP/1.1", "Origin: a\r\norigin: a\r\n");
    let head = whole(&input);
    assert_eq!(head.header("origin"), FieldValue::Many);
    assert_eq!(head.values("Origin").collect::<Vec<_>>(), [b"a", b"a"]);
}

#[test]
fn every_prefix_of_a_head_is_incomplete() {
    let input = with_lines("GET /socket.io/?EIO=4 HTTP/1.1", "Cookie: a=b\r\n");
    for end in 0..input.len() {
        assert_eq!(parse(&input[..end]), Ok(None), "{end}");
    }
    assert!(parse(&input).unwrap().is_some());
}

/// RFC 9112 section 9.3: 1.1 persists unless `close` is among the options.
#[test]
fn connection_close_ends_persistence() {
    let rows = [
        ("", true),
        ("Connection: keep-alive\r\n", true),
        ("Connection: close\r\n", false),
        ("connection: Keep-Alive , CLOSE\r\n", false),
        ("Connection: upgrade\r\nConnection: close\r\n", false),
        ("Connection: closed\r\n", true),
    ];
    for (lines, expect) in rows {
        let input = with_lines("GET / HTTP/1.1", lines);
        assert_eq!(whole(&input).keep_alive, expect, "{lines:?}");
    }
}

/// RFC 9112 section 3.2: origin-form, and absolute-form as every server must accept it. T-251.
#[test]
fn target_is_divided_and_not_decoded() {
    let rows = [
        ("/", "/", "", None),
        ("/?", "/", "", None),
        ("/a?b?c", "/a", "b?c", None),
        ("/socket.io/?EIO[]=4&x={|}^`", "/socket.io/", "EIO[]=4&x={|}^`", None),
        ("/..;/%2e%2E/%252e", "/..;/%2e%2E/%252e", "", None),
        ("//evil.example/", "//evil.example/", "", None),
        ("/go?to=http://evil.example", "/go", "to=http://evil.example", None),
        ("http://chat.example", "/", "", Some("chat.example")),
        ("HTTPS://chat.example:8443/ws", "/ws", "", Some("chat.example:8443")),
        ("http://[::1]:80?x=/y", "/", "x=/y", Some("[::1]:80")),
    ];
    for (target, path, query, authority) in rows {
        let input = with_lines(&format!("GET {target} HTTP/1.1"), "");
        let head = whole(&input);
        assert_eq!((head.path, head.query), (path, query), "{target}");
        assert_eq!((head.target, head.authority), (target, authority), "{target}");
    }
}

#[test]
fn target_of_another_form_is_malformed() {
    let targets = [
        "*",
        "chat.example:443",
        "ws://chat.example/",
        "ftp://a/",
        "http://",
        "http:///a",
        "http://a@b/",
        "http://a%41/",
        "http://a\\b/",
        "a",
        "/a#b",
        "/a?b#c",
        "/\"",
        "/<a>",
        "/a\\b",
        "/%",
        "/%4",
        "/%zz",
        "/a?%4g",
        "/a?\"",
        "/{a}",
        "/\u{e9}",
        "/a?\u{e9}",
    ];
    for target in targets {
        let input = with_lines(&format!("GET {target} HTTP/1.1"), "");
        assert!(matches!(parse(&input), Err(HeadFault::Malformed(_))), "{target}");
    }
}

#[test]
fn request_line_in_another_form_is_rejected() {
    let malformed = [
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /  HTTP/1.1",
        " GET / HTTP/1.1",
        "GET /",
        "GET\t/ HTTP/1.1",
        "GET / HTTP/1.1\u{b}",
        "G@T / HTTP/1.1",
        "G\u{0}T / HTTP/1.1",
        "(GET) / HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /\u{1} HTTP/1.1",
        "GET /\u{7f} HTTP/1.1",
        "\u{16}\u{3}\u{1}",
        "",
        "/ HTTP/1.1",
        "AVERYLONGMETHODNAMETHATNOBODYUSESATALL / HTTP/1.1",
    ];
    for line in malformed {
        let input = with_lines(line, "");
        let fault = parse(&input);
        let refused = matches!(fault, Err(HeadFault::Malformed(_) | HeadFault::Version));
        assert!(refused, "{line:?}: {fault:?}");
    }
    // T-210, T-248: other versions, and the preface of HTTP/2.
    for line in [
        "GET / HTTP/1.0",
        "GET / HTTP/0.9",
        "GET / HTTP/1.2",
        "GET / HTTP/2",
        "GET / HTTP/2.0",
        "GET / http/1.1",
        "GET / HTTP/11",
        "PRI * HTTP/2.0",
    ] {
        check_fault(&with_lines(line, ""), HeadFault::Version);
    }
}

/// RFC 9112 sections 2.2, 5.1 and 5.2, RFC 9110 section 5.5.
#[test]
fn lone_line_feed_or_control_character_is_rejected() {
    let malformed = [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\nY: c\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\n",
        "GET / HTTP/1.1\rHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\tb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost\t: a\r\n\r\n",
        "GET / HTTP/1.1\r\n: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost\r\n\r\n",
        "GET / HTTP/1.1\r\nHo st: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost\u{e9}: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\"Host\": a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\u{0}\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\u{1b}[2J\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\u{7f}\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\u{b}b\r\n\r\n",
    ];
    for input in malformed {
        assert!(matches!(parse(input), Err(HeadFault::Malformed(_))), "{input:?}");
    }
}

/// T-241.
#[test]
fn head_over_a_limit_is_rejected() {
    let lines =
        |count: usize| -> String { (0..count).map(|at| format!("X-{at}: y\r\n")).collect() };
    assert_eq!(whole(&with_lines("GET / HTTP/1.1", &lines(63))).headers.len(), 64);
    for (count, expect) in [
        (64, HeadFault::TooManyHeaders),
        (65, HeadFault::TooManyHeaders),
        (1_000, HeadFault::TooManyHeaders),
        (2_000, HeadFault::TooLarge),
    ] {
        check_fault(&with_lines("GET / HTTP/1.1", &lines(count)), expect);
    }
    let few = HeadLimits { headers_max: 3, ..LIMITS };
    let input = with_lines("GET / HTTP/1.1", &lines(3));
    assert_eq!(parse_head(input.as_bytes(), &few), Err(HeadFault::TooManyHeaders));

    let target =
        |length: usize| with_lines(&format!("GET /{} HTTP/1.1", "a".repeat(length - 1)), "");
    assert_eq!(whole(&target(2_048)).target.len(), 2_048);
    check_fault(&target(2_049), HeadFault::TargetTooLong);
    check_fault(&target(8_000), HeadFault::TargetTooLong);

    let name =
        |length: usize| with_lines("GET / HTTP/1.1", &format!("{}: y\r\n", "n".repeat(length)));
    assert!(parse(&name(256)).is_ok());
    check_fault(&name(1_024), HeadFault::TooLarge);

    let sized = |length: usize| {
        let rest = length - with_lines("GET / HTTP/1.1", "X: \r\n").len();
        with_lines("GET / HTTP/1.1", &format!("X: {}\r\n", "v".repeat(rest)))
    };
    assert_eq!(whole(&sized(16_384)).length, 16_384);
    check_fault(&sized(16_385), HeadFault::TooLarge);
    // T-240: a head without an end is rejected at the limit.
    let endless = &sized(20_000)[..16_384];
    assert_eq!(parse(&endless[..16_383]), Ok(None));
    check_fault(endless, HeadFault::TooLarge);
}

/// T-240: the search continues where it stopped, also inside the empty line.
#[test]
fn end_of_head_is_found_at_every_cut() {
    let input = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest\r\n\r\n";
    for searched in 0..=26 {
        assert_eq!(head_end(input, searched), Some(27), "{searched}");
    }
    for end in 0..27 {
        assert_eq!(head_end(&input[..end], 0), None, "{end}");
        assert_eq!(head_end(&input[..end], end), None, "{end}");
    }
    assert_eq!(head_end(b"", 10), None);
}

/// RFC 9112 section 6.1: parsers disagree about transfer codings. T-244, T-247.
#[test]
fn any_transfer_coding_is_rejected() {
    for lines in [
        "Transfer-Encoding: chunked\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "TRANSFER-ENCODING: xchunked\r\n",
        "Transfer-Encoding:  chunked\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ] {
        check_fault(&with_lines("POST / HTTP/1.1", lines), HeadFault::TransferEncoding);
    }
    for lines in ["Transfer-Encoding: \u{b}chunked\r\n", "Transfer-Encoding : chunked\r\n"] {
        let input = with_lines("POST / HTTP/1.1", lines);
        assert!(matches!(parse(&input), Err(HeadFault::Malformed(_))), "{lines:?}");
    }
}

/// RFC 9112 section 6.3 items 5 and 6, RFC 9110 section 8.6. T-245.
#[test]
fn content_length_other_than_one_plain_number_is_rejected() {
    for (value, expect) in
        [("0", 0), ("5", 5), ("65536", 65_536), ("999999999999999999", 999_999_999_999_999_999)]
    {
        let input = with_lines("POST / HTTP/1.1", &format!("Content-Length: {value}\r\n"));
        assert_eq!(whole(&input).content_length, expect);
    }
    for value in [
        "",
        "+5",
        "-1",
        "5,5",
        "5, 5",
        "0x5",
        "5 5",
        "5;",
        "05",
        "00",
        "5.0",
        "1e3",
        "\u{665}",
        "18446744073709551616",
        "1000000000000000000",
        "99999999999999999999999999",
    ] {
        let input = with_lines("POST / HTTP/1.1", &format!("Content-Length: {value}\r\n"));
        check_fault(&input, HeadFault::ContentLength);
    }
    for lines in
        ["Content-Length: 5\r\ncontent-length: 5\r\n", "Content-Length: 5\r\nContent-Length: 6\r\n"]
    {
        check_fault(&with_lines("POST / HTTP/1.1", lines), HeadFault::ContentLength);
    }
    // T-248: a body on a request that cannot have one.
    for method in ["GET", "HEAD", "TRACE", "CONNECT"] {
        let line = format!("{method} / HTTP/1.1");
        check_fault(&with_lines(&line, "Content-Length: 5\r\n"), HeadFault::ContentLength);
        assert!(parse(&with_lines(&line, "Content-Length: 0\r\n")).is_ok());
    }
}

fn upgrade_with(lines: &str) -> String {
    with_lines("GET /ws HTTP/1.1", lines)
}

fn check_upgrade(input: &str, expect: Result<&[&str], UpgradeFault>) {
    let head = whole(input);
    let request = read_upgrade(&head);
    assert_eq!(
        request.as_ref().map(|request| request.protocols.as_slice()).map_err(|f| *f),
        expect,
        "{input}"
    );
    if let Ok(request) = request {
        assert_eq!(request.key, KEY.as_bytes());
    }
}

const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";

fn sound(extra: &str) -> String {
    upgrade_with(&format!(
        "Upgrade: websocket\r\nConnection: Upgrade\r\n{VERSION}Sec-WebSocket-Key: {KEY}\r\n{extra}"
    ))
}

/// RFC 6455 section 4.2.1.
#[test]
fn valid_upgrade_is_read() {
    check_upgrade(&sound(""), Ok(&[]));
    assert!(wants_upgrade(&whole(&sound(""))));
    // T-210: lists, compared without case.
    let input = upgrade_with(&format!(
        "UPGRADE: h2c, WebSocket\r\nConnection: keep-alive\r\nConnection: foo, upGrade\r\n\
         {VERSION}Sec-WebSocket-Key: {KEY}\r\n"
    ));
    check_upgrade(&input, Ok(&[]));
    // The example of RFC 6455 section 4.2.2 item 5.4.
    assert_eq!(accept_key(KEY.as_bytes()), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

/// T-210.
#[test]
fn invalid_upgrade_is_rejected() {
    let malformed = UpgradeFault::Malformed;
    let key = format!("Sec-WebSocket-Key: {KEY}\r\n");
    let asks = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    let rows = [
        (format!("Connection: Upgrade\r\n{VERSION}{key}"), malformed("upgrade_field")),
        (
            format!("Upgrade: websockets\r\nConnection: Upgrade\r\n{VERSION}{key}"),
            malformed("upgrade_field"),
        ),
        (format!("Upgrade: websocket\r\n{VERSION}{key}"), malformed("upgrade_connection")),
        (
            format!("Upgrade: websocket\r\nConnection: keep-alive\r\n{VERSION}{key}"),
            malformed("upgrade_connection"),
        ),
        (format!("{asks}{key}"), UpgradeFault::Version),
        (format!("{asks}{VERSION}{VERSION}{key}"), UpgradeFault::Version),
        (format!("{asks}{VERSION}"), malformed("upgrade_key_missing")),
        (format!("{asks}{VERSION}{key}{key}"), malformed("upgrade_key_repeated")),
        (
            format!(
                "{asks}Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5\r\n"
            ),
            UpgradeFault::Version,
        ),
    ];
    for (lines, expect) in rows {
        check_upgrade(&upgrade_with(&lines), Err(expect));
    }
    for version in ["8", "0", "99", "7", "013", "13, 8", "13,13", "+13", "13.0", ""] {
        let lines = format!("{asks}Sec-WebSocket-Version: {version}\r\n{key}");
        check_upgrade(&upgrade_with(&lines), Err(UpgradeFault::Version));
    }
    for method in ["POST", "HEAD", "get", "OPTIONS"] {
        let input = sound("").replace("GET ", &format!("{method} "));
        check_upgrade(&input, Err(malformed("upgrade_method")));
    }
    assert!(!wants_upgrade(&whole(&with_lines("GET / HTTP/1.1", ""))));
}

/// RFC 6455 section 4.2.1 item 5: 16 bytes in base64. T-211.
#[test]
fn key_other_than_sixteen_bytes_of_canonical_base64_is_rejected() {
    let rows = [
        "",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub24=",
        "dGhlIHNhbXBsZSBub25jZTE=",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZR==",
        "dGhlIHNhbXBsZSBub25jZTE2",
        "dGhlIHNhbXBsZSBub25jZ-==",
        "dGhlIHNhbXBs ZSBub25jZQ=",
        "########################",
        "========================",
    ];
    for key in rows {
        let input = sound("").replace(KEY, key);
        check_upgrade(&input, Err(UpgradeFault::Malformed("upgrade_key")));
    }
}

/// RFC 6455 section 4.1 item 10. T-214, T-231.
#[test]
fn protocols_other_than_few_distinct_tokens_are_rejected() {
    let line = |value: &str| format!("Sec-WebSocket-Protocol: {value}\r\n");
    check_upgrade(
        &sound(&line("portcullis.v1,  ticket.aB_-9")),
        Ok(&["portcullis.v1", "ticket.aB_-9"]),
    );
    check_upgrade(
        &sound(&format!("{}{}", line("a, b"), line("constructor"))),
        Ok(&["a", "b", "constructor"]),
    );
    let sixteen: Vec<String> = (0..16).map(|at| format!("p{at}")).collect();
    assert!(read_upgrade(&whole(&sound(&line(&sixteen.join(","))))).is_ok());
    let refused = [
        String::new(),
        ",".into(),
        "a,,b".into(),
        "a, a".into(),
        "a b".into(),
        "\"a\"".into(),
        "a;b=c".into(),
        "a/b".into(),
        "\u{e9}".into(),
        format!("b{}x", " ".repeat(15_000)),
        vec!["a"; 1_000].join(","),
        format!("{},p16", sixteen.join(",")),
    ];
    for value in refused {
        check_upgrade(&sound(&line(&value)), Err(UpgradeFault::Malformed("upgrade_protocols")));
    }
}

/// RFC 6455 section 9.1: a server declines an offer by not answering it. T-212, T-214.
#[test]
fn offers_of_extensions_do_not_affect_the_upgrade() {
    for value in [
        "permessage-deflate; client_max_window_bits",
        "x-webkit-deflate-frame",
        "constructor",
        "permessage-deflate; client_max_window_bits=99",
        "\"quoted\"; a=\"b\\\"\"",
        ",,,",
        "",
        &vec!["x"; 1_000].join(", "),
        &" ".repeat(15_000),
        "__proto__; toString=1",
    ] {
        check_upgrade(&sound(&format!("Sec-WebSocket-Extensions: {value}\r\n")), Ok(&[]));
    }
}

fn response(status: u16, headers: &[(&str, &str)]) -> String {
    let mut out = Vec::new();
    write_response_head(&mut out, status, headers);
    String::from_utf8(out).unwrap()
}

#[test]
fn response_heads_are_written() {
    assert_eq!(
        response(101, &[("Upgrade", "websocket"), ("Connection", "Upgrade")]),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    );
    assert_eq!(response(429, &[]), "HTTP/1.1 429 Too Many Requests\r\n\r\n");
    // RFC 9112 section 4: the blank stays if there is no phrase.
    assert_eq!(response(299, &[]), "HTTP/1.1 299 \r\n\r\n");
    for status in [0, 7, 99, 600, 1_000, u16::MAX] {
        assert_eq!(response(status, &[]), "HTTP/1.1 500 Internal Server Error\r\n\r\n");
    }
}

/// CWE-113: no value starts a new line.
#[test]
fn line_ends_in_names_and_values_are_dropped() {
    assert_eq!(
        response(200, &[("Location", "/a\r\nSet-Cookie: b\0"), ("X\r\nY: z", "v\n\tw\u{e9}")]),
        "HTTP/1.1 200 OK\r\nLocation: /aSet-Cookie: b\r\nXYz: v\tw\u{e9}\r\n\r\n"
    );
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut input = b"GET / HTTP/1.1\r\n".to_vec();
        input.extend_from_slice(&bytes);
        input.extend_from_slice(b"\r\n\r\n");
        for input in [&bytes, &input] {
            if let Ok(Some(head)) = parse_head(input, &LIMITS) {
                prop_assert!(head.length <= input.len());
                let _outcome = read_upgrade(&head);
            }
        }
    }

    /// Bytes after a head never change its reading.
    #[test]
    fn bytes_after_a_head_do_not_change_it(
        path in "/[a-z0-9._~-]{0,20}",
        lines in prop::collection::vec(("[A-Za-z-]{1,12}", "[ -~]{0,30}"), 0..8),
        tail in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let line = |(name, value): &(String, String)| format!("X{name}: {value}\r\n");
        let lines: String = lines.iter().map(line).collect();
        let input = with_lines(&format!("GET {path} HTTP/1.1"), &lines);
        let mut longer = input.clone().into_bytes();
        longer.extend_from_slice(&tail);
        let head = parse(&input).unwrap().unwrap();
        prop_assert_eq!(head.length, input.len());
        prop_assert_eq!(head.path, path.as_str());
        prop_assert_eq!(Ok(Some(head)), parse_head(&longer, &LIMITS));
    }

    #[test]
    fn response_head_has_no_additional_line(
        status in any::<u16>(), name in "\\PC{0,20}|[\\x00-\\xff]{0,20}", value in "(?s).{0,60}",
    ) {
        let written = response(status, &[(&name, &value)]);
        prop_assert_eq!(written.matches('\n').count(), 3);
        prop_assert_eq!(written.matches('\r').count(), 3);
        prop_assert_eq!(written.find("\r\n\r\n"), Some(written.len() - 4));
    }
}

#[test]
fn version_1_0_is_read_only_where_probes_are_answered() {
    let limits = HeadLimits { head_max_bytes: 4096, headers_max: 8, target_max_bytes: 1024 };
    let old = b"GET /ready HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(parse_head(old, &limits), Err(HeadFault::Version));
    let head = parse_head_of(old, &limits, Versions::Http10AndHttp11).unwrap().unwrap();
    assert_eq!((head.path, head.keep_alive), ("/ready", false));
    let newer = b"GET /ready HTTP/1.1\r\n\r\n";
    let head = parse_head_of(newer, &limits, Versions::Http10AndHttp11).unwrap().unwrap();
    assert!(head.keep_alive);
    for other in [&b"GET / HTTP/0.9\r\n\r\n"[..], b"GET / HTTP/2.0\r\n\r\n", b"GET /\r\n\r\n"] {
        assert!(parse_head_of(other, &limits, Versions::Http10AndHttp11).is_err());
    }
}
