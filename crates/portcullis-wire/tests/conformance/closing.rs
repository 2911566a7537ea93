//! Close frames: their codes, their reasons, and the bytes after them.
//! Never: reads bytes after a close frame.

use portcullis_wire::websocket::FrameFault;

use crate::case::{Case, DecodedItem, frame, text};

const GOOD: [u16; 16] = [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
];
const BAD: [u16; 16] =
    [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 9999, 32768, 65535];

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(0x88, &[&code.to_be_bytes(), reason].concat())
}

fn closed(code: u16, reason: &str) -> DecodedItem {
    DecodedItem::Close(Some(code), reason.to_owned())
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for code in GOOD {
        let seen = vec![closed(code, "")];
        cases.push(Case::new(format!("{code}"), &[close(code, b"")], seen));
        let seen = vec![closed(code, "a reason")];
        cases.push(Case::new(format!("{code}, reason"), &[close(code, b"a reason")], seen));
    }
    for code in BAD {
        let fault = vec![DecodedItem::Fault(FrameFault::Close)];
        cases.push(Case::new(format!("{code}, bad"), &[close(code, b"")], fault));
    }
    let longest = "x".repeat(123);
    let none = vec![DecodedItem::Close(None, String::new())];
    let normal = vec![closed(1000, "")];
    let utf8 = vec![DecodedItem::Fault(FrameFault::Utf8)];
    cases.extend([
        Case::new("empty", &[frame(0x88, b"")], none.clone()),
        Case::new("one byte", &[frame(0x88, b"x")], vec![DecodedItem::Fault(FrameFault::Close)]),
        Case::new("longest", &[close(1000, longest.as_bytes())], vec![closed(1000, &longest)]),
        Case::new(
            "too long",
            &[close(1000, &[b'x'; 124])],
            vec![DecodedItem::Fault(FrameFault::ControlTooLong)],
        ),
        Case::new("reason in UTF-8", &[close(1000, "κό".as_bytes())], vec![closed(1000, "κό")]),
        Case::new("reason, no UTF-8", &[close(1000, b"\xce\xba\xff")], utf8.clone()),
        Case::new("reason, cut off", &[close(1000, b"\xce")], utf8),
        Case::new("text behind", &[close(1000, b""), frame(0x81, b"late")], normal.clone()),
        Case::new("ping behind", &[close(1000, b""), frame(0x89, b"")], normal.clone()),
        Case::new("close behind", &[close(1000, b""), close(1001, b"")], normal.clone()),
        Case::new("rubbish behind", &[close(1000, b""), vec![0xff; 300]], normal),
        Case::new("empty, text behind", &[frame(0x88, b""), frame(0x81, b"late")], none),
        Case::new(
            "text before",
            &[frame(0x81, b"first"), close(1000, b"")],
            vec![text("first"), closed(1000, "")],
        ),
    ]);
    cases
}
