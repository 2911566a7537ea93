//! T-087 to T-094: sizes, decided by bytes and before they are read.
//! Never: memory for what a peer only announces.

use std::time::Duration;

use portcullis_test::{Answer, TestServer};
use portcullis_test::{
    Config, Connection, PlainClient, RawWebSocket, Request, SioClient, counter, frame_bytes, hs256,
};
use serde_json::{Value, json};

use crate::clients::{Talk, alive, recorded, start, unlimited};

const PATH: &str = "/socket.io/?EIO=4&transport=websocket";
const FRAME_MAX: usize = 12 * 1024;
const MIB: u64 = 1024 * 1024;

/// The byte budget of an unauthenticated client.
const BUDGET: usize = 16 * 1024;

#[test]
fn t087_more_than_16_kib_before_connect_end_the_connection() {
    let server = start(&Config::default());
    // Most of a message, which no other limit refuses, and pings of a moderate number.
    let ping = frame_bytes(0x89, &[b'p'; 125]);
    let (at_once, later) = (16, 16);
    let mut sent = frame_bytes(0x01, &[b'4'; 1_100]);
    for _ in 0..9 {
        sent.extend(frame_bytes(0x00, &[b'x'; 1_100]));
    }
    (0..at_once).for_each(|_| sent.extend(&ping));
    let rest =
        BUDGET - sent.len() - later * ping.len() - (frame_bytes(0x00, &[0; 126]).len() - 126);
    sent.extend(frame_bytes(0x00, &vec![b'x'; rest]));
    assert!(10 * 1_100 + rest < FRAME_MAX && (126..2_000).contains(&rest), "{rest}");
    for path in [PATH, "/ws"] {
        let mark = server.records.mark();
        let mut socket = RawWebSocket::open(&server, path);
        socket.connection.send(&sent);
        pongs(&mut socket, path, at_once);
        for _ in 0..later {
            // As slowly as pings may come for ever.
            let reply = socket.connection.is_readable(Duration::from_millis(110));
            assert!(!reply, "{path}: {}", socket.connection.buffer.escape_ascii());
            socket.connection.send(&ping);
            pongs(&mut socket, path, 1);
        }
        // Exactly the budget was read, and answered.
        socket.connection.send(&ping[..1]);
        assert_eq!(socket.close_code(), Some(1009), "{path}");
        let is_it = |record: &Value| record["rule"]["name"] == "pre_auth_budget";
        let record = server.records.wait_after(mark, is_it);
        assert_eq!(record["event"]["code"], "ws_protocol_violation", "{record}");
    }
    let labels = "{rule=\"pre_auth_budget\",code=\"too_large\",key=\"\"}";
    assert_eq!(counter(&server, &format!("portcullis_refusals_total{labels}")), 2);
    alive(&server);
}

/// Reads so many answers to pings, past an open packet.
fn pongs(socket: &mut RawWebSocket, path: &str, count: usize) {
    let mut left = count;
    while left > 0 {
        let frame = socket.next_frame().unwrap_or_else(|| panic!("{path}: closed without a word"));
        assert_ne!(frame.opcode, 8, "{path}: {:?}", frame.close_code());
        left -= usize::from(frame.opcode == 10);
    }
}

#[test]
fn t090_text_of_12_kib_is_accepted_and_one_byte_more_is_rejected() {
    let server = start(&unlimited());
    let mut sio = SioClient::connect(&server, &hs256("ann"));
    let filled = |length: usize| {
        let (start, end) = ("42[\"chat:send\",\"", "\"]");
        format!("{start}{}{end}", "x".repeat(length - start.len() - end.len()))
    };
    sio.send(&filled(FRAME_MAX));
    assert_eq!(sio.event("error")["code"], "too_large");
    assert_eq!(sio.ask("room:list", &json!({}))["ok"], true, "the connection goes on");
    sio.send(&filled(FRAME_MAX + 1));
    assert_eq!(sio.close_code(), Some(1009));
    let mut plain = PlainClient::connect(&server, &hs256("ann"));
    plain.socket.send_text(&"x".repeat(FRAME_MAX + 1));
    assert_eq!(plain.socket.close_code(), Some(1009));
    recorded(&server, "size");
    alive(&server);
}

#[test]
fn t090_frame_with_a_too_large_length_is_rejected_at_its_header() {
    let server = start(&unlimited());
    let announced: [u64; 7] =
        [12 * 1024 + 1, 65_535, 65_536, 64 * MIB, 1 << 32, 1 << 40, (1 << 63) - 1];
    let round = |signed_in: bool| {
        for length in announced {
            let mut client = SioClient::open(&server);
            if signed_in {
                client.sign_in(&hs256(&format!("user-{length}")));
            }
            let mut header = vec![0x81];
            match u16::try_from(length) {
                Ok(short) => {
                    header.push(0x80 | 126);
                    header.extend(short.to_be_bytes());
                }
                Err(_) => {
                    header.push(0x80 | 127);
                    header.extend(length.to_be_bytes());
                }
            }
            header.extend([1, 2, 3, 4]);
            client.socket.connection.send(&header);
            assert_eq!(client.close_code(), Some(1009), "{length}");
        }
    };
    round(false);
    round(true);
    let before = server.resident_kib();
    for _ in 0..5 {
        round(true);
    }
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more");
    alive(&server);
}

#[test]
fn t090_fragments_are_added_up() {
    let server = start(&Config::default());
    let mut client = SioClient::connect(&server, &hs256("ann"));
    client.socket.connection.send(&frame_bytes(0x01, &[b'4'; 6 * 1024]));
    client.socket.connection.send(&frame_bytes(0x00, &[b'4'; 6 * 1024]));
    client.socket.connection.send(&frame_bytes(0x80, b"4"));
    assert_eq!(client.close_code(), Some(1009));
    alive(&server);
}

fn post(server: &TestServer, length: &str, body: &[u8]) -> Answer {
    let request = Request::post(server, "/auth/login", "").with("Content-Length", length);
    request.body(body).ask(server)
}

#[test]
fn t091_body_over_16_kib_is_rejected_unread() {
    let server = start(&Config::default());
    let over = 16 * 1024 + 1;
    let announced = ["16385", "65537", "67108864", "9007199254740991"];
    for length in announced {
        let answer = post(&server, length, b"");
        assert_eq!((answer.status, answer.code()), (413, "too_large".into()), "{length}");
    }
    assert_eq!(post(&server, &over.to_string(), &vec![b'x'; over]).status, 413);
    let fits = vec![b' '; 16 * 1024];
    assert_eq!(post(&server, "16384", &fits).status, 400, "read, and no JSON");
    for length in ["18446744073709551616", "-1", "+5", "0x10", "1e3", "5, 5", "", "five"] {
        let answer = post(&server, length, b"hello");
        assert!([400, 413].contains(&answer.status), "{length}: {}", answer.status);
    }
    let chunked = Request::post(&server, "/auth/login", "")
        .without("Content-Length")
        .header("Transfer-Encoding", "chunked")
        .body(b"5\r\nhello\r\n0\r\n\r\n");
    let status = chunked.ask(&server).status;
    assert!((400..=413).contains(&status), "{status}");
    alive(&server);
}

#[test]
fn t091_wrong_content_length_smuggles_no_request() {
    let mut config = Config::default();
    config.transport.push("handshake_timeout_ms = 3000".into());
    let server = start(&config);
    let too_long = post(&server, "500", b"{}");
    assert_eq!((too_long.status, too_long.code()), (408, "handshake_timeout".into()));
    // Bytes after a short length are not part of the body, but another, invalid request.
    let body = b"{}\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
    let request = Request::post(&server, "/auth/login", "").with("Content-Length", "2");
    let mut connection = Connection::open(&server);
    let first = request.body(body).ask_on(&mut connection);
    assert_eq!(first.status, 400, "an empty object is not a login");
    let rest = connection.read_to_end();
    let rest = String::from_utf8_lossy(&rest);
    assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 4"), "{rest}");
    alive(&server);
}

#[test]
fn t094_bytes_decide_not_characters() {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, "bytes");
    let cases = [
        ("a", 5_200, "INVALID_MESSAGE"),
        ("\u{e9}", 5_200, "too_large"),
        ("\u{1f600}", 2_600, "too_large"),
        ("\u{4f60}", 3_450, "too_large"),
        ("ab", 5_200, "too_large"),
    ];
    for (text, times, code) in cases {
        assert_eq!(talk.refused(&text.repeat(times)), code, "{text} {times}");
    }
    talk.say(&"\u{1f600}\u{1f601}".repeat(500));
    recorded(&server, "payload");
    alive(&server);
}
