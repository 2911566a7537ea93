//! Reads the server's own frames again, for transports and clients without binary frames.
//! Never: reads a frame of a client; those are masked.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::encode::frame;
use super::message::Opcode;

/// Converts a frame for a client that reads binary messages only as base64: text `b…` of Engine.IO.
///
/// Frames that are not binary stay unchanged.
#[must_use]
pub fn in_base64(sent: Bytes) -> Bytes {
    match server_frame(&sent) {
        Some((Opcode::Binary, message)) => {
            let mut text = String::from("b");
            STANDARD.encode_string(message, &mut text);
            frame(Opcode::Text, text.as_bytes())
        }
        Some(_) | None => sent,
    }
}

/// The opcode and payload of a whole frame that [`crate::websocket::frame`] wrote.
///
/// `None` for anything else, also for a compressed frame.
#[must_use]
pub fn server_frame(frame: &[u8]) -> Option<(Opcode, &[u8])> {
    let (first, rest) = frame.split_first()?;
    let opcode = match first {
        0x81 => Opcode::Text,
        0x82 => Opcode::Binary,
        0x88 => Opcode::Close,
        0x89 => Opcode::Ping,
        0x8a => Opcode::Pong,
        _ => return None,
    };
    let (second, rest) = rest.split_first()?;
    let (length, payload) = match second {
        126 => {
            let (length, payload) = rest.split_first_chunk()?;
            (u64::from(u16::from_be_bytes(*length)), payload)
        }
        127 => {
            let (length, payload) = rest.split_first_chunk()?;
            (u64::from_be_bytes(*length), payload)
        }
        short => (u64::from(*short), rest),
    };
    (payload.len() as u64 == length).then_some((opcode, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_frame_becomes_text_in_base64_and_others_stay() {
        let binary = frame(Opcode::Binary, &[1, 2, 3, 4]);
        assert_eq!(in_base64(binary), frame(Opcode::Text, b"bAQIDBA=="));
        assert_eq!(in_base64(frame(Opcode::Binary, &[])), frame(Opcode::Text, b"b"));
        let text = frame(Opcode::Text, b"4hello");
        assert_eq!(in_base64(text.clone()), text);
    }

    #[test]
    fn written_frame_is_read_back() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; length];
            for opcode in [Opcode::Text, Opcode::Binary] {
                let written = frame(opcode, &payload);
                assert_eq!(server_frame(&written), Some((opcode, payload.as_slice())), "{length}");
                assert_eq!(server_frame(&written[..written.len() - 1]), None, "{length}");
            }
        }
        assert_eq!(server_frame(&[0xc1, 0]), None);
        assert_eq!(server_frame(&[]), None);
    }
}
