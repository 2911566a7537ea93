//! What every WebSocket server has to do with the bytes of a client, case by case, without sockets.
//! Never: a case whose outcome depends on how the bytes were cut on their way.
//!
//! The sections follow those of the well-known public suite: framing, pings, reserved bits,
//! opcodes, fragments, UTF-8, closing, limits, many fragments, compression. What is said there in
//! messages to and from a server is said here in bytes and what the decoder makes of them: the
//! engine answers a ping with its payload, and a fault with the close code of the fault.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a case that cannot be built is no case"
)]

mod case; // cases, and how each is judged
mod framing; // sizes, pings, reserved bits, opcodes
mod fragments; // messages in pieces, with control frames between
mod text; // what is UTF-8, and how soon it is not
mod closing; // close frames and what follows them
mod limits; // too large, too many, on the header
mod compressed; // permessage-deflate

use case::Case;

type Section = fn() -> Vec<Case>;

/// Every section and how many cases it has, so that none is lost.
const SECTIONS: [(Section, usize); 10] = [
    (framing::sizes, 20),
    (framing::pings, 12),
    (framing::reserved_bits, 42),
    (framing::opcodes, 40),
    (fragments::cases, 34),
    (text::whole, 126),
    (text::in_pieces, 125),
    (closing::cases, 61),
    (limits::cases, 33),
    (compressed::cases, 60),
];

#[test]
fn every_case_comes_out_as_it_must_however_its_bytes_are_cut() {
    for (section, _) in SECTIONS {
        for case in section() {
            case.check();
        }
    }
}

#[test]
fn no_case_is_lost() {
    let counts: Vec<usize> = SECTIONS.iter().map(|(section, _)| section().len()).collect();
    let expected: Vec<usize> = SECTIONS.iter().map(|(_, count)| *count).collect();
    assert_eq!(counts, expected);
    assert!(counts.iter().sum::<usize>() >= 500, "{counts:?}");
}
