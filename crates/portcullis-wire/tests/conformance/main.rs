//! Conformance cases of a WebSocket server, without sockets.
//! Never: a case whose result depends on how the bytes were cut on their way.
//!
//! The sections follow those of the well-known public suite: framing, pings, reserved bits,
//! opcodes, fragments, UTF-8, closing, limits, many fragments, compression. That suite exchanges
//! messages with a server; these cases state bytes and the results of the decoder. The server
//! answers a ping with its payload, and a fault with the close code of the fault.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a case that cannot be built fails the test"
)]

mod case; // a case and its check
mod framing; // sizes, pings, reserved bits, opcodes
mod fragments; // messages in pieces, with control frames between
mod text; // valid and invalid UTF-8
mod closing; // close frames and the bytes after them
mod limits; // sizes and counts over the limit
mod compressed; // permessage-deflate: messages, small windows, own frames, invalid data
mod offers; // permessage-deflate: offers and answers

use case::Case;
use portcullis_wire::websocket::deflate::Inflater;

/// A section and its number of cases, so that no case is lost.
type Section = (fn() -> Vec<Case>, usize);

const WHOLE: [Section; 4] = [
    (framing::sizes, 20),
    (framing::pings, 12),
    (framing::reserved_bits, 42),
    (framing::opcodes, 40),
];
const PIECES: [Section; 1] = [(fragments::cases, 34)];
const TEXT: [Section; 2] = [(text::whole, 126), (text::in_pieces, 125)];
const CLOSING: [Section; 1] = [(closing::cases, 61)];
const LIMITS: [Section; 1] = [(limits::cases, 33)];
const MESSAGES: [Section; 1] = [(compressed::messages, 148)];
const COMPRESSION: [Section; 3] =
    [(compressed::windows, 24), (compressed::ours, 37), (compressed::cases, 38)];

fn check(sections: &[Section]) {
    let mut inflater = Inflater::default();
    for (section, count) in sections {
        let cases = section();
        assert_eq!(cases.len(), *count, "a case is lost, or its section's count is old");
        for case in cases {
            case.check(&mut inflater);
        }
    }
}

#[test]
fn t_213_t_230_whole_frames_are_decoded_alike_at_every_cut() {
    check(&WHOLE);
}

#[test]
fn t_217_t_230_messages_in_pieces_are_decoded_alike_at_every_cut() {
    check(&PIECES);
}

#[test]
fn t_226_t_230_text_is_decoded_alike_at_every_cut() {
    check(&TEXT);
}

#[test]
fn t_227_t_230_close_frames_are_decoded_alike_at_every_cut() {
    check(&CLOSING);
}

#[test]
fn t_216_t_230_limits_apply_at_every_cut() {
    check(&LIMITS);
}

#[test]
fn t_213_t_230_compressed_messages_are_decoded_alike_at_every_cut() {
    check(&MESSAGES);
}

#[test]
fn t_213_t_230_rules_of_compression_apply_at_every_cut() {
    check(&COMPRESSION);
}

#[test]
fn t_212_t_214_offers_are_answered_or_declined() {
    offers::check();
}

#[test]
fn number_of_cases_equals_the_public_suite() {
    let sections: [&[Section]; 7] =
        [&WHOLE, &PIECES, &TEXT, &CLOSING, &LIMITS, &MESSAGES, &COMPRESSION];
    let total: usize = sections.into_iter().flatten().map(|(_, count)| count).sum();
    assert!(total >= 700, "{total}");
}
