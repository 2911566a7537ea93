//! Frames in every cut: no panic, no more memory than allowed, one outcome.
//! Never: a judgement of what a message says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_wire::websocket::{Decoder, FrameFault, FrameLimits, Message};

const LIMITS: FrameLimits =
    FrameLimits { message_max_bytes: 1_024, fragments_max: 8, assembly_timeout_ms: 10_000 };

fn run<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<String>, Option<FrameFault>) {
    let mut decoder = Decoder::new();
    let mut messages = Vec::new();
    for piece in pieces {
        let mut bytes = piece.to_vec();
        let mut consumed = 0;
        while consumed < bytes.len() {
            match decoder.decode(&mut bytes[consumed..], &LIMITS, 0) {
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

// The first byte says how the rest is cut.
fuzz_target!(|data: &[u8]| {
    let Some((cut, bytes)) = data.split_first() else { return };
    let whole = run(std::iter::once(bytes));
    assert_eq!(run(bytes.chunks(usize::from(*cut).max(1))), whole);
    assert_eq!(run(bytes.chunks(1)), whole);
});
