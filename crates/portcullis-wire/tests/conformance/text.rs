//! Valid and invalid UTF-8 (RFC 3629), whole and in pieces.
//! Never: a decision later than the byte that causes it.

use portcullis_wire::websocket::FrameFault;

use crate::case::{Case, DecodedItem, frame, text};

const FAULT: DecodedItem = DecodedItem::Fault(FrameFault::Utf8);

/// First, last and unusual characters of every length, and words in several scripts.
const GOOD: [&str; 60] = [
    "",
    "a",
    "Hello",
    "\u{0}",
    "\u{7f}",
    "\u{80}",
    "\u{7ff}",
    "\u{800}",
    "\u{fff}",
    "\u{1000}",
    "\u{cfff}",
    "\u{d000}",
    "\u{d7ff}",
    "\u{e000}",
    "\u{fffd}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{feff}",
    "\u{10000}",
    "\u{1fffe}",
    "\u{1ffff}",
    "\u{2fffe}",
    "\u{2ffff}",
    "\u{3fffe}",
    "\u{3ffff}",
    "\u{4fffe}",
    "\u{4ffff}",
    "\u{5fffe}",
    "\u{5ffff}",
    "\u{6fffe}",
    "\u{6ffff}",
    "\u{7fffe}",
    "\u{7ffff}",
    "\u{8fffe}",
    "\u{8ffff}",
    "\u{9fffe}",
    "\u{9ffff}",
    "\u{afffe}",
    "\u{affff}",
    "\u{bfffe}",
    "\u{bffff}",
    "\u{cfffe}",
    "\u{cffff}",
    "\u{dfffe}",
    "\u{dffff}",
    "\u{efffe}",
    "\u{effff}",
    "\u{ffffe}",
    "\u{fffff}",
    "\u{10fffe}",
    "\u{10ffff}",
    "κόσμε",
    "Grüße",
    "日本語",
    "שלום",
    "مرحبا",
    "नमस्ते",
    "👩‍👩‍👧",
    "e\u{301}",
    "\u{202e}abc",
];

/// Invalid UTF-8, whatever follows.
const BAD: [&[u8]; 66] = [
    b"\x80",
    b"\xbf",
    b"\x80\xbf",
    b"\x80\xbf\x80",
    b"\x80\xbf\x80\xbf",
    b"\x80\xbf\x80\xbf\x80",
    b"\x80\xbf\x80\xbf\x80\xbf",
    b"\xc0",
    b"\xc1",
    b"\xf5",
    b"\xf6",
    b"\xf7",
    b"\xf8",
    b"\xf9",
    b"\xfa",
    b"\xfb",
    b"\xfc",
    b"\xfd",
    b"\xfe",
    b"\xff",
    b"\xfe\xfe\xff\xff",
    // A character that another one truncates.
    b"\xc2a",
    b"\xdf ",
    b"\xe0\xa0a",
    b"\xe1a",
    b"\xef\xbfa",
    b"\xf0\x90\x80a",
    b"\xf1\x80a",
    b"\xf4\x80\x80\xc2\x80",
    b"\xe1\x80\xe1\x80\x80",
    b"\xf1\x80\x80\xf1",
    // Overlong encodings.
    b"\xc0\xaf",
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xf8\x80\x80\x80\xaf",
    b"\xfc\x80\x80\x80\x80\xaf",
    b"\xc1\xbf",
    b"\xe0\x9f\xbf",
    b"\xf0\x8f\xbf\xbf",
    b"\xf8\x87\xbf\xbf\xbf",
    b"\xfc\x83\xbf\xbf\xbf\xbf",
    b"\xc0\x80",
    b"\xe0\x80\x80",
    b"\xf0\x80\x80\x80",
    b"\xf8\x80\x80\x80\x80",
    b"\xfc\x80\x80\x80\x80\x80",
    // Halves of surrogate pairs, alone and together.
    b"\xed\xa0\x80",
    b"\xed\xad\xbf",
    b"\xed\xae\x80",
    b"\xed\xaf\xbf",
    b"\xed\xb0\x80",
    b"\xed\xbe\x80",
    b"\xed\xbf\xbf",
    b"\xed\xa0\x80\xed\xb0\x80",
    b"\xed\xa0\x80\xed\xbf\xbf",
    b"\xed\xad\xbf\xed\xb0\x80",
    b"\xed\xad\xbf\xed\xbf\xbf",
    b"\xed\xae\x80\xed\xb0\x80",
    b"\xed\xaf\xbf\xed\xb0\x80",
    b"\xed\xaf\xbf\xed\xbf\xbf",
    // Beyond U+10FFFF.
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xf7\xbf\xbf\xbf",
    b"\xf8\x88\x80\x80\x80",
    b"\xfb\xbf\xbf\xbf\xbf",
    b"\xfd\xbf\xbf\xbf\xbf\xbf",
];

pub(crate) fn whole() -> Vec<Case> {
    let good = GOOD.iter().map(|good| {
        let frames = [frame(0x81, good.as_bytes())];
        Case::new(format!("good {good:?}"), &frames, vec![text(good)])
    });
    let bad = BAD.iter().map(|bad| {
        let around = [b"before ".as_slice(), bad, b" after"].concat();
        Case::new(format!("bad {bad:x?}"), &[frame(0x81, &around)], vec![FAULT])
    });
    good.chain(bad).collect()
}

/// Cut inside characters; and a fault that is found before the message ends.
pub(crate) fn in_pieces() -> Vec<Case> {
    let good = GOOD.iter().filter(|good| good.len() > 1).map(|good| {
        let bytes = good.as_bytes();
        let mut frames = vec![frame(0x01, &bytes[..1])];
        frames.extend(bytes[1..].iter().map(|byte| frame(0x00, &[*byte])));
        frames.push(frame(0x80, b""));
        Case::new(format!("good, byte by byte {good:?}"), &frames, vec![text(good)])
    });
    let unended = BAD.iter().map(|bad| {
        let frames = [frame(0x01, b"started "), frame(0x00, &[bad, b"a".as_slice()].concat())];
        Case::new(format!("bad, at once {bad:x?}"), &frames, vec![FAULT])
    });
    let cut_off = [&b"\xc3"[..], b"\xe2\x82", b"\xf0\x9f\x91"];
    let cut_off = cut_off
        .iter()
        .map(|bytes| Case::new(format!("cut off {bytes:x?}"), &[frame(0x81, bytes)], vec![FAULT]));
    good.chain(unended).chain(cut_off).collect()
}
