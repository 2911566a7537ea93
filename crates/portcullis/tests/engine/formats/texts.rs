//! T-226: text of frames that is not UTF-8.
//! Never: a text that is valid and rejected.

use std::time::Duration;

use portcullis_test::{
    ClientFrame, Config, Length, RawWebSocket, close_payload, frame_bytes, timed,
};

use crate::clients::{alive, start};
use crate::formats::frames::fragments;

/// Invalid UTF-8, as in sections 6.3 to 6.23 of the well-known conformance suite.
const BAD: &[&[u8]] = &[
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64",
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80\x65\x64\x69\x74\x65\x64",
    // Prefixes of a character.
    b"\xce",
    b"\xe1",
    b"\xe1\xbd",
    b"\xf0\x9f\x98",
    // Five and six bytes, and more than the last code point.
    b"\xf8\x88\x80\x80\x80",
    b"\xfc\x84\x80\x80\x80\x80",
    b"\xf7\xbf\xbf\xbf",
    b"\xfb\xbf\xbf\xbf\xbf",
    b"\xfd\xbf\xbf\xbf\xbf\xbf",
    b"\xf4\x90\x80\x80",
    // Continuations without a start.
    b"\x80",
    b"\xbf",
    b"\x80\xbf",
    b"\x80\xbf\x80",
    b"\x80\xbf\x80\xbf\x80\xbf",
    // Starts without their continuations.
    b"\xc0 \xc1 \xc2 \xdf ",
    b"\xe0 \xe8 \xef ",
    b"\xf0 \xf4 \xf7 ",
    b"\xf8 \xfb ",
    b"\xfc \xfd ",
    b"\xc0",
    b"\xe0\x80",
    b"\xf0\x80\x80",
    b"\xf8\x80\x80\x80",
    b"\xdf",
    b"\xef\xbf",
    b"\xf7\xbf\xbf",
    b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80\xdf\xef\xbf\xf7\xbf\xbf",
    // Bytes that never stand anywhere.
    b"\xfe",
    b"\xff",
    b"\xfe\xfe\xff\xff",
    // Longer than they need be.
    b"\xc0\xaf",
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xf8\x80\x80\x80\xaf",
    b"\xfc\x80\x80\x80\x80\xaf",
    b"\xc1\xbf",
    b"\xe0\x9f\xbf",
    b"\xf0\x8f\xbf\xbf",
    b"\xf8\x87\xbf\xbf\xbf",
    b"\xc0\x80",
    b"\xe0\x80\x80",
    b"\xf0\x80\x80\x80",
    // Surrogates, alone and in pairs.
    b"\xed\xa0\x80",
    b"\xed\xad\xbf",
    b"\xed\xae\x80",
    b"\xed\xaf\xbf",
    b"\xed\xb0\x80",
    b"\xed\xbe\x80",
    b"\xed\xbf\xbf",
    b"\xed\xa0\x80\xed\xb0\x80",
    b"\xed\xaf\xbf\xed\xbf\xbf",
];

/// Unusual text that is valid UTF-8: ends of ranges, non-characters.
const GOOD: &[&[u8]] = &[
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
    b"\x00",
    b"\xc2\x80",
    b"\xe0\xa0\x80",
    b"\xf0\x90\x80\x80",
    b"\x7f",
    b"\xdf\xbf",
    b"\xef\xbf\xbf",
    b"\xf4\x8f\xbf\xbf",
    b"\xed\x9f\xbf",
    b"\xee\x80\x80",
    b"\xef\xbf\xbd",
    b"\xef\xbf\xbe",
    b"\xef\xb7\x90",
    b"\xf0\x9f\xbf\xbe",
    b"\xf4\x8f\xbf\xbe",
];

#[test]
fn t_226_invalid_utf_8_is_closed_with_1007_at_every_cut() {
    let server = start(&Config::plaintext());
    let code = |bytes: &[u8]| {
        let mut socket = RawWebSocket::open(&server, "/ws");
        socket.connection.send(bytes);
        socket.close_code()
    };
    for bad in BAD {
        let shown = bad.escape_ascii();
        assert_eq!(code(&frame_bytes(0x81, bad)), Some(1007), "{shown}");
        assert_eq!(code(&fragments(bad, 1)), Some(1007), "{shown}, byte by byte");
        let close = [close_payload(1000, "").as_slice(), bad].concat();
        assert_eq!(code(&frame_bytes(0x88, &close)), Some(1007), "{shown}, in a close");
    }
    for good in GOOD {
        let shown = good.escape_ascii();
        // Read as text, and then no message of ours.
        assert_eq!(code(&frame_bytes(0x81, good)), Some(1002), "{shown}");
        assert_eq!(code(&fragments(good, 1)), Some(1002), "{shown}, byte by byte");
        let close = [close_payload(1000, "").as_slice(), good].concat();
        assert_eq!(code(&frame_bytes(0x88, &close)), Some(1000), "{shown}, in a close");
    }
    alive(&server);
}

#[test]
fn t_226_invalid_text_is_rejected_at_its_first_invalid_byte() {
    let server = start(&Config::plaintext());
    // The message is not over, nor is the frame: what came can be no text any more.
    for start_bytes in [
        frame_bytes(0x01, b"\xce\xba\xed\xa0\x80"),
        frame_bytes(0x01, b"\xf4\x90"),
        ClientFrame::new(0x81, b"ab\xff").claiming(Length::Claim7(100)).bytes(),
    ] {
        let mut socket = RawWebSocket::open(&server, "/ws");
        socket.connection.send(&start_bytes);
        let (code, took) = timed(|| socket.close_code());
        assert_eq!(code, Some(1007), "{}", start_bytes.escape_ascii());
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    alive(&server);
}
