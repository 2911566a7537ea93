//! Bytes that break RFC 6455, each ended with the close code that says how.
//! Never: a table row without the number of its attack.

use portcullis_test::{
    ClientFrame, Config, Length, RawWebSocket, TestServer, close_payload, frame_bytes,
};

use crate::clients::{alive, start};

fn check(server: &TestServer, name: &str, bytes: &[u8], expect: Option<u16>) {
    let mut socket = RawWebSocket::open(server, "/ws");
    socket.connection.send(bytes);
    assert_eq!(socket.close_code(), expect, "{name}");
}

fn fragments(first: &[u8], rest: &[u8], count: usize) -> Vec<u8> {
    let mut bytes = frame_bytes(0x01, first);
    for _ in 0..count {
        bytes.extend(frame_bytes(0x00, rest));
    }
    bytes
}

#[test]
fn t213_t215_t216_t225_invalid_header_is_rejected_before_its_payload() {
    let server = start(&Config::plaintext());
    let claiming = |first, length| ClientFrame::new(first, b"").claiming(length).bytes();
    let before = server.resident_kib();
    let cases: [(&str, Vec<u8>, u16); 12] = [
        ("T-213 rsv1", frame_bytes(0xc1, b"x"), 1002),
        ("rsv2", frame_bytes(0xa1, b"x"), 1002),
        ("rsv3", frame_bytes(0x91, b"x"), 1002),
        ("reserved data opcode", frame_bytes(0x83, b"x"), 1002),
        ("reserved control opcode", frame_bytes(0x8b, b"x"), 1002),
        ("T-225 no mask", ClientFrame::new(0x81, b"hello").unmasked().bytes(), 1002),
        ("T-216 16 MiB declared", claiming(0x81, Length::Claim64(16 * 1024 * 1024)), 1009),
        ("T-090 64 MiB declared", claiming(0x82, Length::Claim64(64 * 1024 * 1024)), 1009),
        ("T-215 most significant bit", claiming(0x81, Length::Claim64(u64::MAX)), 1002),
        ("T-215 2^63 - 1", claiming(0x81, Length::Claim64(u64::MAX >> 1)), 1009),
        ("length not minimal", claiming(0x81, Length::Claim64(5)), 1002),
        ("continuation of nothing", frame_bytes(0x80, b"x"), 1002),
    ];
    for (name, bytes, expect) in &cases {
        check(&server, name, bytes, Some(*expect));
    }
    assert!(server.resident_kib() < before + 16 * 1024, "memory does not follow what is declared");
    alive(&server);
}

#[test]
fn t217_t218_fragments_are_counted_even_empty_ones() {
    let server = start(&Config::plaintext());
    check(&server, "T-217 one byte each", &fragments(b"a", b"b", 100), Some(1008));
    check(&server, "T-218 empty ones", &fragments(b"", b"", 100), Some(1008));
    check(&server, "cumulative size", &fragments(&[b'a'; 6_000], &[b'b'; 6_500], 1), Some(1009));
    alive(&server);
}

#[test]
fn t218_endless_message_has_a_deadline() {
    let mut config = Config::plaintext();
    config.transport = vec!["assembly_timeout_ms = 200".into()];
    let server = start(&config);
    let mut socket = RawWebSocket::open(&server, "/ws");
    socket.connection.send(&frame_bytes(0x01, b"start"));
    assert_eq!(socket.close_code(), Some(4408));
    alive(&server);
}

#[test]
fn t224_control_frames_are_small_whole_and_few() {
    let server = start(&Config::plaintext());
    check(&server, "ping of 126 bytes", &frame_bytes(0x89, &[b'p'; 126]), Some(1002));
    check(&server, "fragmented ping", &frame_bytes(0x09, b"p"), Some(1002));
    check(&server, "ping flood", &frame_bytes(0x89, b"p").repeat(200), Some(1008));
    check(&server, "pong flood", &frame_bytes(0x8a, b"p").repeat(200), Some(1008));
    alive(&server);
}

#[test]
fn t226_text_is_utf8() {
    let server = start(&Config::plaintext());
    let cases: [&[u8]; 9] = [
        b"\xff",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\x80",
        b"abc\xc3",
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
    ];
    for bytes in cases {
        check(&server, "whole", &frame_bytes(0x81, bytes), Some(1007));
    }
    let mut split = frame_bytes(0x01, b"\xe2\x82");
    split.extend(frame_bytes(0x80, b"\xff"));
    check(&server, "split across fragments", &split, Some(1007));
    let mut close = close_payload(1000, "");
    close.extend_from_slice(b"\xff");
    check(&server, "in a close reason", &frame_bytes(0x88, &close), Some(1007));
    alive(&server);
}

#[test]
fn t227_close_frames() {
    let server = start(&Config::plaintext());
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 65_535] {
        let bytes = frame_bytes(0x88, &close_payload(code, ""));
        check(&server, &format!("code {code}"), &bytes, Some(1002));
    }
    check(&server, "one byte", &frame_bytes(0x88, b"x"), Some(1002));
    for code in [1000, 1001, 3000, 4999] {
        let mut bytes = frame_bytes(0x88, &close_payload(code, "bye"));
        bytes.extend(frame_bytes(0x81, b"ignored after close"));
        check(&server, &format!("good code {code}"), &bytes, Some(1000));
    }
    alive(&server);
}

#[test]
fn t228_client_that_never_closes_is_disconnected() {
    let server = start(&Config::plaintext());
    let mut socket = RawWebSocket::open(&server, "/ws");
    socket.connection.send(&frame_bytes(0x81, b"\xff"));
    assert_eq!(socket.close_code(), Some(1007));
    // We keep our side open; the end of the stream comes by the server's own deadline.
    while socket.connection.read() {}
    alive(&server);
}

#[test]
fn t230_cut_of_the_bytes_does_not_change_the_result() {
    let server = start(&Config::plaintext());
    let token = portcullis_test::hs256("cutter");
    let connect = format!(r#"{{"event":"connect","data":{{"token":"{token}"}},"id":1}}"#);
    let mut bytes = frame_bytes(0x81, connect.as_bytes());
    for id in 2..6 {
        let list = format!(r#"{{"event":"room:list","data":{{}},"id":{id}}}"#);
        bytes.extend(frame_bytes(0x81, list.as_bytes()));
    }
    for size in [1, 7, bytes.len()] {
        let mut socket = RawWebSocket::open(&server, "/ws");
        for piece in bytes.chunks(size) {
            socket.connection.send(piece);
        }
        for id in 1..6 {
            let answer = socket.next_frame().expect("an answer").text();
            assert!(answer.contains(r#""ok":true"#), "{answer}");
            assert!(answer.contains(&format!(r#""id":{id}"#)), "in order: {answer}");
        }
    }
    alive(&server);
}
