//! Frames in every cut: no panic, no more memory than allowed, one outcome.
//! Never: a judgement of what a message says.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use portcullis_wire::websocket::deflate::{Deflater, Inflater, negotiate};
use portcullis_wire::websocket::{Decoder, FrameFault, FrameLimits, Message, Opcode};

const LIMITS: FrameLimits =
    FrameLimits { message_max_bytes: 1_024, fragments_max: 8, assembly_timeout_ms: 10_000 };

thread_local! {
    // As in the server: every connection of a thread has the same.
    static INFLATER: RefCell<Inflater> = RefCell::default();
    static DEFLATER: RefCell<Deflater> = RefCell::default();
}

/// Whether compression was agreed.
#[derive(Clone, Copy)]
enum Extension {
    None,
    Deflate,
}

fn run<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    extension: Extension,
) -> (Vec<String>, Option<FrameFault>) {
    INFLATER.with_borrow_mut(|inflater| run_with(pieces, extension, inflater))
}

fn run_with<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    extension: Extension,
    inflater: &mut Inflater,
) -> (Vec<String>, Option<FrameFault>) {
    let mut decoder = Decoder::new();
    let mut messages = Vec::new();
    for piece in pieces {
        let mut bytes = piece.to_vec();
        let mut consumed = 0;
        while consumed < bytes.len() {
            let rest = &mut bytes[consumed..];
            let step = match extension {
                Extension::None => decoder.decode(rest, &LIMITS, 0),
                Extension::Deflate => decoder.decode_deflated(rest, &LIMITS, 0, inflater),
            };
            match step {
                Ok(step) => {
                    assert!(step.consumed > 0);
                    consumed += step.consumed;
                    if let Some(message) = step.message {
                        assert!(size_of_message(&message) <= 1_024);
                        messages.push(format!("{message:?}"));
                    }
                }
                Err(fault) => return (messages, Some(fault)),
            }
            assert!(decoder.held_bytes() <= 1_024 + 400);
        }
    }
    (messages, None)
}

fn size_of_message(message: &Message<'_>) -> usize {
    match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
        Message::Close(close) => close.reason.len(),
    }
}

/// What we compress is smaller, and a peer reads it as it was.
fn sent(payload: &[u8]) {
    let payload = &payload[..payload.len().min(1_024)];
    let frame = DEFLATER.with_borrow_mut(|deflater| deflater.frame(Opcode::Binary, payload));
    let Some(frame) = frame else { return };
    // Less than 1,024 bytes, so that the header is two bytes or four; masked with zeros.
    let (header, body) = frame.split_at(if frame[1] == 126 { 4 } else { 2 });
    assert!(body.len() < payload.len());
    let mut masked = header.to_vec();
    masked[1] |= 0x80;
    masked.extend_from_slice(&[0; 4]);
    masked.extend_from_slice(body);
    let (messages, fault) = run([&masked[..]].into_iter(), Extension::Deflate);
    // A ratio no person comes near is refused from 4 KiB on, which these are short of.
    assert_eq!(fault, None);
    assert_eq!(messages, [format!("{:?}", Message::Binary(payload))]);
}

// The first byte says how the rest is cut, and by its highest bit whether compression was agreed.
fuzz_target!(|data: &[u8]| {
    let Some((first, bytes)) = data.split_first() else { return };
    let extension = if first & 0x80 == 0 { Extension::None } else { Extension::Deflate };
    let cut = usize::from(first & 0x7f).max(1);
    let whole = run(std::iter::once(bytes), extension);
    assert_eq!(run(bytes.chunks(cut), extension), whole);
    assert_eq!(run(bytes.chunks(1), extension), whole);
    if let Extension::Deflate = extension {
        sent(bytes);
        if let Some(agreement) = negotiate(bytes.split(|byte| *byte == b'\n')) {
            assert!((9..=15).contains(&agreement.server_window_bits));
        }
    }
});
