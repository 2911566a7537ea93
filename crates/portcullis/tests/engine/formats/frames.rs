//! T-213 to T-232, what other tests of frames leave open: exact bounds, floods, every bad text.
//! Never: a frame that a rule elsewhere would have refused anyway.

use std::time::Duration;

use portcullis_test::{
    ClientFrame, Config, Connection, Gauges, Length, PlainClient, RawWebSocket, Request, SioClient,
    TestServer, close_payload, frame_bytes, hs256, processor_ms, timed, until,
};
use serde_json::json;

use crate::clients::{
    NOTHING, PATH, alive, open_socket, socket_packet, socket_sign_in, socket_works, start,
    transport, wide,
};

fn closes(server: &TestServer, name: &str, bytes: &[u8], code: Option<u16>) {
    for path in ["/ws", PATH] {
        let mut socket = RawWebSocket::open(server, path);
        socket.connection.send(bytes);
        assert_eq!(socket.close_code(), code, "{path}: {name}");
    }
}

/// A text in frames of `size` bytes.
pub(crate) fn fragments(text: &[u8], size: usize) -> Vec<u8> {
    let pieces: Vec<&[u8]> = text.chunks(size).collect();
    let last = pieces.len() - 1;
    let frame = |(index, piece): (usize, &&[u8])| {
        let opcode = u8::from(index == 0);
        let fin = if index == last { 0x80 } else { 0 };
        frame_bytes(fin | opcode, piece)
    };
    pieces.iter().enumerate().flat_map(frame).collect()
}

#[test]
fn t_213_compressed_zeros_are_rejected_at_the_header() {
    let server = start(&Config::plaintext());
    // 12 KiB that would inflate to 12 MiB.
    let bomb = [b"\xec\xc1\x01\x01\x00\x00\x00\x80\x90\xfe\xaf".as_slice(), &[0; 12_000]].concat();
    let round = || {
        for first in [0xc1, 0xc2, 0x41, 0xf1] {
            closes(&server, "a bomb", &frame_bytes(first, &bomb), Some(1002));
        }
    };
    round();
    let before = server.resident_kib();
    (0..25).for_each(|_| round());
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB more");
    // In an opening handshake that offered compression, too.
    let request = Request::upgrade(&server, "/ws")
        .header("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits");
    let mut socket = RawWebSocket::upgrade(Connection::open(&server), &request);
    socket.connection.send(&frame_bytes(0xc1, b"\x00"));
    assert_eq!(socket.close_code(), Some(1002));
    alive(&server);
}

#[test]
fn t_214_worst_handshake_headers_take_at_most_five_milliseconds() {
    let server = start(&Config::plaintext());
    let worst = [
        ("Sec-WebSocket-Extensions", format!("a{}b", " ".repeat(15_000))),
        ("Sec-WebSocket-Extensions", "x;".repeat(7_000)),
        ("Sec-WebSocket-Extensions", format!("x; y=\"{}", "\\".repeat(14_000))),
        ("Sec-WebSocket-Protocol", "p,".repeat(7_000)),
        ("Sec-WebSocket-Protocol", format!("a{}b", "\t ".repeat(7_000))),
        ("Connection", ",".repeat(15_000)),
        ("Upgrade", format!("{}websocket", "x, ".repeat(5_000))),
    ];
    let used = processor_ms(&server);
    for _ in 0..20 {
        for (name, value) in &worst {
            let request = Request::upgrade(&server, "/ws").with(name, value);
            let status = request.ask(&server).status;
            assert!([101, 400, 426, 431].contains(&status), "{name}: {status}");
        }
    }
    // 140 of them, five milliseconds each, connection and all.
    let used = processor_ms(&server) - used;
    assert!(used < 140 * 5, "{used} ms");
    alive(&server);
}

#[test]
fn t_216_declared_length_reserves_no_memory() {
    let server = start(&Config::plaintext());
    let held = |declared: u64| -> Vec<RawWebSocket> {
        (0..300)
            .map(|_| {
                let mut socket = RawWebSocket::open(&server, "/ws");
                let length = if declared > 65_535 {
                    Length::Claim64(declared)
                } else {
                    Length::Claim16(u16::try_from(declared).unwrap())
                };
                let frame = ClientFrame::new(0x81, b"{").claiming(length);
                socket.connection.send(&frame.bytes());
                socket
            })
            .collect()
    };
    drop(held(12_288));
    NOTHING.wait_for(&server);
    let before = server.resident_kib();
    let stalled = held(12_288);
    Gauges { open: 300, pre_auth: 300, authenticated: 0 }.wait_for(&server);
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 300 * 6, "{grown} KiB for 300 frames of which a byte came");
    drop(stalled);
    for mut socket in held(16 * 1024 * 1024) {
        assert_eq!(socket.close_code(), Some(1009));
    }
    alive(&server);
}

#[test]
fn t_217_t_218_message_of_64_frames_is_accepted() {
    let server = start(&Config::plaintext());
    let connect = |socket: &mut RawWebSocket, bytes: &[u8]| socket.connection.send(bytes);
    let token = hs256("ann");
    let text = json!({ "event": "connect", "data": { "token": token }, "id": 1 }).to_string();
    let size = text.len().div_ceil(64);
    let mut allowed = fragments(text.as_bytes(), size);
    let pieces = text.len().div_ceil(size);
    // Filled up to 64 with empty ones behind the first.
    let first = frame_bytes(0x01, &text.as_bytes()[..size]);
    let empty = frame_bytes(0x00, b"").repeat(64 - pieces);
    allowed.splice(first.len()..first.len(), empty.iter().copied());
    let mut socket = RawWebSocket::open(&server, "/ws");
    connect(&mut socket, &allowed);
    assert!(socket.next_frame().unwrap().text().contains("\"ok\":true"), "64 frames");
    allowed.splice(first.len()..first.len(), frame_bytes(0x00, b""));
    let mut socket = RawWebSocket::open(&server, "/ws");
    connect(&mut socket, &allowed);
    assert_eq!(socket.close_code(), Some(1008), "65 frames");
    // Ten thousand: it ends at the bound, not at their end.
    for piece in [b"b".as_slice(), b""] {
        let mut bytes = frame_bytes(0x01, piece);
        bytes.extend(frame_bytes(0x00, piece).repeat(10_000));
        let (mut socket, _) = open_socket(&server);
        socket_sign_in(&mut socket, &hs256("ann"));
        socket.connection.send(&bytes);
        assert_eq!(socket.close_code(), Some(1008), "10,000 frames of {}", piece.len());
    }
    alive(&server);
}

#[test]
fn t_218_slow_fragments_do_not_extend_the_deadline() {
    let server = start(&transport(&["assembly_timeout_ms = 600"]));
    for (path, fragment) in [("/ws", b"x".as_slice()), (PATH, b"".as_slice())] {
        let mut socket = RawWebSocket::open(&server, path);
        if path == PATH {
            assert!(socket.next_frame().is_some());
        }
        socket.connection.send(&frame_bytes(0x01, b"4"));
        let pause = Duration::from_millis(50);
        let (code, took) = timed(|| {
            until("the end", || {
                socket.connection.send(&frame_bytes(0x00, fragment));
                read_for(&mut socket, pause)
            })
        });
        assert_eq!(code, Some(4408), "{path}");
        assert!(took < Duration::from_secs(4), "{path}: {took:?}");
    }
    // Control frames between the fragments do not either.
    let mut socket = RawWebSocket::open(&server, "/ws");
    socket.connection.send(&frame_bytes(0x01, b"{"));
    let code = until("the end", || {
        socket.connection.send(&frame_bytes(0x8a, b""));
        read_for(&mut socket, Duration::from_millis(150))
    });
    assert_eq!(code, Some(4408));
    NOTHING.wait_for(&server);
    alive(&server);
}

/// Reads for a moment; the close code, once there is one, or none at the end of the stream.
fn read_for(socket: &mut RawWebSocket, pause: Duration) -> Option<Option<u16>> {
    use std::io::{ErrorKind, Read};
    let mut stream = socket.connection.socket();
    stream.set_read_timeout(Some(pause)).unwrap();
    let mut chunk = [0; 4096];
    match stream.read(&mut chunk) {
        Ok(0) => return Some(None),
        Ok(count) => {
            let bytes = &chunk[..count];
            let close = bytes.windows(2).position(|two| two == [0x88, 2])?;
            let code = bytes.get(close + 2..close + 4)?;
            return Some(Some(u16::from_be_bytes([code[0], code[1]])));
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(_reset) => return Some(None),
    }
    None
}

#[test]
fn t_219_t_224_flood_of_tiny_frames_ends_only_its_own_connection() {
    let server = start(&Config::plaintext());
    let mut other = SioClient::connect(&server, &hs256("other"));
    let floods: [(&str, bool, Vec<u8>, u16); 8] = [
        ("pongs before CONNECT", false, frame_bytes(0x81, b"3"), 1008),
        ("bytes before CONNECT", false, frame_bytes(0x81, b"x"), 1002),
        ("websocket pings", false, frame_bytes(0x89, b""), 1008),
        ("pongs after CONNECT", true, frame_bytes(0x81, b"3"), 1008),
        ("websocket pings after CONNECT", true, frame_bytes(0x89, b"p"), 1008),
        ("websocket pongs after CONNECT", true, frame_bytes(0x8a, b"p"), 1008),
        ("undeclared events", true, frame_bytes(0x81, b"42[\"a\"]"), 4429),
        ("answers without a request", true, frame_bytes(0x81, b"431[]"), 1008),
    ];
    for (what, signed_in, frame, code) in floods {
        let (mut socket, _) = open_socket(&server);
        if signed_in {
            socket_sign_in(&mut socket, &hs256("flooder"));
        }
        let used = processor_ms(&server);
        socket.connection.send(&frame.repeat(10_000));
        let (answer, took) = timed(|| other.ask("room:list", &json!({})));
        assert_eq!(answer["ok"], true, "{answer}");
        assert!(took < Duration::from_secs(5), "{what}: another waits {took:?}");
        // Unauthenticated clients may exceed their byte budget first.
        let ended = socket.close_code();
        assert!(ended == Some(code) || !signed_in && ended == Some(1009), "{what}: {ended:?}");
        let used = processor_ms(&server) - used;
        assert!(used < 500, "{what}: {used} ms of processor time");
    }
    Gauges { open: 1, pre_auth: 0, authenticated: 1 }.wait_for(&server);
}

#[test]
fn t_224_control_frame_between_fragments_is_accepted_and_never_fragmented() {
    let server = start(&Config::plaintext());
    let text = "421[\"room:list\",{}]";
    let (head, tail) = text.as_bytes().split_at(7);
    let (mut socket, _) = open_socket(&server);
    socket_sign_in(&mut socket, &hs256("ann"));
    let mut bytes = frame_bytes(0x01, head);
    bytes.extend(frame_bytes(0x89, b"between"));
    bytes.extend(frame_bytes(0x8a, b""));
    bytes.extend(frame_bytes(0x80, tail));
    socket.connection.send(&bytes);
    let pong = socket.next_frame().unwrap();
    assert_eq!((pong.opcode, pong.payload.as_slice()), (10, b"between".as_slice()));
    assert!(socket_packet(&mut socket, "431[").contains("\"ok\":true"));
    // A ping of 125 bytes is the longest.
    socket.send_frame(&ClientFrame::new(0x89, &[b'p'; 125]));
    assert_eq!(socket.next_frame().unwrap().payload.len(), 125);
    for (name, bytes) in [
        ("126 bytes", frame_bytes(0x89, &[b'p'; 126])),
        ("a pong of 126 bytes", frame_bytes(0x8a, &[b'p'; 126])),
        ("64 KiB declared", ClientFrame::new(0x89, b"").claiming(Length::Claim64(65_536)).bytes()),
        ("a ping in pieces", frame_bytes(0x09, b"p")),
        ("a pong in pieces", frame_bytes(0x0a, b"p")),
        ("a ping's continuation", [frame_bytes(0x09, b"p"), frame_bytes(0x80, b"q")].concat()),
        ("a new message within one", frame_bytes(0x01, b"a").repeat(2)),
        ("a compressed ping", frame_bytes(0xc9, b"p")),
    ] {
        closes(&server, name, &bytes, Some(1002));
    }
    alive(&server);
}

#[test]
fn t_230_frame_is_decoded_at_every_cut() {
    let server = start(&wide(Config::plaintext()));
    let (mut socket, _) = open_socket(&server);
    socket_sign_in(&mut socket, &hs256("ann"));
    let text = format!("421[\"room:join\",{{\"roomId\":\"{}\"}}]", "r".repeat(150));
    let bytes = frame_bytes(0x81, text.as_bytes());
    assert!(bytes.len() > 150, "a length of two bytes");
    let mut first = None;
    for cut in [1, 2, 3, 4, 5, 7, 8, 9, 50, bytes.len() - 1] {
        let (mut socket, _) = open_socket(&server);
        socket_sign_in(&mut socket, &hs256("ann"));
        let (head, tail) = bytes.split_at(cut);
        socket.connection.send(head);
        // Another connection is served in between, so that the head was read alone.
        alive(&server);
        socket.connection.send(tail);
        let answer = socket_packet(&mut socket, "431[");
        let code = answer.split("\"code\":").nth(1).unwrap().split(',').next().unwrap();
        let code = code.to_owned();
        assert_eq!(first.get_or_insert(code.clone()), &code, "cut at {cut}");
    }
    socket_works(&mut socket);
}

#[test]
fn t_225_zero_mask_is_accepted_and_a_missing_mask_is_rejected() {
    let server = start(&Config::plaintext());
    let (mut socket, _) = open_socket(&server);
    let zeros =
        |text: &str| ClientFrame { mask: Some([0; 4]), ..ClientFrame::new(0x81, text.as_bytes()) };
    socket.send_frame(&zeros(&format!("40{}", json!({ "token": hs256("ann") }))));
    socket_packet(&mut socket, "40{");
    socket.send_frame(&zeros("421[\"room:list\",{}]"));
    assert!(socket_packet(&mut socket, "431[").contains("\"ok\":true"));
    for first in [0x81, 0x82, 0x88, 0x89, 0x8a, 0x01] {
        let unmasked = ClientFrame::new(first, b"").unmasked().bytes();
        closes(&server, "no mask", &unmasked, Some(1002));
    }
    let claimed = ClientFrame::new(0x81, &[b'x'; 200]).claiming(Length::Claim16(200)).unmasked();
    closes(&server, "no mask, long", &claimed.bytes(), Some(1002));
    alive(&server);
}

#[test]
fn t_227_close_frame_has_at_most_125_bytes_and_is_the_last() {
    let server = start(&Config::plaintext());
    let longest = close_payload(1000, &"r".repeat(123));
    closes(&server, "a reason of 123 bytes", &frame_bytes(0x88, &longest), Some(1000));
    for length in [124, 1_000] {
        let long = close_payload(1000, &"r".repeat(length));
        closes(&server, "a longer reason", &frame_bytes(0x88, &long), Some(1002));
    }
    closes(&server, "no code", &frame_bytes(0x88, b""), Some(1000));
    closes(&server, "a close in pieces", &frame_bytes(0x08, b"\x03\xe8"), Some(1002));
    // Behind its close nothing is heard: the room is not made.
    let (mut socket, _) = open_socket(&server);
    socket_sign_in(&mut socket, &hs256("ann"));
    let mut bytes = frame_bytes(0x88, &close_payload(1000, ""));
    let event = "42[\"room:create\",{\"name\":\"late\",\"visibility\":\"public\"}]";
    bytes.extend(frame_bytes(0x81, event.as_bytes()));
    socket.connection.send(&bytes);
    assert_eq!(socket.close_code(), Some(1000));
    let mut other = SioClient::connect(&server, &hs256("ann"));
    let rooms = other.ask("room:list", &json!({}));
    assert!(!rooms.to_string().contains("late"), "{rooms}");
}

#[test]
fn t_230_megabyte_in_one_write_is_processed_in_order() {
    let server = start(&wide(Config::plaintext()));
    let mut client = PlainClient::connect(&server, &hs256("ann"));
    let padding = "x".repeat(900);
    let mut bytes = Vec::new();
    let mut count = 0_u64;
    while bytes.len() < 1024 * 1024 {
        let text = json!({ "event": "room:list", "data": {}, "id": 1_000 + count, "mid": padding });
        let text = text.to_string().replace(&padding, &format!("m{count}"));
        bytes.extend(frame_bytes(0x81, text.as_bytes()));
        count += 1;
    }
    let mut writer = client.socket.connection.socket().try_clone().unwrap();
    let sent = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &bytes).is_ok());
    for number in 0..count {
        let answer = client.wait_message(|message| !message["id"].is_null());
        assert_eq!(answer["id"], 1_000 + number, "{answer}");
    }
    assert!(sent.join().unwrap());
    alive(&server);
}

#[test]
fn t_231_offered_subprotocol_is_never_repeated() {
    let server = start(&Config::plaintext());
    let token = hs256("ann");
    for path in ["/ws", PATH] {
        let offers = [
            format!("portcullis.v1, ticket.{token}"),
            token.clone(),
            String::from("mqtt, graphql"),
            String::from("Portcullis.V1, portcullis"),
        ];
        for offer in &offers {
            let request = Request::upgrade(&server, path).header("Sec-WebSocket-Protocol", offer);
            let answer = request.ask(&server);
            assert_eq!(answer.status, 101, "{path} {offer:.30}");
            let response = answer.header("sec-websocket-protocol");
            assert!(
                response.is_none_or(|response| !response.contains(&token)),
                "{path}: {response:?}"
            );
            assert_eq!(response, offer.starts_with("portcullis.v1").then_some("portcullis.v1"));
            let body = format!("{:?}", answer.headers);
            assert!(!body.contains(&token), "{path}");
        }
    }
    // A token offered there does not sign in a user, and is not logged.
    let request = Request::upgrade(&server, "/ws").header("Sec-WebSocket-Protocol", &token);
    let mut socket = RawWebSocket::upgrade(Connection::open(&server), &request);
    socket.send_text("{\"event\":\"room:list\",\"data\":{},\"id\":1}");
    assert_eq!(socket.close_code(), Some(1002));
    let _record = server.records.wait_for(|record| record.to_string().contains("sequence"));
    let written = server.records.text() + &server.records.errors();
    assert!(!written.contains(&token));
}

#[test]
fn t_232_binary_where_text_is_spoken_ends_with_1003() {
    let server = start(&Config::plaintext());
    for (path, text) in [("/ws", "{\"event\":\"x\"}"), (PATH, "40{}"), (PATH, "3"), (PATH, "")] {
        let mut socket = RawWebSocket::open(&server, path);
        socket.connection.send(&frame_bytes(0x82, text.as_bytes()));
        assert_eq!(socket.close_code(), Some(1003), "{path} {text}");
    }
    let (mut socket, _) = open_socket(&server);
    socket_sign_in(&mut socket, &hs256("ann"));
    socket_works(&mut socket);
    socket.connection.send(&frame_bytes(0x82, b"\x00"));
    assert_eq!(socket.close_code(), Some(1003));
    // At the header of the frame, or of the packet that announces it: before a byte is kept.
    let (mut socket, _) = open_socket(&server);
    socket_sign_in(&mut socket, &hs256("ann"));
    socket.send_text("451-[\"chat:send\",{\"_placeholder\":true,\"num\":0}]");
    assert_eq!(socket.close_code(), Some(1003));
    let _record = server.records.wait_for_rule("binary");
    alive(&server);
}
