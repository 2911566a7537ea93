//! T-212 to T-214 where permessage-deflate (RFC 7692) is switched on: offers, bombs, broken data.
//! Never: a compressor; every stream is written bit by bit, so that it can be any.

use std::time::Duration;

use portcullis_test::{
    Connection, PollingClient, RawWebSocket, Request, TestServer, frame_bytes, hs256, processor_ms,
    timed,
};
use serde_json::json;

use crate::clients::{
    NOTHING, PATH, alive, socket_packet, socket_sign_in, socket_works, start, transport, wide,
};

const OFFER: &str = "permessage-deflate; client_max_window_bits";
const AGREED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

fn compressing() -> TestServer {
    start(&wide(transport(&["compression = true"])))
}

fn open(server: &TestServer, path: &str) -> RawWebSocket {
    let request = Request::upgrade(server, path).header("Sec-WebSocket-Extensions", OFFER);
    let mut socket = RawWebSocket::upgrade(Connection::open(server), &request);
    if path == PATH {
        assert!(socket.next_frame().expect("an open packet").text().starts_with('0'));
    }
    socket
}

/// A stream of bits, least significant first (RFC 1951, section 3.1.1).
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn push(&mut self, value: u32, count: u32) {
        for place in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let bit = u8::from(value >> place & 1 == 1);
            *self.bytes.last_mut().unwrap() |= bit << (self.used % 8);
            self.used += 1;
        }
    }

    /// Huffman codes stand the other way round.
    fn code(&mut self, value: u32, count: u32) {
        (0..count).rev().for_each(|place| self.push(value >> place & 1, 1));
    }

    /// The end of a message: an empty stored block, whose last four bytes are left out.
    fn finish(mut self) -> Vec<u8> {
        self.push(0, 3);
        self.bytes
    }
}

/// Text as it is, in one stored block.
fn stored(text: &[u8]) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap();
    [[0].as_slice(), &length.to_le_bytes(), &(!length).to_le_bytes(), text, &[0]].concat()
}

/// So many times 258 letters, at 13 bits each, by the fixed code.
fn repeated(letter: u8, times: usize) -> Vec<u8> {
    assert!(letter < 144);
    let mut bits = Bits::default();
    bits.push(0b010, 3);
    bits.code(0x30 + u32::from(letter), 8);
    for _ in 0..times {
        bits.code(0b1100_0101, 8);
        bits.code(0, 5);
    }
    bits.code(0, 7);
    bits.finish()
}

fn compressed(payload: &[u8]) -> Vec<u8> {
    frame_bytes(0xc1, payload)
}

fn code(server: &TestServer, path: &str, bytes: &[u8]) -> Option<u16> {
    let mut socket = open(server, path);
    socket.connection.send(bytes);
    socket.close_code()
}

#[test]
fn t_212_t_214_offer_is_accepted_or_declined_and_never_echoed() {
    let server = compressing();
    let many = vec!["x-unknown"; 900].join(", ");
    let cases: [(&str, bool); 16] = [
        ("permessage-deflate", true),
        (OFFER, true),
        ("permessage-deflate; server_no_context_takeover; client_max_window_bits=10", true),
        ("x-webkit-deflate-frame, permessage-deflate", true),
        ("permessage-deflate; client_max_window_bits=99", false),
        ("permessage-deflate; client_max_window_bits=99, permessage-deflate", true),
        ("permessage-deflate; server_max_window_bits", false),
        ("permessage-deflate; server_max_window_bits=0", false),
        ("permessage-deflate; server_max_window_bits=9999999999999999999", false),
        ("permessage-deflate; client_max_window_bits; client_max_window_bits", false),
        ("permessage-deflate; unknown=1", false),
        ("permessage-deflate; server_no_context_takeover=\"x\\\"y\"", false),
        ("permessage-bzip2", false),
        ("constructor", false),
        (";,;,=,", false),
        (&many, false),
    ];
    for (offer, kept) in cases {
        let request = Request::upgrade(&server, "/ws").header("Sec-WebSocket-Extensions", offer);
        let (answer, took) = timed(|| request.ask(&server));
        assert_eq!(answer.status, 101, "{offer:.80}");
        let response = answer.header("sec-websocket-extensions");
        assert_eq!(response, kept.then_some(AGREED), "{offer:.80}");
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
    let spaces = format!("permessage-deflate{}; x", " ".repeat(15_000));
    let request = Request::upgrade(&server, "/ws").header("Sec-WebSocket-Extensions", &spaces);
    let used = processor_ms(&server);
    for _ in 0..50 {
        assert!([101, 431].contains(&request.ask(&server).status));
    }
    assert!(processor_ms(&server) - used < 1_000);
    alive(&server);
}

#[test]
fn t_212_compressed_messages_are_read_in_every_shape() {
    let server = compressing();
    let connect = format!("40{}", json!({ "token": hs256("ann") }));
    let mut socket = open(&server, PATH);
    socket.connection.send(&compressed(&stored(connect.as_bytes())));
    socket_packet(&mut socket, "40{");
    socket_works(&mut socket);
    // The examples of RFC 7692, section 7.2.3.1 and after: "Hello" in one frame, in two, and with a
    // final block. The text is read, and then rejected because it is not a packet.
    for hello in [
        compressed(b"\xf2\x48\xcd\xc9\xc9\x07\x00"),
        [frame_bytes(0x41, b"\xf2\x48\xcd"), frame_bytes(0x80, b"\xc9\xc9\x07\x00")].concat(),
        compressed(b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"),
        compressed(b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),
        compressed(b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
    ] {
        assert_eq!(code(&server, "/ws", &hello), Some(1002), "{}", hello.escape_ascii());
    }
    // A session that moves from polling speaks it from its probe on.
    let client = PollingClient::connect(&server, &hs256("bob"));
    let request = client.upgrade_request().header("Sec-WebSocket-Extensions", OFFER);
    let mut socket = RawWebSocket::upgrade(client.connection(), &request);
    socket.connection.send(&compressed(&stored(b"2probe")));
    assert_eq!(socket.next_frame().expect("an answer").text(), "3probe");
    socket.connection.send(&compressed(&stored(b"5")));
    socket.connection.send(&compressed(&stored(b"421[\"room:list\",{}]")));
    assert!(socket_packet(&mut socket, "431[").contains("\"ok\":true"));
    alive(&server);
}

#[test]
fn t_213_decompression_bomb_ends_at_the_message_limit() {
    let server = compressing();
    let bomb = repeated(b'4', 7_000);
    assert!(bomb.len() < 12 * 1024 && 7_000 * 258 > 1_700_000, "{} bytes", bomb.len());
    let small = repeated(b'4', 60);
    let mut pieces = frame_bytes(0x41, &bomb[..200]);
    for piece in bomb[200..].chunks(200).take(62) {
        pieces.extend(frame_bytes(0x00, piece));
    }
    pieces.extend(frame_bytes(0x80, b"\x00"));
    let ended = |bytes: &[u8]| {
        for path in ["/ws", PATH] {
            let code = code(&server, path, bytes);
            // Too large, or too many times what was sent.
            assert!([Some(1009), Some(1008), Some(1002)].contains(&code), "{path}: {code:?}");
        }
    };
    let round = || {
        ended(&compressed(&bomb));
        ended(&compressed(&small));
        ended(&pieces);
        ended(&frame_bytes(0xc2, &bomb));
    };
    round();
    let (before, used) = (server.resident_kib(), processor_ms(&server));
    (0..25).for_each(|_| round());
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 4 * 1024, "{grown} KiB more");
    let used = processor_ms(&server) - used;
    assert!(used < 200 * 15, "{used} ms for 200 bombs");
    assert_eq!(code(&server, PATH, &compressed(&small)), Some(1009), "15 KiB out of 100 bytes");
    NOTHING.wait_for(&server);
    alive(&server);
}

#[test]
fn t_213_bomb_in_an_upgrade_ends_only_that_websocket() {
    let server = compressing();
    let mut client = PollingClient::connect(&server, &hs256("ann"));
    for payload in [repeated(b'2', 7_000), repeated(b'2', 1), stored(&[b'2'; 5_000])] {
        let request = client.upgrade_request().header("Sec-WebSocket-Extensions", OFFER);
        let mut socket = RawWebSocket::upgrade(client.connection(), &request);
        socket.connection.send(&compressed(&payload));
        while let Some(frame) = socket.next_frame() {
            assert_eq!(frame.opcode, 8);
        }
        assert_eq!(client.ask("room:list", &json!({}))["ok"], true);
    }
    alive(&server);
}

#[test]
fn t_213_cost_of_many_streams_is_bounded_by_their_bytes() {
    let server = compressing();
    let mut socket = open(&server, PATH);
    socket_sign_in(&mut socket, &hs256("ann"));
    // Empty final blocks, two bytes each: every one ends a stream and begins the next. What they
    // come to is an empty packet, so each connection sends one.
    let streams = b"\x03\x00".repeat(6_000);
    let empty_blocks = b"\x00\x00\x00\xff\xff".repeat(2_400);
    let cost = |payload: &[u8]| {
        let used = processor_ms(&server);
        for _ in 0..100 {
            assert!(code(&server, "/ws", &compressed(payload)).is_some());
        }
        processor_ms(&server) - used
    };
    let plain = cost(&stored(&[b'x'; 12_000]));
    for (what, payload) in [("final blocks", streams), ("stored blocks", empty_blocks)] {
        let used = cost(&payload);
        assert!(used < plain * 4 + 200, "{what}: {used} ms, plain text {plain} ms");
    }
    socket_works(&mut socket);
    alive(&server);
}

#[test]
fn t_213_broken_streams_and_misplaced_bits_end_the_connection() {
    let server = compressing();
    let broken: [(&str, &[u8]); 8] = [
        ("a block of no type", b"\x06"),
        ("a stored length that is none", b"\x00\x05\x00\x00\x00Hello\x00"),
        ("a distance before the start", b"\x02\x81\x00\x00"),
        ("a table that is none", b"\x04\xff\xff\xff\xff\xff\xff\xff"),
        ("a stored block cut short", b"\x00\xff\x7f\x00\x80abc"),
        ("an unknown type, after text", b"\xf2\x48\xcd\xc9\xc9\x07\xff\xff\xff"),
        ("noise", b"\xa5\x5a\x13\x37\xde\xad\xbe\xef"),
        ("a zlib header", b"\x78\x9c\xf3\x48\xcd\xc9\xc9\x07\x00"),
    ];
    for (what, payload) in broken {
        for path in ["/ws", PATH] {
            let code = code(&server, path, &compressed(payload));
            assert!([Some(1002), Some(1007)].contains(&code), "{path} {what}: {code:?}");
        }
    }
    let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    let misplaced = [
        ("on a continuation", [frame_bytes(0x01, b"a"), frame_bytes(0xc0, hello)].concat()),
        ("on a compressed one", [frame_bytes(0x41, b"\xf2"), frame_bytes(0xc0, hello)].concat()),
        ("on a ping", frame_bytes(0xc9, hello)),
        ("on a close", frame_bytes(0xc8, b"\x03\xe8")),
        ("with RSV2", frame_bytes(0xe1, hello)),
        ("with RSV3", frame_bytes(0xd1, hello)),
    ];
    for (what, bytes) in &misplaced {
        assert_eq!(code(&server, "/ws", bytes), Some(1002), "{what}");
    }
    // What comes out is text like any other.
    for bad in [b"\xff".as_slice(), b"\xed\xa0\x80", b"abc\xc3"] {
        assert_eq!(code(&server, "/ws", &compressed(&stored(bad))), Some(1007));
    }
    assert_eq!(code(&server, PATH, &frame_bytes(0xc2, &stored(b"x"))), Some(1003));
    // A client without the extension may not compress.
    let mut plain = RawWebSocket::open(&server, "/ws");
    plain.connection.send(&compressed(hello));
    assert_eq!(plain.close_code(), Some(1002));
    alive(&server);
}
