//! Offers, compressed messages and decompression bombs, in tables.
//! Never: a connection.

use flate2::{Compress, Compression, FlushCompress};
use proptest::prelude::*;

use super::deflater::TAIL;
use super::inflater::{RATIO_FROM_BYTES, STREAMS_MAX};
use super::*;
use crate::websocket::{FrameFault, Opcode};

fn offered(lines: &[&str]) -> Option<u8> {
    let agreement = negotiate(lines.iter().map(|line| line.as_bytes()));
    agreement.map(|agreement| agreement.server_window_bits)
}

#[test]
fn t_212_t_214_offer_is_accepted_or_declined() {
    let spaces = format!("permessage-deflate{}", " ".repeat(32_000));
    let many = vec!["x-unknown"; 1_000].join(",") + ", permessage-deflate";
    let cases: [(&[&str], Option<u8>); 42] = [
        (&["permessage-deflate"], Some(15)),
        (&["permessage-deflate; client_max_window_bits"], Some(15)),
        (&["Permessage-Deflate ; server_no_context_takeover"], Some(15)),
        (&["permessage-deflate; server_max_window_bits=10"], Some(10)),
        (&["permessage-deflate; server_max_window_bits=\"10\""], Some(10)),
        (&["permessage-deflate; client_max_window_bits=8"], Some(15)),
        (&["x-webkit-deflate-frame, permessage-deflate"], Some(15)),
        (&["x-webkit-deflate-frame", "permessage-deflate"], Some(15)),
        (&["permessage-deflate; server_max_window_bits=8, permessage-deflate"], Some(15)),
        (&["permessage-deflate; server_max_window_bits=8"], None),
        (&["permessage-deflate; server_max_window_bits=16"], None),
        (&["permessage-deflate; server_max_window_bits=09"], None),
        (&["permessage-deflate; server_max_window_bits"], None),
        (&["permessage-deflate; client_max_window_bits=99"], None),
        (&["permessage-deflate; client_max_window_bits=\"10"], None),
        (&["permessage-deflate; server_no_context_takeover=1"], None),
        (&["permessage-deflate; client_max_window_bits; client_max_window_bits"], None),
        (&["permessage-deflate; constructor"], None),
        (&["permessage-deflate; __proto__=1"], None),
        (&["permessage-deflate;"], None),
        (&["permessage-deflate; server_max_window_bits=9"], Some(9)),
        (&["permessage-deflate; server_max_window_bits=\t15 "], Some(15)),
        (&["permessage-deflate;server_no_context_takeover;client_no_context_takeover"], Some(15)),
        (&["permessage-deflate; server_max_window_bits=99, permessage-deflate"], Some(15)),
        (&[", , permessage-deflate"], Some(15)),
        (&["x; y=\"a, b\", permessage-deflate"], Some(15)),
        // Text in quotation marks is not an offer, whether they are closed or escaped.
        (&["x; y=\", permessage-deflate, \""], None),
        (&["x; y=\"\\\", permessage-deflate, \""], None),
        (&["x; y=\", permessage-deflate"], None),
        (&["permessage-deflate; \"; server_no_context_takeover"], None),
        (&["\"permessage-deflate\""], None),
        (&["permessage-deflate=1"], None),
        (&["permessage-deflate server_no_context_takeover"], None),
        (&["permessage-deflate; server_max_window_bits="], None),
        (&["permessage-deflate; server_max_window_bits=+10"], None),
        (&["permessage-deflate; server_max_window_bits=010"], None),
        (&["permessage-deflate; server_max_window_bits=10=10"], None),
        (&["permessage-deflate; client_max_window_bits=7"], None),
        (&["x-webkit-deflate-frame"], None),
        (&[], None),
        (&[&spaces], None),
        (&[&many], None),
    ];
    for (lines, expect) in cases {
        assert_eq!(offered(lines), expect, "{:.80?}", lines);
    }
}

#[test]
fn answer_contains_the_agreed_parameters() {
    let plain = Agreement { server_window_bits: 15 };
    assert!(plain.compresses() && !plain.answer().contains("window"));
    let small = Agreement { server_window_bits: 9 };
    assert!(!small.compresses() && small.answer().ends_with("; server_max_window_bits=9"));
}

#[test]
fn examples_of_the_rfc_are_decompressed() {
    // RFC 7692 section 7.2.3: one block, sharing none, a final block, and a stored one.
    let cases: [&[u8]; 4] = [
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
        &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
    ];
    let mut inflater = Inflater::default();
    for payload in cases {
        assert_eq!(inflater.inflate(payload, 100).unwrap(), b"Hello", "{payload:x?}");
    }
    assert_eq!(inflater.inflate(&[0x02, 0x00], 100).unwrap(), b"", "an empty message");
}

#[test]
fn invalid_deflate_data_is_rejected() {
    let mut inflater = Inflater::default();
    let cases: [&[u8]; 9] = [
        &[0xff, 0xff, 0xff],
        b"hello world",
        &[0x06, 0x00, 0x01],
        // RFC 7692 section 7.2.3.2: the second of two messages, where context is taken over.
        &[0xf2, 0x00, 0x11, 0x00, 0x00],
        // "Hello", truncated twice, and with bytes after its end.
        &[0xf2, 0x48, 0xcd],
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07],
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00, 0x00, 0xff],
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65],
        &[0x00],
    ];
    for payload in &cases[..8] {
        let outcome = inflater.inflate(payload, 100);
        assert_eq!(outcome.err(), Some(FrameFault::Deflate), "{payload:x?}");
    }
    for payload in [cases[8], &[0x02, 0x00], &[]] {
        assert_eq!(inflater.inflate(payload, 100).unwrap(), b"", "and the next one works");
    }
}

#[test]
fn t_213_message_with_many_final_blocks_is_rejected() {
    let last = |times| [[0x03, 0x00].repeat(times), vec![0x00]].concat();
    let mut inflater = Inflater::default();
    assert_eq!(inflater.inflate(&last(STREAMS_MAX - 1), 100).unwrap(), b"");
    assert_eq!(inflater.inflate(&last(STREAMS_MAX), 100).err(), Some(FrameFault::Deflate));
    let ended = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(inflater.inflate(&ended, 100).unwrap(), b"Hello");
    assert_eq!(inflater.inflate(&ended.repeat(2), 100).unwrap(), b"HelloHello");
}

#[test]
fn t_213_decompression_bomb_stops_at_the_limit_without_memory() {
    let mut state = Compress::new(Compression::best(), false);
    let mut bomb = Vec::with_capacity(64 * 1024);
    state.compress_vec(&vec![0; 10_000_000], &mut bomb, FlushCompress::Sync).unwrap();
    bomb.truncate(bomb.len() - TAIL.len());
    let mut inflater = Inflater::default();
    assert_eq!(inflater.inflate(&bomb, 12_288).err(), Some(FrameFault::TooLarge));
    assert_eq!(inflater.output.capacity(), 12_288 + 1);
    let mut inflater = Inflater::default();
    let small = bomb.get(..40).unwrap();
    assert_eq!(inflater.inflate(small, 1_000_000).err(), Some(FrameFault::Ratio));
    assert_eq!(inflater.output.capacity(), RATIO_FROM_BYTES + 1);
}

#[test]
fn t_213_message_one_byte_over_a_limit_is_rejected() {
    let deflated = |size| {
        let mut output = Vec::with_capacity(1_000);
        let mut state = Compress::new(Compression::best(), false);
        state.compress_vec(&vec![b'x'; size], &mut output, FlushCompress::Sync).unwrap();
        output.truncate(output.len() - TAIL.len());
        output
    };
    let mut inflater = Inflater::default();
    for _ in 0..2 {
        assert_eq!(inflater.inflate(&deflated(4_096), 4_096).unwrap().len(), 4_096);
        assert_eq!(inflater.inflate(&deflated(4_097), 4_096).err(), Some(FrameFault::TooLarge));
        assert_eq!(inflater.inflate(&deflated(4_097), 9_000).err(), Some(FrameFault::Ratio));
        assert_eq!(inflater.inflate(&deflated(2_000), 1_999).err(), Some(FrameFault::TooLarge));
        // The next message may not use the space that a larger one left.
        assert_eq!(inflater.inflate(&[0x00; 1_000], 90_000).err(), Some(FrameFault::Deflate));
        assert!(inflater.output.capacity() <= 90_001);
    }
}

/// Bytes that do not compress.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(size).collect()
}

/// The payload of a frame of less than 65,536 bytes.
fn payload_of(frame: &[u8]) -> &[u8] {
    if frame[1] < 126 { &frame[2..] } else { &frame[4..] }
}

#[test]
fn frame_that_does_not_become_smaller_is_not_compressed() {
    let mut deflater = Deflater::default();
    let mut inflater = Inflater::default();
    let text = "the same words again and again ".repeat(100);
    let frame = deflater.frame(Opcode::Text, text.as_bytes()).unwrap();
    assert!(frame[0] == 0xc1 && frame.len() < 300, "{}", frame.len());
    assert_eq!(inflater.inflate(payload_of(&frame), 10_000).unwrap(), text.as_bytes());
    let again = deflater.frame(Opcode::Text, text.as_bytes()).unwrap();
    assert_eq!(again, frame, "no context is kept");
    assert!(deflater.frame(Opcode::Text, b"x").is_none());
    assert!(deflater.frame(Opcode::Text, b"").is_none());
    assert!(deflater.frame(Opcode::Binary, &noise(2_000)).is_none());
}

/// A message that contains the bytes of a compressed end, near every position of a cut.
#[test]
fn end_bytes_inside_a_message_do_not_end_it() {
    let mut inflater = Inflater::default();
    for size in [100, 1_000, 2_000] {
        for from_end in 4..40 {
            let mut payload = noise(size);
            payload[size - from_end..][..4].copy_from_slice(&TAIL);
            if let Some(frame) = Deflater::default().frame(Opcode::Binary, &payload) {
                let inflated = inflater.inflate(payload_of(&frame), size);
                assert_eq!(inflated, Ok(&payload[..]), "{size}, {from_end}");
            }
        }
    }
}

/// Parts of offers, valid and invalid.
const OFFER_PARTS: [&str; 14] = [
    "permessage-deflate",
    "; server_no_context_takeover",
    "; client_no_context_takeover",
    "; server_max_window_bits",
    "; client_max_window_bits",
    "=10",
    "=8",
    "=",
    ";",
    ",",
    "\"",
    "\\",
    " ",
    "\n",
];

proptest! {
    #[test]
    fn random_bytes_are_decompressed_or_rejected(
        payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut inflater = Inflater::default();
        let outcome = inflater.inflate(&payload, 5_000).map(<[u8]>::to_vec);
        if let Ok(output) = &outcome {
            prop_assert!(output.len() <= 5_000);
        }
        prop_assert!(inflater.output.capacity() <= 5_001);
        let again = inflater.inflate(&payload, 5_000).map(<[u8]>::to_vec);
        prop_assert_eq!(again, outcome);
    }

    #[test]
    fn compressed_message_is_read_back(
        words in prop::collection::vec("[a-z]{1,6}|\\PC{1,3}", 0..40),
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut deflater = Deflater::default();
        let mut inflater = Inflater::default();
        let text = words.join(" ").into_bytes();
        for payload in [[&text[..], &text].concat(), [&bytes[..], &text].concat(), bytes] {
            if let Some(frame) = deflater.frame(Opcode::Binary, &payload) {
                let inflated = inflater.inflate(payload_of(&frame), payload.len());
                prop_assert_eq!(inflated, Ok(&payload[..]));
            }
        }
    }

    /// T-214: any value of the header is read, with one of seven answers.
    #[test]
    fn t_214_random_offer_is_accepted_or_declined(
        parts in prop::collection::vec(prop::sample::select(OFFER_PARTS.to_vec()), 0..30),
        tail in "\\PC{0,4}",
    ) {
        let offer = parts.concat() + &tail;
        let agreement = negotiate(offer.lines().map(str::as_bytes));
        if let Some(Agreement { server_window_bits }) = agreement {
            prop_assert!((9..=15).contains(&server_window_bits));
            prop_assert!(offer.contains("permessage-deflate"));
        }
    }
}
