//! permessage-deflate (RFC 7692): messages of many sizes, whole and in pieces, and invalid ones.
//! Never: context takeover from one message to the next.

use flate2::{Compress, Compression, FlushCompress};
use portcullis_wire::websocket::deflate::Deflater;
use portcullis_wire::websocket::{self, FrameFault, Opcode};

use crate::case::{Case, DecodedItem, frame, text};

const SIZES: [usize; 10] = [0, 1, 16, 64, 256, 1024, 4096, 8192, 32_768, 131_072];

/// The largest size, used with one kind only because it takes long.
fn kinds_and_sizes() -> impl Iterator<Item = (Kind, usize)> {
    let all = SIZES.into_iter().flat_map(|size| Kind::ALL.map(|kind| (kind, size)));
    all.filter(|(kind, size)| *size < 100_000 || matches!(kind, Kind::Words))
}

/// The content of messages.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Compresses like text, about three to one.
    Words,
    /// Compresses like text, with characters of two to four bytes.
    Script,
    /// Long repetitions, below the ratio of a bomb.
    Repeated,
    /// Does not compress.
    Noise,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Words, Self::Script, Self::Repeated, Self::Noise];

    fn is_text(self) -> bool {
        !matches!(self, Self::Noise)
    }

    /// At most `size` bytes, cut at a character.
    fn payload(self, size: usize) -> Vec<u8> {
        let known: &[&str] = match self {
            Self::Words => &["socket", "frame ", "mask, ", "close\n", "ping: ", "text  "],
            Self::Script => &["Straße ", "κόσμος ", "日本語", "👩‍👧 ", "привет "],
            Self::Repeated => &["a", "bb"],
            Self::Noise => return numbers().map(|number| number as u8).take(size).collect(),
        };
        let mut text = String::new();
        for number in numbers() {
            if text.len() >= size {
                break;
            }
            let word = known[number as usize % known.len()];
            match self {
                Self::Repeated => text.push_str(&word.repeat(150)),
                _ => text.push_str(word),
            }
            text.push(char::from(b'a' + (number >> 8) as u8 % 26));
        }
        text.truncate(text.floor_char_boundary(size));
        text.into_bytes()
    }

    fn seen(self, payload: &[u8]) -> DecodedItem {
        match self {
            Self::Noise => DecodedItem::Binary(payload.to_vec()),
            _ => text(std::str::from_utf8(payload).unwrap()),
        }
    }

    /// The first byte of a frame that is a whole message.
    fn first(self) -> u8 {
        if self.is_text() { 0x81 } else { 0x82 }
    }
}

/// Bytes without a pattern, the same in every run.
fn numbers() -> impl Iterator<Item = u32> {
    let mut state = 7_u64;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as u32
    })
}

fn deflate(payload: &[u8], level: Compression) -> Vec<u8> {
    let mut state = Compress::new(level, false);
    let mut output = Vec::with_capacity(payload.len() * 2 + 64);
    state.compress_vec(payload, &mut output, FlushCompress::Sync).unwrap();
    output.strip_suffix(&[0, 0, 0xff, 0xff]).unwrap().to_vec()
}

/// Compresses like a peer with a small window: no distance exceeds the window.
fn deflate_within(payload: &[u8], window: usize) -> Vec<u8> {
    let mut state = Compress::new(Compression::fast(), false);
    let mut output = Vec::with_capacity(payload.len() * 2 + 64);
    for part in payload.chunks(window) {
        output.reserve(window * 2 + 64);
        state.compress_vec(part, &mut output, FlushCompress::Full).unwrap();
    }
    output.strip_suffix(&[0, 0, 0xff, 0xff]).unwrap().to_vec()
}

fn in_pieces(first: u8, payload: &[u8], pieces: usize) -> Vec<Vec<u8>> {
    let size = payload.len().div_ceil(pieces).max(1);
    let mut frames: Vec<_> = payload.chunks(size).map(|piece| frame(0x00, piece)).collect();
    frames.push(frame(0x80, b""));
    frames[0][0] = first;
    frames
}

/// Every kind in every size: whole, in pieces, and with the best compression.
pub(crate) fn messages() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, size) in kinds_and_sizes() {
        let name = format!("{kind:?} of {size}");
        let payload = kind.payload(size);
        let seen = vec![kind.seen(&payload)];
        let (compressed, plain) = (kind.first() | 0x40, kind.first());
        let fast = deflate(&payload, Compression::fast());
        let best = deflate(&payload, Compression::best());
        let stored = deflate(&payload, Compression::none());
        let shapes = [
            ("whole", vec![frame(compressed, &fast)]),
            ("in pieces", in_pieces(compressed & 0x7f, &best, 7)),
            ("stored", vec![frame(compressed, &stored)]),
            ("not compressed", vec![frame(plain, &payload)]),
        ];
        for (shape, frames) in shapes {
            cases.push(Case::new(format!("{name}, {shape}"), &frames, seen.clone()));
        }
    }
    cases.into_iter().map(Case::deflated).collect()
}

/// Peers with a window of 8 to 15 bits, which the largest window can read.
pub(crate) fn windows() -> Vec<Case> {
    let mut cases = Vec::new();
    for bits in 8..=15 {
        for size in [1024, 8192, 65_536] {
            let payload = Kind::Words.payload(size);
            let frames = [frame(0xc1, &deflate_within(&payload, 1 << bits))];
            let seen = vec![Kind::Words.seen(&payload)];
            cases.push(Case::new(format!("{size} within {bits} bits"), &frames, seen));
        }
    }
    cases.into_iter().map(Case::deflated).collect()
}

/// Frames of our compressor, masked: they are decoded to the same message, without a context.
pub(crate) fn ours() -> Vec<Case> {
    let mut deflater = Deflater::default();
    let mut cases = Vec::new();
    for (kind, size) in kinds_and_sizes() {
        let payload = kind.payload(size);
        let opcode = if kind.is_text() { Opcode::Text } else { Opcode::Binary };
        let sent = deflater.frame(opcode, &payload);
        let sent = sent.unwrap_or_else(|| websocket::frame(opcode, &payload));
        assert!(sent.len() <= payload.len() + 10);
        let frames = [as_client(&sent), as_client(&sent)];
        let seen = vec![kind.seen(&payload); 2];
        cases.push(Case::new(format!("our {kind:?} of {size}"), &frames, seen));
    }
    cases.into_iter().map(Case::deflated).collect()
}

fn as_client(sent: &[u8]) -> Vec<u8> {
    let header = match sent[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    frame(sent[0], &sent[header..])
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = beside();
    cases.extend(wrong());
    cases.into_iter().map(Case::deflated).collect()
}

/// Messages that compression does not change.
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
        Case::new("nothing at all", &[frame(0xc1, b"")], vec![text("")]),
        Case::new("a last block alone", &[frame(0xc1, &last_block[..7])], vec![text("Hello")]),
        Case::new(
            "two last blocks",
            &[frame(0xc1, &[&last_block[..7], &last_block].concat())],
            vec![text("HelloHello")],
        ),
        Case::new(
            "not compressed, then in pieces",
            &[&[frame(0x82, b"plain")], &in_pieces(0x41, &hello, 3)[..]].concat(),
            vec![DecodedItem::Binary(b"plain".to_vec()), text("Hello")],
        ),
        Case::new(
            "pieces, all but the first empty",
            &[frame(0x41, &hello), frame(0x00, b""), frame(0x80, b"")],
            vec![text("Hello")],
        ),
        Case::new(
            "pieces, the first empty",
            &[frame(0x41, b""), frame(0x80, &hello)],
            vec![text("Hello")],
        ),
        Case::new(
            "a close between",
            &[frame(0x41, &hello[..3]), frame(0x88, b"\x03\xe8"), frame(0x80, &hello[3..])],
            vec![DecodedItem::Close(Some(1000), String::new())],
        ),
        Case::new("a ping between", &pinged, vec![DecodedItem::Ping(b"p".to_vec()), text("Hello")]),
        Case::new(
            "characters cut by pieces",
            &in_pieces(0x41, &deflate("日本語".as_bytes(), Compression::fast()), 9),
            vec![text("日本語")],
        ),
    ]
}

fn wrong() -> Vec<Case> {
    let hello = deflate(b"Hello", Compression::fast());
    let fault = |fault| vec![DecodedItem::Fault(fault)];
    let bits = || fault(FrameFault::ReservedBits);
    let bomb = deflate(&vec![0; 1_000_000], Compression::best());
    let no_text = deflate(b"\xff\xfe", Compression::fast());
    let half = deflate(b"caf\xc3", Compression::fast());
    let even = Kind::Words.payload(4096);
    let all = deflate(&even, Compression::fast());
    let odd = deflate(&Kind::Words.payload(4097), Compression::fast());
    let started = frame(0x41, &hello);
    vec![
        Case::new("a ping with the bit", &[frame(0xc9, b"")], bits()),
        Case::new("a pong with the bit", &[frame(0xca, b"")], bits()),
        Case::new("a close with the bit", &[frame(0xc8, b"")], bits()),
        Case::new("a continuation with the bit", &[started, frame(0xc0, b"")], bits()),
        Case::new("the second bit", &[frame(0xa1, b"")], bits()),
        Case::new("the third bit", &[frame(0x91, b"")], bits()),
        Case::new("two bits", &[frame(0xe1, &hello)], bits()),
        Case::new("no DEFLATE", &[frame(0xc1, b"hello world")], fault(FrameFault::Deflate)),
        Case::new("all ones", &[frame(0xc1, &[0xff; 8])], fault(FrameFault::Deflate)),
        Case::new("cut short", &[frame(0xc1, &hello[..3])], fault(FrameFault::Deflate)),
        Case::new(
            "cut short, then the next",
            &[frame(0xc1, &hello[..hello.len() - 1]), frame(0xc1, &hello)],
            fault(FrameFault::Deflate),
        ),
        Case::new(
            "the bytes a sender takes off",
            &[frame(0xc1, &[&hello[..], &[0, 0, 0xff, 0xff]].concat())],
            fault(FrameFault::Deflate),
        ),
        Case::new(
            "a context taken over",
            &[frame(0xc1, &hello), frame(0xc1, &[0xf2, 0x00, 0x11, 0x00, 0x00])],
            vec![text("Hello"), DecodedItem::Fault(FrameFault::Deflate)],
        ),
        Case::new(
            "seventeen streams",
            &[frame(0xc1, &[0x03, 0x00].repeat(17))],
            fault(FrameFault::Deflate),
        ),
        Case::new(
            "compressed text inside text",
            &[frame(0x01, b"one"), frame(0xc1, &hello)],
            fault(FrameFault::Continuation),
        ),
        Case::new(
            "a reserved opcode with the bit",
            &[frame(0xc3, b"")],
            fault(FrameFault::ReservedBits),
        ),
        Case::new("a character cut off inside", &[frame(0xc1, &half)], fault(FrameFault::Utf8)),
        Case::new(
            "too many pieces",
            &[&[frame(0x41, b"")], &vec![frame(0x00, b""); 64][..]].concat(),
            fault(FrameFault::Fragments),
        ),
        Case::new("just large enough", &[frame(0xc2, &all)], vec![DecodedItem::Binary(even)])
            .limited(4096),
        Case::new("one byte too large", &[frame(0xc2, &odd)], fault(FrameFault::TooLarge))
            .limited(4096),
        Case::new("no UTF-8 inside", &[frame(0xc1, &no_text)], fault(FrameFault::Utf8)),
        Case::new("a bomb", &[frame(0xc1, &bomb)], fault(FrameFault::Ratio)),
        Case::new("a bomb over the limit", &[frame(0xc2, &bomb)], fault(FrameFault::TooLarge))
            .limited(4096),
    ]
}
