//! A case: bytes of a client, and the results that the decoder must return.
//! Never: decided by one cut of the bytes alone.

use portcullis_wire::websocket::deflate::Inflater;
use portcullis_wire::websocket::{Decoder, FrameFault, FrameLimits, Message};

/// A result of the decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DecodedItem {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Fault(FrameFault),
}

/// Whether the connection has compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extension {
    None,
    Deflate,
}

pub(crate) struct Case {
    name: String,
    bytes: Vec<u8>,
    expect: Vec<DecodedItem>,
    limits: FrameLimits,
    extension: Extension,
}

pub(crate) const LIMITS: FrameLimits =
    FrameLimits { message_max_bytes: 256 * 1024, fragments_max: 64, assembly_timeout_ms: 1_000 };

/// A client's frame: FIN, reserved bits and opcode in `first`; masked.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

impl Case {
    pub(crate) fn new(
        name: impl Into<String>,
        frames: &[Vec<u8>],
        expect: Vec<DecodedItem>,
    ) -> Self {
        let (name, bytes) = (name.into(), frames.concat());
        Self { name, bytes, expect, limits: LIMITS, extension: Extension::None }
    }

    pub(crate) fn limited(self, message_max_bytes: u32) -> Self {
        Self { limits: FrameLimits { message_max_bytes, ..LIMITS }, ..self }
    }

    pub(crate) fn deflated(self) -> Self {
        Self { extension: Extension::Deflate, ..self }
    }

    /// Decodes the bytes at once, in pieces of every small size, and cut in two at every byte of a
    /// short
    /// case.
    ///
    /// All cases share one inflater, as many connections do.
    pub(crate) fn check(&self, inflater: &mut Inflater) {
        let length = self.bytes.len();
        assert_eq!(self.run(&[&self.bytes], inflater), self.expect, "{} at once", self.name);
        let sizes: &[usize] = match length {
            0..=600 => &[1, 2, 3, 4, 5, 6, 7],
            601..=20_000 => &[1, 7, 61, 997],
            _ => &[61, 997, 4_093],
        };
        for size in sizes {
            let pieces: Vec<_> = self.bytes.chunks(*size).collect();
            assert_eq!(
                self.run(&pieces, inflater),
                self.expect,
                "{} in pieces of {size}",
                self.name
            );
        }
        let cuts: Vec<usize> = match length {
            0..=200 => (1..length).collect(),
            // Inside the header, and before the last byte.
            201..=20_000 => (1..=14).chain([length - 1]).collect(),
            _ => vec![1, 9, length - 1],
        };
        for cut in cuts {
            let (head, tail) = self.bytes.split_at(cut);
            assert_eq!(
                self.run(&[head, tail], inflater),
                self.expect,
                "{} cut at {cut}",
                self.name
            );
        }
    }

    fn run(&self, pieces: &[&[u8]], inflater: &mut Inflater) -> Vec<DecodedItem> {
        let mut decoder = Decoder::new();
        let mut seen = Vec::new();
        let held_max = self.limits.message_max_bytes as usize + 400;
        for piece in pieces {
            let mut piece = piece.to_vec();
            let mut from = 0;
            while from < piece.len() {
                let rest = &mut piece[from..];
                let step = match self.extension {
                    Extension::None => decoder.decode(rest, &self.limits, 0),
                    Extension::Deflate => decoder.decode_deflated(rest, &self.limits, 0, inflater),
                };
                match step {
                    Ok(step) => {
                        from += step.consumed;
                        seen.extend(step.message.map(DecodedItem::from));
                    }
                    Err(fault) => {
                        seen.push(DecodedItem::Fault(fault));
                        return seen;
                    }
                }
                assert!(decoder.held_bytes() <= held_max, "{}", self.name);
            }
        }
        seen
    }
}

impl From<Message<'_>> for DecodedItem {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.to_owned()),
            Message::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Message::Ping(bytes) => Self::Ping(bytes.to_vec()),
            Message::Pong(bytes) => Self::Pong(bytes.to_vec()),
            Message::Close(close) => Self::Close(close.code, close.reason.to_owned()),
        }
    }
}

pub(crate) fn text(text: &str) -> DecodedItem {
    DecodedItem::Text(text.to_owned())
}
