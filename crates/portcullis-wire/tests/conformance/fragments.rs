//! Messages in pieces, and the frames that may and may not occur between the pieces.
//! Never: compressed messages.

use portcullis_wire::websocket::FrameFault;

use crate::case::{Case, DecodedItem, frame, text};

const CONTINUATION: DecodedItem = DecodedItem::Fault(FrameFault::Continuation);

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = good();
    cases.extend(bad());
    cases.extend(many());
    cases
}

fn good() -> Vec<Case> {
    let (start, middle, end) = (frame(0x01, b"one "), frame(0x00, b"two "), frame(0x80, b"three"));
    let ping = frame(0x89, b"p");
    let pinged = DecodedItem::Ping(b"p".to_vec());
    let all = text("one two three");
    let empty = |first| frame(first, b"");
    vec![
        Case::new("two", &[start.clone(), end.clone()], vec![text("one three")]),
        Case::new("three", &[start.clone(), middle.clone(), end.clone()], vec![all.clone()]),
        Case::new(
            "a ping between",
            &[start.clone(), ping.clone(), middle.clone(), ping.clone(), end.clone()],
            vec![pinged.clone(), pinged.clone(), all.clone()],
        ),
        Case::new(
            "a pong between",
            &[start.clone(), frame(0x8a, b""), middle.clone(), end.clone()],
            vec![DecodedItem::Pong(vec![]), all.clone()],
        ),
        Case::new(
            "a close between",
            &[start.clone(), frame(0x88, b""), end.clone()],
            vec![DecodedItem::Close(None, String::new())],
        ),
        Case::new(
            "binary",
            &[frame(0x02, &[0xff]), frame(0x80, &[0xfe])],
            vec![DecodedItem::Binary(vec![0xff, 0xfe])],
        ),
        Case::new("all empty", &[empty(0x01), empty(0x00), empty(0x80)], vec![text("")]),
        Case::new("empty first", &[empty(0x01), frame(0x80, b"x")], vec![text("x")]),
        Case::new("empty last", &[frame(0x01, b"x"), empty(0x80)], vec![text("x")]),
        Case::new(
            "empty middle",
            &[start.clone(), empty(0x00), end.clone()],
            vec![text("one three")],
        ),
        Case::new(
            "two messages",
            &[start.clone(), end.clone(), start, middle, end],
            vec![text("one three"), all],
        ),
        Case::new(
            "large pieces",
            &[frame(0x01, &[b'a'; 70_000]), ping, frame(0x80, &[b'b'; 70_000])],
            vec![pinged, text(&("a".repeat(70_000) + &"b".repeat(70_000)))],
        ),
    ]
}

fn bad() -> Vec<Case> {
    let start = frame(0x01, b"one ");
    let fragmented = DecodedItem::Fault(FrameFault::ControlFragmented);
    let (fine, seen) = (frame(0x81, b"fine"), text("fine"));
    vec![
        Case::new("ping in pieces", &[frame(0x09, b"p")], vec![fragmented.clone()]),
        Case::new("pong in pieces", &[frame(0x0a, b"p")], vec![fragmented.clone()]),
        Case::new("close in pieces", &[frame(0x08, b"")], vec![fragmented.clone()]),
        Case::new("ping in pieces inside", &[start.clone(), frame(0x09, b"")], vec![fragmented]),
        Case::new("nothing to continue", &[frame(0x80, b"x")], vec![CONTINUATION]),
        Case::new("nothing to continue, more", &[frame(0x00, b"x")], vec![CONTINUATION]),
        Case::new("nothing, empty", &[frame(0x80, b"")], vec![CONTINUATION]),
        Case::new(
            "continued after its end",
            &[fine.clone(), frame(0x80, b"x")],
            vec![seen.clone(), CONTINUATION],
        ),
        Case::new(
            "continued after its end, more",
            &[fine.clone(), frame(0x00, b"x"), fine.clone()],
            vec![seen.clone(), CONTINUATION],
        ),
        Case::new("text inside text", &[start.clone(), fine.clone()], vec![CONTINUATION]),
        Case::new("text started inside text", &[start.clone(), start.clone()], vec![CONTINUATION]),
        Case::new("binary inside text", &[start.clone(), frame(0x82, b"")], vec![CONTINUATION]),
        Case::new("text inside binary", &[frame(0x02, b"x"), frame(0x81, b"")], vec![CONTINUATION]),
        Case::new(
            "ping, then text inside",
            &[start.clone(), frame(0x89, b""), fine],
            vec![DecodedItem::Ping(vec![]), CONTINUATION],
        ),
        Case::new(
            "a reserved opcode inside",
            &[start, frame(0x83, b"")],
            vec![DecodedItem::Fault(FrameFault::ReservedOpcode)],
        ),
    ]
}

/// A message in as many pieces as allowed, and in one more. RFC 6455 has no limit (T-217).
fn many() -> Vec<Case> {
    let pieces = |count: usize, size: usize| {
        let mut frames = vec![frame(0x01, &vec![b'x'; size])];
        frames.extend((2..count).map(|_| frame(0x00, &vec![b'x'; size])));
        frames.push(frame(0x80, &vec![b'x'; size]));
        frames
    };
    let mut cases = Vec::new();
    for (count, size) in [(2, 1_000), (8, 256), (16, 64), (64, 1), (64, 1_024)] {
        let whole = text(&"x".repeat(count * size));
        cases.push(Case::new(format!("{count} of {size}"), &pieces(count, size), vec![whole]));
    }
    let fault = vec![DecodedItem::Fault(FrameFault::Fragments)];
    cases.push(Case::new("65 of 1", &pieces(65, 1), fault.clone()));
    cases.push(Case::new("1,000 empty", &pieces(1_000, 0), fault));
    cases
}
