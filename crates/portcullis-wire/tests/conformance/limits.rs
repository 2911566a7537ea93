//! Sizes over the limit, decided on the header; invalid lengths and masks.
//! Never: needs a byte of payload for the decision.

use portcullis_wire::websocket::FrameFault;

use crate::case::{Case, DecodedItem, frame, text};

const LIMIT: usize = 4096;

fn fault(fault: FrameFault) -> Vec<DecodedItem> {
    vec![DecodedItem::Fault(fault)]
}

/// A header that announces `length` bytes, without a payload.
fn header(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first, 0x80 | 127];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in [LIMIT - 1, LIMIT] {
        let letters = "x".repeat(size);
        cases.push(Case::new(
            format!("{size}"),
            &[frame(0x81, letters.as_bytes())],
            vec![text(&letters)],
        ));
    }
    for size in [LIMIT + 1, 8192, 65_535, 65_536, 131_072] {
        for first in [0x81, 0x82, 0x01] {
            let frames = [frame(first, &vec![b'x'; size])];
            let name = format!("{size} with {first:x}");
            cases.push(Case::new(name, &frames, fault(FrameFault::TooLarge)));
        }
    }
    for promised in [1 << 20, 1 << 32, 1 << 62, (1 << 63) - 1] {
        let frames = [header(0x82, promised)];
        cases.push(Case::new(format!("promised {promised}"), &frames, fault(FrameFault::TooLarge)));
    }
    // Over the limit by the sum of the pieces; the last can be one byte.
    let half = vec![b'x'; LIMIT / 2];
    let (start, end) = (frame(0x01, &half), frame(0x80, &half));
    let whole = vec![text(&"x".repeat(LIMIT))];
    cases.push(Case::new("two halves", &[start.clone(), end], whole));
    let frames = [start.clone(), frame(0x00, &half), frame(0x80, b"x")];
    cases.push(Case::new("two halves and one", &frames, fault(FrameFault::TooLarge)));
    let frames = [start, header(0x80, 1 << 40)];
    cases.push(Case::new("a promise behind a half", &frames, fault(FrameFault::TooLarge)));
    cases.extend(spelled_wrong());
    cases.into_iter().map(|case| case.limited(u32::try_from(LIMIT).unwrap())).collect()
}

fn spelled_wrong() -> Vec<Case> {
    let mut cases = Vec::new();
    let length = fault(FrameFault::Length);
    for (name, bytes) in [
        ("125 in two bytes", vec![0x81, 0xfe, 0, 125]),
        ("0 in two bytes", vec![0x81, 0xfe, 0, 0]),
        ("1 in eight bytes", header(0x81, 1)),
        ("65,535 in eight bytes", header(0x81, 65_535)),
        ("the highest bit", header(0x81, 1 << 63)),
    ] {
        cases.push(Case::new(name, &[bytes], length.clone()));
    }
    let unmasked = fault(FrameFault::Unmasked);
    for (name, bytes) in [
        ("text, no mask", vec![0x81, 1, b'x']),
        ("empty, no mask", vec![0x81, 0]),
        ("ping, no mask", vec![0x89, 0]),
    ] {
        cases.push(Case::new(name, &[bytes], unmasked.clone()));
    }
    // A mask of zeros is valid.
    let zeros = vec![0x81, 0x82, 0, 0, 0, 0, b'o', b'k'];
    cases.push(Case::new("a mask of zeros", &[zeros], vec![text("ok")]));
    cases
}
