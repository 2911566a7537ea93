//! permessage-deflate (RFC 7692): messages of many sizes, whole and in pieces, and what is wrong.
//! Never: a context taken over from one message to the next.

use flate2::{Compress, Compression, FlushCompress};
use portcullis_wire::websocket::FrameFault;

use crate::case::{Case, Seen, frame, text};

const SIZES: [usize; 10] = [0, 1, 16, 64, 256, 1024, 4096, 8192, 32_768, 131_072];

/// Words that compress as text does: about three to one.
fn words(size: usize) -> String {
    let mut state = 7_u32;
    let mut words = String::new();
    while words.len() < size {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        let known = ["socket", "frame ", "mask, ", "close\n", "ping: ", "text  "];
        words.push_str(known[(state >> 16) as usize % known.len()]);
        words.push(char::from(b'a' + (state >> 24) as u8 % 26));
    }
    words.truncate(size);
    words
}

fn deflate(payload: &[u8], level: Compression) -> Vec<u8> {
    let mut state = Compress::new(level, false);
    let mut output = Vec::with_capacity(payload.len() * 2 + 64);
    state.compress_vec(payload, &mut output, FlushCompress::Sync).unwrap();
    output.strip_suffix(&[0, 0, 0xff, 0xff]).unwrap().to_vec()
}

fn in_pieces(first: u8, payload: &[u8], pieces: usize) -> Vec<Vec<u8>> {
    let size = payload.len().div_ceil(pieces).max(1);
    let mut frames: Vec<_> = payload.chunks(size).map(|piece| frame(0x00, piece)).collect();
    frames.push(frame(0x80, b""));
    frames[0][0] = first;
    frames
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in SIZES {
        let words = words(size);
        for (name, level) in [("fast", Compression::fast()), ("best", Compression::best())] {
            let payload = deflate(words.as_bytes(), level);
            let frames = [frame(0xc1, &payload)];
            cases.push(Case::new(format!("text of {size}, {name}"), &frames, vec![text(&words)]));
            let frames = in_pieces(0x42, &payload, 7);
            let seen = vec![Seen::Binary(words.clone().into_bytes())];
            cases.push(Case::new(format!("binary of {size}, {name}, in pieces"), &frames, seen));
        }
    }
    cases.extend(beside());
    cases.extend(wrong());
    cases.into_iter().map(Case::deflated).collect()
}

/// What compression leaves as it is.
fn beside() -> Vec<Case> {
    let hello = deflate(b"Hello", Compression::fast());
    let twice = [frame(0xc1, &hello), frame(0xc1, &hello)];
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    let last_block = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let mut pinged = in_pieces(0x41, &hello, 2);
    pinged.insert(1, frame(0x89, b"p"));
    vec![
        Case::new("not compressed", &[frame(0x81, b"plain")], vec![text("plain")]),
        Case::new("twice the same", &twice, vec![text("Hello"), text("Hello")]),
        Case::new(
            "compressed, then not",
            &[frame(0xc1, &hello), frame(0x81, b"plain")],
            vec![text("Hello"), text("plain")],
        ),
        Case::new("a stored block", &[frame(0xc1, &stored)], vec![text("Hello")]),
        Case::new("a last block", &[frame(0xc1, &last_block)], vec![text("Hello")]),
        Case::new("an empty block", &[frame(0xc1, &[0x02, 0x00])], vec![text("")]),
        Case::new("a ping between", &pinged, vec![Seen::Ping(b"p".to_vec()), text("Hello")]),
        Case::new(
            "characters cut by pieces",
            &in_pieces(0x41, &deflate("日本語".as_bytes(), Compression::fast()), 9),
            vec![text("日本語")],
        ),
    ]
}

fn wrong() -> Vec<Case> {
    let hello = deflate(b"Hello", Compression::fast());
    let fault = |fault| vec![Seen::Fault(fault)];
    let bits = || fault(FrameFault::ReservedBits);
    let bomb = deflate(&vec![0; 1_000_000], Compression::best());
    let no_text = deflate(b"\xff\xfe", Compression::fast());
    let begun = frame(0x41, &hello);
    vec![
        Case::new("a ping with the bit", &[frame(0xc9, b"")], bits()),
        Case::new("a pong with the bit", &[frame(0xca, b"")], bits()),
        Case::new("a close with the bit", &[frame(0xc8, b"")], bits()),
        Case::new("a continuation with the bit", &[begun, frame(0xc0, b"")], bits()),
        Case::new("the second bit", &[frame(0xa1, b"")], bits()),
        Case::new("the third bit", &[frame(0x91, b"")], bits()),
        Case::new("two bits", &[frame(0xe1, &hello)], bits()),
        Case::new("no DEFLATE", &[frame(0xc1, b"hello world")], fault(FrameFault::Deflate)),
        Case::new("all ones", &[frame(0xc1, &[0xff; 8])], fault(FrameFault::Deflate)),
        Case::new("no UTF-8 inside", &[frame(0xc1, &no_text)], fault(FrameFault::Utf8)),
        Case::new("a bomb", &[frame(0xc1, &bomb)], fault(FrameFault::Ratio)),
        Case::new("a bomb over the limit", &[frame(0xc2, &bomb)], fault(FrameFault::TooLarge))
            .limited(4096),
    ]
}
