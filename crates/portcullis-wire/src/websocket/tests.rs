//! Tables of frames, and the same bytes cut at every position.
//! Never: a socket.

use proptest::prelude::*;

use super::*;

const LIMITS: FrameLimits =
    FrameLimits { message_max_bytes: 12_288, fragments_max: 64, assembly_timeout_ms: 10_000 };
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const TEXT_BEGIN: u8 = 0x01;
const BINARY_BEGIN: u8 = 0x02;
const MORE: u8 = 0x00;
const LAST: u8 = 0x80;

/// A message that owns its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Got {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

impl From<Message<'_>> for Got {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.into()),
            Message::Binary(bytes) => Self::Binary(bytes.into()),
            Message::Ping(bytes) => Self::Ping(bytes.into()),
            Message::Pong(bytes) => Self::Pong(bytes.into()),
            Message::Close(close) => Self::Close(close.code, close.reason.into()),
        }
    }
}

type Outcome = (Vec<Got>, Option<FrameFault>);

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    masked_by(first, payload, MASK)
}

fn masked_by(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..=125 => frame.push(0x80 | u8::try_from(short).unwrap()),
        middle @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&u16::try_from(middle).unwrap().to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

fn stream(frames: &[(u8, &[u8])]) -> Vec<u8> {
    frames.iter().flat_map(|(first, payload)| masked(*first, payload)).collect()
}

/// Feeds the pieces one read at a time, as a connection does.
fn feed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = Decoder::new();
    let mut messages = Vec::new();
    for piece in pieces {
        let mut bytes = piece.to_vec();
        let mut rest = bytes.as_mut_slice();
        while !rest.is_empty() {
            match decoder.decode(rest, &LIMITS, 0) {
                Ok(step) => {
                    assert!(step.consumed > 0);
                    messages.extend(step.message.map(Got::from));
                    let consumed = step.consumed;
                    rest = &mut rest[consumed..];
                }
                Err(fault) => {
                    assert_eq!(decoder.pending_since_ms(), None);
                    return (messages, Some(fault));
                }
            }
            assert!(decoder.held_bytes() <= 12_288 + 400);
        }
    }
    (messages, None)
}

/// The result in one read, which must be the result of every other cut (T-230).
fn decode(bytes: &[u8]) -> Outcome {
    let whole = feed([bytes]);
    assert_eq!(feed(bytes.chunks(1)), whole, "byte by byte");
    for chunk in [2, 3, 7, 13] {
        assert_eq!(feed(bytes.chunks(chunk)), whole, "by {chunk}");
    }
    let step = bytes.len() / 300 + 1;
    for cut in (0..bytes.len()).step_by(step) {
        assert_eq!(feed([&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
    }
    whole
}

fn check(frames: &[(u8, &[u8])], expect: &[Got]) {
    assert_eq!(decode(&stream(frames)), (expect.to_vec(), None));
}

fn check_fault(bytes: &[u8], fault: FrameFault) {
    let (_, got) = decode(bytes);
    assert_eq!(got, Some(fault), "{:02x?}", &bytes[..bytes.len().min(40)]);
}

fn text(text: &str) -> Got {
    Got::Text(text.into())
}

#[test]
fn idle_decoder_has_the_documented_size() {
    assert_eq!(size_of::<Decoder>(), 16);
    assert_eq!(Decoder::new().held_bytes(), 0);
}

/// RFC 6455 section 5.7: the examples, as a client sends them.
#[test]
fn examples_of_the_rfc_are_decoded() {
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(decode(&hello), (vec![text("Hello")], None));
    check(&[(TEXT_BEGIN, b"Hel"), (LAST, b"lo")], &[text("Hello")]);
    check(
        &[(PING, b"Hello"), (PONG, b"Hello")],
        &[Got::Ping(b"Hello".into()), Got::Pong(b"Hello".into())],
    );
    check(&[(BINARY, &[7; 256])], &[Got::Binary(vec![7; 256])]);
}

/// Autobahn sections 1.1, 1.2 and 9: sizes around every boundary (T-234).
#[test]
fn payload_of_every_size_is_decoded() {
    for size in [0, 1, 2, 15, 16, 17, 125, 126, 127, 128, 1_000, 4_096, 12_287, 12_288] {
        let payload = "*".repeat(size);
        check(&[(TEXT, payload.as_bytes())], &[text(&payload)]);
        check(&[(BINARY, payload.as_bytes())], &[Got::Binary(payload.clone().into())]);
    }
}

/// RFC 6455 section 5.4; Autobahn sections 2 and 5.
#[test]
fn fragments_are_joined_with_control_frames_between() {
    check(&[(TEXT_BEGIN, b""), (MORE, b""), (LAST, b"")], &[text("")]);
    check(&[(TEXT_BEGIN, b""), (MORE, b"x"), (LAST, b"")], &[text("x")]);
    check(&[(BINARY_BEGIN, &[1, 0xff]), (LAST, &[2])], &[Got::Binary(vec![1, 0xff, 2])]);
    check(
        &[
            (TEXT_BEGIN, b"a"),
            (PING, b"p"),
            (MORE, b"b"),
            (PONG, b""),
            (PING, b"q"),
            (LAST, b"c"),
            (TEXT, b"d"),
        ],
        &[
            Got::Ping(b"p".into()),
            Got::Pong(vec![]),
            Got::Ping(b"q".into()),
            text("abc"),
            text("d"),
        ],
    );
    check(
        &[(TEXT_BEGIN, b"a"), (CLOSE, &[0x03, 0xe8]), (LAST, b"b")],
        &[Got::Close(Some(1000), String::new())],
    );
}

/// RFC 6455 section 5.5; Autobahn sections 2.4 and 2.5. T-224.
#[test]
fn long_or_fragmented_control_frame_is_rejected() {
    check(&[(PING, &[9; 125])], &[Got::Ping(vec![9; 125])]);
    for first in [CLOSE, PING, PONG] {
        check_fault(&masked(first, &[0; 126]), FrameFault::ControlTooLong);
        check_fault(&masked(first, &[0; 70_000])[..20], FrameFault::ControlTooLong);
        check_fault(&masked(first & 0x7f, b""), FrameFault::ControlFragmented);
        let inside = [masked(TEXT_BEGIN, b"a"), masked(first & 0x7f, b"")].concat();
        check_fault(&inside, FrameFault::ControlFragmented);
    }
}

/// RFC 6455 section 5.2: bits and opcodes without an agreed extension; Autobahn sections 3 and 4.
/// T-213.
#[test]
fn reserved_bit_or_opcode_is_rejected() {
    for bits in 1..8_u8 {
        for first in [TEXT, BINARY, TEXT_BEGIN, CLOSE, PING, PONG] {
            check_fault(&masked(first | bits << 4, b"x"), FrameFault::ReservedBits);
        }
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for fin in [0, 0x80] {
            check_fault(&masked(fin | opcode, b""), FrameFault::ReservedOpcode);
            let inside = [masked(TEXT_BEGIN, b"a"), masked(fin | opcode, b"x")].concat();
            check_fault(&inside, FrameFault::ReservedOpcode);
        }
    }
}

/// RFC 6455 section 5.1: every frame of a client is masked. T-225.
#[test]
fn frame_without_a_mask_is_rejected() {
    for first in [TEXT, BINARY, CLOSE, PING, PONG] {
        check_fault(&[first, 0x05, b'H', b'e', b'l', b'l', b'o'], FrameFault::Unmasked);
        check_fault(&[first, 0x00], FrameFault::Unmasked);
    }
    check_fault(&[TEXT, 126], FrameFault::Unmasked);
    check_fault(&[TEXT, 127, 0xff], FrameFault::Unmasked);
    assert_eq!(decode(&masked_by(TEXT, b"Hello", [0; 4])), (vec![text("Hello")], None));
}

/// RFC 6455 section 5.4; Autobahn sections 5.9 to 5.18.
#[test]
fn continuation_without_start_or_interleaved_message_is_rejected() {
    for bytes in [
        masked(MORE, b"x"),
        masked(LAST, b"x"),
        stream(&[(TEXT, b"a"), (LAST, b"x")]),
        stream(&[(TEXT_BEGIN, b"a"), (LAST, b"x"), (LAST, b"y")]),
        stream(&[(PING, b"a"), (MORE, b"x")]),
        stream(&[(TEXT_BEGIN, b"a"), (TEXT, b"b")]),
        stream(&[(TEXT_BEGIN, b"a"), (BINARY, b"b")]),
        stream(&[(TEXT_BEGIN, b"a"), (TEXT_BEGIN, b"b")]),
        stream(&[(BINARY_BEGIN, b"a"), (PING, b""), (BINARY_BEGIN, b"b")]),
    ] {
        check_fault(&bytes, FrameFault::Continuation);
    }
}

/// RFC 6455 section 5.2: the minimal number of bytes, and the highest bit 0. T-215.
#[test]
fn length_longer_than_needed_is_rejected() {
    let short = |length: u16| [&[BINARY, 0x80 | 126][..], &length.to_be_bytes()].concat();
    let long = |length: u64| [&[BINARY, 0x80 | 127][..], &length.to_be_bytes()].concat();
    for bytes in [
        short(0),
        short(1),
        short(125),
        long(0),
        long(125),
        long(126),
        long(0xffff),
        long(1 << 63),
        long(u64::MAX),
        long(1 << 63 | 5),
    ] {
        check_fault(&bytes, FrameFault::Length);
    }
    for length in [0x1_0000, 0x7fff_ffff_ffff_ffff, u64::from(u32::MAX), 1 << 32, 1 << 62] {
        check_fault(&long(length), FrameFault::TooLarge);
    }
}

/// T-090, T-216: the header decides before the mask arrives, and no memory is reserved.
#[test]
fn too_large_frame_is_rejected_on_its_header() {
    let declared =
        |first: u8, length: u64| [&[first, 0x80 | 127][..], &length.to_be_bytes()].concat();
    check_fault(&declared(TEXT, 16 << 20), FrameFault::TooLarge);
    check_fault(&masked(TEXT, &[b'a'; 12_289])[..4], FrameFault::TooLarge);
    // The limit applies to the message, not to each frame.
    let part = masked(TEXT_BEGIN, &[b'a'; 8_192]);
    let rest = masked(LAST, &[b'a'; 4_096]);
    assert_eq!(feed([&[part.clone(), rest].concat()[..]]).1, None);
    let over = [part, masked(LAST, &[b'a'; 4_097])[..4].to_vec()].concat();
    check_fault(&over, FrameFault::TooLarge);

    let mut decoder = Decoder::new();
    let mut header = masked(BINARY, &[0; 12_000])[..8].to_vec();
    assert_eq!(decoder.decode(&mut header, &LIMITS, 0).unwrap().consumed, 8);
    assert!(decoder.held_bytes() < 400, "{}", decoder.held_bytes());
    decoder.decode(&mut [0; 100], &LIMITS, 0).unwrap();
    assert!(decoder.held_bytes() < 600, "{}", decoder.held_bytes());
}

/// T-217, T-218: the 65th frame is rejected, also an empty one.
#[test]
fn message_with_too_many_frames_is_rejected() {
    for payload in [&b"x"[..], b""] {
        let mut bytes = masked(TEXT_BEGIN, payload);
        for _ in 0..62 {
            bytes.extend(masked(MORE, payload));
        }
        let sixty_four = [bytes.clone(), masked(LAST, payload)].concat();
        let expect = String::from_utf8(payload.repeat(64)).unwrap();
        assert_eq!(decode(&sixty_four), (vec![text(&expect)], None));
        bytes.extend(masked(MORE, payload));
        assert_eq!(feed([&bytes[..]]), (vec![], None));
        check_fault(&[bytes.clone(), vec![LAST]].concat(), FrameFault::Fragments);
        check_fault(&[bytes, vec![MORE]].concat(), FrameFault::Fragments);
    }
}

/// T-218: neither single bytes nor control frames extend the deadline of a message.
#[test]
fn message_has_a_deadline_from_its_first_byte() {
    let mut decoder = Decoder::new();
    let mut step = |bytes: &[u8], now_ms: u64| {
        let outcome = decoder.decode(&mut bytes.to_vec(), &LIMITS, now_ms).map(|_| ());
        (outcome, decoder.pending_since_ms())
    };
    assert_eq!(step(&masked(TEXT, b"whole"), 50), (Ok(()), None));
    assert_eq!(step(&[TEXT], 100), (Ok(()), Some(100)));
    assert_eq!(step(&masked(TEXT, b"ab")[1..], 200), (Ok(()), None));
    assert_eq!(step(&masked(TEXT_BEGIN, b"a")[..6], 1_000), (Ok(()), Some(1_000)));
    assert_eq!(step(&masked(TEXT_BEGIN, b"a")[6..], 1_500), (Ok(()), Some(1_000)));
    assert_eq!(step(&masked(PING, b"p"), 9_000), (Ok(()), Some(1_000)));
    assert_eq!(step(&masked(PING, b"p")[..7], 9_200), (Ok(()), Some(1_000)));
    assert_eq!(step(&[], 9_300), (Ok(()), Some(1_000)));
    assert_eq!(step(&masked(MORE, b""), 11_000), (Err(FrameFault::AssemblyTimeout), None));
    assert_eq!(step(&masked(TEXT, b"late"), 11_000), (Ok(()), None));
}

#[test]
fn single_control_frame_has_the_deadline_too() {
    let mut decoder = Decoder::new();
    decoder.decode(&mut masked(PING, b"abc")[..7].to_vec(), &LIMITS, 0).unwrap();
    assert_eq!(decoder.pending_since_ms(), Some(0));
    let mut rest = masked(PING, b"abc")[7..].to_vec();
    let step = decoder.decode(&mut rest, &LIMITS, 9_999).unwrap();
    assert_eq!(step.message, Some(Message::Ping(b"abc")));
    assert_eq!(decoder.pending_since_ms(), None);
    decoder.release();
    assert_eq!(decoder.held_bytes(), 0);
}

/// Autobahn section 6: text that is UTF-8, whole, in frames and byte by byte. T-226.
#[test]
fn valid_text_is_accepted_at_every_cut() {
    for sample in [
        "Hello-\u{b5}@\u{df}\u{f6}\u{e4}\u{fc}\u{e0}\u{e1}-UTF-8!!",
        "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}",
        "\0",
        "\u{80}",
        "\u{7f}",
        "\u{7ff}",
        "\u{800}",
        "\u{ffff}",
        "\u{10000}",
        "\u{10ffff}",
        "\u{d7ff}",
        "\u{e000}",
        "\u{fffd}",
        "\u{feff}",
        "\u{fffe}",
        "\u{1fffe}",
        "\u{10fffe}",
        "\u{fdd0}",
        "\u{1f600}\u{200d}\u{1f680}",
    ] {
        let bytes = sample.as_bytes();
        check(&[(TEXT, bytes)], &[text(sample)]);
        for cut in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            check(
                &[(TEXT_BEGIN, head), (PING, b""), (LAST, tail)],
                &[Got::Ping(vec![]), text(sample)],
            );
        }
        let mut frames = vec![(TEXT_BEGIN, &b""[..])];
        frames.extend(bytes.chunks(1).map(|byte| (MORE, byte)));
        frames.push((LAST, b""));
        check(&frames, &[text(sample)]);
    }
}

/// RFC 6455 section 8.1, RFC 3629 section 3; Autobahn sections 6.6 to 6.21. T-226.
const BROKEN_TEXT: [&[u8]; 36] = [
    b"\x80",
    b"\xbf",
    b"\x80\xbf\x80",
    b"\xc0\x80",
    b"\xc0\xaf",
    b"\xc1\xbf",
    b"\xc2",
    b"\xc2\x41",
    b"\xe0\x80\x80",
    b"\xe0\x80\xaf",
    b"\xe0\x9f\xbf",
    b"\xe1\x80",
    b"\xe1\x80\x41",
    b"\xf0\x80\x80\x80",
    b"\xf0\x8f\xbf\xbf",
    b"\xf0\x90\x80",
    b"\xf0\x90\x80\x41",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xf7\xbf\xbf\xbf",
    b"\xf8\x88\x80\x80\x80",
    b"\xfb\xbf\xbf\xbf\xbf",
    b"\xfc\x84\x80\x80\x80\x80",
    b"\xfd\xbf\xbf\xbf\xbf\xbf",
    b"\xfe",
    b"\xff",
    b"\xfe\xfe\xff\xff",
    b"\xed\xa0\x80",
    b"\xed\xad\xbf",
    b"\xed\xae\x80",
    b"\xed\xbf\xbf",
    b"\xed\xa0\x80\xed\xb0\x80",
    b"\xed\xa0\x80\xed\xbf\xbf",
    b"\xed\xaf\xbf\xed\xb0\x80",
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
    b"\xce\xba\xf4\x90\x80\x80edited",
];

#[test]
fn invalid_text_is_rejected_at_every_cut() {
    for sample in BROKEN_TEXT {
        for (before, after) in [(&b""[..], &b""[..]), (b"sound ", b""), (&[b'a'; 70], b"b")] {
            let bytes = [before, sample, after].concat();
            check_fault(&masked(TEXT, &bytes), FrameFault::Utf8);
            for cut in 0..=bytes.len() {
                let (head, tail) = bytes.split_at(cut);
                let frames = stream(&[(TEXT_BEGIN, head), (LAST, tail)]);
                assert_eq!(feed([&frames[..]]), (vec![], Some(FrameFault::Utf8)));
                assert_eq!(feed(frames.chunks(1)), (vec![], Some(FrameFault::Utf8)));
            }
        }
        let (_, fault) = decode(&masked(BINARY, sample));
        assert_eq!(fault, None);
    }
}

/// Autobahn section 6.4: rejected at the first invalid byte, before the end of the message.
#[test]
fn invalid_text_is_rejected_at_its_first_invalid_byte() {
    let rows: [(&[u8], usize); 7] = [
        (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited", 12),
        (b"abc\xff", 3),
        (b"\xc0\xaf", 0),
        (b"\xe0\x80\x80", 1),
        (b"\xed\xa0\x80", 1),
        (b"\xf0\x80\x80\x80", 1),
        (b"\xf0\x90\x41\x41", 2),
    ];
    for (bytes, at) in rows {
        let frame = masked(TEXT_BEGIN, bytes);
        let start = frame.len() - bytes.len();
        assert_eq!(
            feed([&frame[..start], &frame[start..start + at]]),
            (vec![], None),
            "{bytes:02x?}"
        );
        let (_, fault) = feed([&frame[..start + at], &frame[start + at..=start + at]]);
        assert_eq!(fault, Some(FrameFault::Utf8), "{bytes:02x?}");
    }
}

fn close_payload(code: u16, reason: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason].concat()
}

/// RFC 6455 sections 5.5.1 and 7.4; Autobahn section 7. T-227.
#[test]
fn close_frames_are_read() {
    check(&[(CLOSE, b"")], &[Got::Close(None, String::new())]);
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000,
        4999,
    ] {
        check(&[(CLOSE, &close_payload(code, b""))], &[Got::Close(Some(code), String::new())]);
    }
    let reason = "\u{e9}".repeat(61) + "x";
    check(
        &[(CLOSE, &close_payload(1000, reason.as_bytes()))],
        &[Got::Close(Some(1000), reason.clone())],
    );
}

/// T-227.
#[test]
fn invalid_close_frame_is_rejected() {
    check_fault(&masked(CLOSE, &[3]), FrameFault::Close);
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        check_fault(&masked(CLOSE, &close_payload(code, b"why")), FrameFault::Close);
    }
    check_fault(&masked(CLOSE, &close_payload(1000, &[b'x'; 124])), FrameFault::ControlTooLong);
    for sample in BROKEN_TEXT {
        check_fault(&masked(CLOSE, &close_payload(1000, sample)), FrameFault::Utf8);
    }
}

/// RFC 6455 sections 5.5.1 and 7.1.7; Autobahn section 7.1. T-227.
#[test]
fn bytes_after_a_close_frame_or_fault_are_ignored() {
    let closed = [Got::Close(Some(1000), String::new())];
    check(&[(CLOSE, &[3, 0xe8]), (TEXT, b"a"), (CLOSE, b""), (0xff, b"")], &closed);
    let inside = stream(&[(TEXT_BEGIN, b"a"), (CLOSE, &[3, 0xe8])]);
    let mut decoder = Decoder::new();
    let consumed = decoder.decode(&mut inside.clone(), &LIMITS, 0).unwrap().consumed;
    decoder.decode(&mut inside.clone()[consumed..], &LIMITS, 0).unwrap();
    assert_eq!(decoder.pending_since_ms(), None);
    decoder.release();
    assert_eq!(decoder.held_bytes(), 0);

    let mut decoder = Decoder::new();
    let mut bad = masked(MORE, b"");
    assert_eq!(decoder.decode(&mut bad, &LIMITS, 0), Err(FrameFault::Continuation));
    let mut more = masked(TEXT, b"a");
    let length = more.len();
    let step = decoder.decode(&mut more, &LIMITS, 0).unwrap();
    assert_eq!(step, Step { consumed: length, message: None });
    assert_eq!(decoder.held_bytes(), 0);
}

/// T-230: a segment of many frames gives one message per call, without copies.
#[test]
fn pipelined_frames_are_decoded_one_per_call() {
    let bytes: Vec<u8> =
        (0..2_000).flat_map(|at| masked(TEXT, format!("{at}").as_bytes())).collect();
    let mut segment = bytes.clone();
    let mut decoder = Decoder::new();
    let (mut consumed, mut count) = (0, 0);
    while consumed < segment.len() {
        let step = decoder.decode(&mut segment[consumed..], &LIMITS, 0).unwrap();
        assert_eq!(step.message, Some(Message::Text(&format!("{count}"))));
        consumed += step.consumed;
        count += 1;
        assert_eq!(decoder.held_bytes(), 0);
    }
    assert_eq!(count, 2_000);
    assert_eq!(feed(bytes.chunks(1_000)), feed([&bytes[..]]));
}

/// A frame that is whole in the input is borrowed from there, also after a header in pieces.
#[test]
fn header_in_pieces_leaves_no_memory_behind() {
    let bytes = masked(TEXT, b"Hello");
    let mut decoder = Decoder::new();
    decoder.decode(&mut bytes[..3].to_vec(), &LIMITS, 0).unwrap();
    let mut rest = bytes[3..].to_vec();
    let step = decoder.decode(&mut rest, &LIMITS, 0).unwrap();
    assert_eq!(step, Step { consumed: 8, message: Some(Message::Text("Hello")) });
    assert_eq!(decoder.held_bytes(), 0);
}

#[test]
fn released_message_is_freed() {
    let mut decoder = Decoder::new();
    let mut bytes = stream(&[(TEXT_BEGIN, &[b'a'; 5_000]), (LAST, b"b")]);
    let first = decoder.decode(&mut bytes, &LIMITS, 0).unwrap().consumed;
    assert!(decoder.decode(&mut bytes[first..], &LIMITS, 0).unwrap().message.is_some());
    assert_eq!(decoder.pending_since_ms(), None);
    assert!(decoder.held_bytes() > 5_000);
    decoder.release();
    assert_eq!(decoder.held_bytes(), 0);
}

#[test]
fn fault_closes_with_the_code_of_the_rfc() {
    // RFC 6455 section 7.4.1.
    let rows = [
        (FrameFault::TooLarge, 1009),
        (FrameFault::Utf8, 1007),
        (FrameFault::Fragments, 1008),
        (FrameFault::AssemblyTimeout, 1008),
        (FrameFault::ReservedBits, 1002),
        (FrameFault::ReservedOpcode, 1002),
        (FrameFault::Unmasked, 1002),
        (FrameFault::ControlTooLong, 1002),
        (FrameFault::ControlFragmented, 1002),
        (FrameFault::Continuation, 1002),
        (FrameFault::Length, 1002),
        (FrameFault::Close, 1002),
        (FrameFault::Deflate, 1007),
        (FrameFault::Ratio, 1009),
    ];
    let names: std::collections::HashSet<_> = rows.iter().map(|(fault, _)| fault.name()).collect();
    assert_eq!(names.len(), rows.len());
    for (fault, code) in rows {
        assert_eq!(fault.close_code(), code, "{fault:?}");
    }
}

/// RFC 6455 sections 5.1, 5.2 and 5.7: unmasked, and the shortest length.
#[test]
fn frames_are_written() {
    assert_eq!(frame(Opcode::Text, b"Hello")[..], [0x81, 5, b'H', b'e', b'l', b'l', b'o']);
    assert_eq!(frame(Opcode::Ping, b"")[..], [0x89, 0]);
    for (size, header) in [
        (125, &[0x82, 125][..]),
        (126, &[0x82, 126, 0, 126]),
        (65_535, &[0x82, 126, 0xff, 0xff]),
        (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let written = frame(Opcode::Binary, &vec![7; size]);
        assert_eq!(written[..header.len()], *header);
        assert_eq!(written.len(), header.len() + size);
    }
    for opcode in [Opcode::Ping, Opcode::Pong, Opcode::Close] {
        assert_eq!(frame(opcode, &[b'x'; 200]).len(), 127);
    }
    let mut out = b"before".to_vec();
    write_frame(&mut out, Opcode::Pong, b"x");
    assert_eq!(out, [&b"before"[..], &[0x8a, 1, b'x']].concat());
}

#[test]
fn close_frames_are_written() {
    assert_eq!(close_frame(1001, "bye")[..], [0x88, 5, 0x03, 0xe9, b'b', b'y', b'e']);
    assert_eq!(close_frame(4401, "")[..], [0x88, 2, 0x11, 0x31]);
    for code in [0, 999, 1005, 1006, 1015, 5000] {
        assert_eq!(close_frame(code, "x")[..], [0x88, 0]);
    }
    let long = close_frame(1000, &"\u{20ac}".repeat(100));
    assert_eq!(long[1], 2 + 123);
    let cut = close_frame(1000, &"\u{e9}".repeat(100));
    assert_eq!(cut[1], 2 + 122);
}

/// Valid and invalid frames, mostly small, sometimes with one byte changed.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let sound = vec![TEXT, BINARY, TEXT_BEGIN, BINARY_BEGIN, MORE, LAST, PING, PONG];
    let first = prop_oneof![
        8 => prop::sample::select(sound),
        1 => Just(CLOSE),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        4 => "\\PC{0,12}".prop_map(String::into_bytes),
        2 => prop::collection::vec(any::<u8>(), 0..12),
        1 => (100..300_usize).prop_map(|size| vec![b'a'; size]),
    ];
    let frames = prop::collection::vec((first, payload, any::<[u8; 4]>()), 1..8);
    (frames, prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()))).prop_map(
        |(frames, change)| {
            let frames =
                frames.iter().map(|(first, payload, mask)| masked_by(*first, payload, *mask));
            let mut bytes: Vec<u8> = frames.flatten().collect();
            if let Some((at, value)) = change {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            bytes
        },
    )
}

fn split_randomly<'a>(bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let (mut pieces, mut rest) = (Vec::new(), bytes);
    for size in sizes.iter().cycle() {
        let (piece, tail) = rest.split_at((*size).min(rest.len()));
        pieces.push(piece);
        rest = tail;
        if rest.is_empty() {
            return pieces;
        }
    }
    pieces
}

proptest! {
    /// T-230.
    #[test]
    fn cut_of_the_bytes_does_not_change_the_result(
        bytes in streams(), sizes in prop::collection::vec(1..40_usize, 1..20),
    ) {
        let whole = feed([&bytes[..]]);
        prop_assert_eq!(&feed(bytes.chunks(1)), &whole);
        prop_assert_eq!(&feed(split_randomly(&bytes, &sizes)), &whole);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let whole = feed([&bytes[..]]);
        prop_assert_eq!(feed(bytes.chunks(1)), whole);
    }

    /// A written frame is decoded to the same message after it is masked.
    #[test]
    fn written_frame_is_decoded(
        payload in prop::collection::vec(any::<u8>(), 0..2_000), mask in any::<[u8; 4]>(),
    ) {
        let written = frame(Opcode::Binary, &payload);
        let (header, body) = written.split_at(written.len() - payload.len());
        let mut bytes = header.to_vec();
        bytes[1] |= 0x80;
        bytes.extend_from_slice(&mask);
        bytes.extend(body.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
        prop_assert_eq!(&bytes, &masked_by(BINARY, &payload, mask));
        prop_assert_eq!(feed([&bytes[..]]), (vec![Got::Binary(payload)], None));
    }

    /// Text is rejected exactly if the standard library rejects it, at every cut.
    #[test]
    fn utf8_agrees_with_the_standard_library(
        bytes in prop::collection::vec(
            prop_oneof![any::<u8>(), 0x80..0xc0_u8, 0xe0..0xf8_u8], 0..12,
        ),
        cut in any::<prop::sample::Index>(),
    ) {
        let expect = std::str::from_utf8(&bytes).is_err().then_some(FrameFault::Utf8);
        let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1));
        prop_assert_eq!(feed([&masked(TEXT, &bytes)[..]]).1, expect);
        let cut = stream(&[(TEXT_BEGIN, head), (LAST, tail)]);
        prop_assert_eq!(feed([&cut[..]]).1, expect);
        prop_assert_eq!(feed(cut.chunks(1)).1, expect);
    }
}
