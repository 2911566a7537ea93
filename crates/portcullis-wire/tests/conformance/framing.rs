//! Whole frames: sizes, pings, reserved bits, opcodes.
//! Never: a message in pieces.

use portcullis_wire::websocket::FrameFault;

use crate::case::{Case, DecodedItem, frame, text};

/// The lengths at which the header changes, and their neighbours.
const SIZES: [usize; 10] = [0, 1, 125, 126, 127, 128, 1000, 65_535, 65_536, 131_072];

pub(crate) fn sizes() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in SIZES {
        let letters = "*".repeat(size);
        let frames = [frame(0x81, letters.as_bytes())];
        cases.push(Case::new(format!("text of {size}"), &frames, vec![text(&letters)]));
        let bytes = vec![0xfe; size];
        let frames = [frame(0x82, &bytes)];
        cases.push(Case::new(
            format!("binary of {size}"),
            &frames,
            vec![DecodedItem::Binary(bytes)],
        ));
    }
    cases
}

pub(crate) fn pings() -> Vec<Case> {
    let ping = |payload: &[u8]| DecodedItem::Ping(payload.to_vec());
    let odd = [0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff];
    let most = [0xfe; 125];
    let mut cases = vec![
        Case::new("ping, empty", &[frame(0x89, b"")], vec![ping(b"")]),
        Case::new("ping, text", &[frame(0x89, b"Hello")], vec![ping(b"Hello")]),
        Case::new("ping, bytes", &[frame(0x89, &odd)], vec![ping(&odd)]),
        Case::new("ping, 125", &[frame(0x89, &most)], vec![ping(&most)]),
        Case::new("pong, empty", &[frame(0x8a, b"")], vec![DecodedItem::Pong(vec![])]),
        Case::new("pong, unasked", &[frame(0x8a, b"x")], vec![DecodedItem::Pong(b"x".to_vec())]),
    ];
    let fault = vec![DecodedItem::Fault(FrameFault::ControlTooLong)];
    for (name, first) in [("ping", 0x89), ("pong", 0x8a)] {
        cases.push(Case::new(format!("{name}, 126"), &[frame(first, &[0; 126])], fault.clone()));
    }
    let pong_then_ping = [frame(0x8a, b"a"), frame(0x89, b"b")];
    let seen = vec![DecodedItem::Pong(b"a".to_vec()), ping(b"b")];
    cases.push(Case::new("pong, then ping", &pong_then_ping, seen));
    for count in [2, 10, 50] {
        let payloads: Vec<_> = (0..count).map(|n| format!("payload {n}").into_bytes()).collect();
        let frames: Vec<_> = payloads.iter().map(|payload| frame(0x89, payload)).collect();
        let seen = payloads.into_iter().map(DecodedItem::Ping).collect();
        cases.push(Case::new(format!("{count} pings at once"), &frames, seen));
    }
    cases
}

/// Every reserved bit on every kind of frame, after a valid message.
pub(crate) fn reserved_bits() -> Vec<Case> {
    let mut cases = Vec::new();
    for opcode in [0x0, 0x1, 0x2, 0x8, 0x9, 0xa] {
        for bits in 1..8_u8 {
            let frames = [frame(0x81, b"fine"), frame(0x80 | (bits << 4) | opcode, b"")];
            let seen = vec![text("fine"), DecodedItem::Fault(FrameFault::ReservedBits)];
            cases.push(Case::new(format!("bits {bits} on {opcode:x}"), &frames, seen));
        }
    }
    cases
}

/// Undefined opcodes: alone, with a payload, after a message, and between pings.
pub(crate) fn opcodes() -> Vec<Case> {
    let mut cases = Vec::new();
    for opcode in [0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        let fault = DecodedItem::Fault(FrameFault::ReservedOpcode);
        let (bare, full) = (frame(0x80 | opcode, b""), frame(0x80 | opcode, b"reserved"));
        let (message, ping) = (frame(0x81, b"fine"), frame(0x89, b""));
        let shapes = [
            (vec![bare.clone()], vec![fault.clone()]),
            (vec![full.clone()], vec![fault.clone()]),
            (vec![message.clone(), bare, ping.clone()], vec![text("fine"), fault.clone()]),
            (
                vec![message, ping.clone(), full, ping],
                vec![text("fine"), DecodedItem::Ping(vec![]), fault],
            ),
        ];
        for (number, (frames, seen)) in shapes.into_iter().enumerate() {
            cases.push(Case::new(format!("opcode {opcode:x}, {number}"), &frames, seen));
        }
    }
    cases
}
