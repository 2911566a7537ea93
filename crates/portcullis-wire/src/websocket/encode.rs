//! Writes messages as frames of a server (RFC 6455 section 5.1: never masked).
//! Never: a fragmented frame, a length longer than needed, an invalid close code.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha1::{Digest, Sha1};

use super::header::CONTROL_MAX_BYTES;
use super::message::{Opcode, is_close_code};

/// RFC 6455 section 1.3.
const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Adds one final frame. Cuts the payload of a control frame at 125 bytes.
pub fn write_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    let payload = sendable(opcode, payload);
    let (header, header_length) = header(opcode, payload.len());
    out.reserve(header_length + payload.len());
    out.extend_from_slice(header.get(..header_length).unwrap_or_default());
    out.extend_from_slice(payload);
}

/// Writes one final frame that all recipients share, in one allocation of its exact size.
#[must_use]
pub fn frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    let (_, header_length) = header(opcode, sendable(opcode, payload).len());
    let mut out = Vec::with_capacity(header_length + sendable(opcode, payload).len());
    write_frame(&mut out, opcode, payload);
    Bytes::from(out)
}

/// Writes a close frame. Cuts the reason at a character within 123 bytes.
///
/// With an invalid code (RFC 6455 section 7.4.1: 1005, 1006, 1015) the frame is empty.
#[must_use]
pub fn close_frame(code: u16, reason: &str) -> Bytes {
    let mut payload = Vec::new();
    if is_close_code(code) {
        let reason_max = usize::from(CONTROL_MAX_BYTES) - 2;
        let reason = reason.get(..reason.floor_char_boundary(reason_max)).unwrap_or_default();
        payload.extend_from_slice(&code.to_be_bytes());
        payload.extend_from_slice(reason.as_bytes());
    }
    frame(Opcode::Close, &payload)
}

/// The value of `Sec-WebSocket-Accept` (RFC 6455 section 4.2.2 item 5.4).
#[must_use]
pub fn accept_key(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(ACCEPT_GUID).finalize())
}

fn sendable(opcode: Opcode, payload: &[u8]) -> &[u8] {
    match opcode {
        Opcode::Text | Opcode::Binary => payload,
        Opcode::Close | Opcode::Ping | Opcode::Pong => {
            payload.get(..usize::from(CONTROL_MAX_BYTES)).unwrap_or(payload)
        }
    }
}

/// A header and its length (RFC 6455 section 5.2).
fn header(opcode: Opcode, length: usize) -> ([u8; 10], usize) {
    let first = 0x80
        | match opcode {
            Opcode::Text => 0x1,
            Opcode::Binary => 0x2,
            Opcode::Close => 0x8,
            Opcode::Ping => 0x9,
            Opcode::Pong => 0xa,
        };
    let [a, b, c, d, e, f, g, h] = (length as u64).to_be_bytes();
    match length {
        0..=125 => ([first, h, 0, 0, 0, 0, 0, 0, 0, 0], 2),
        126..=0xffff => ([first, 126, g, h, 0, 0, 0, 0, 0, 0], 4),
        _ => ([first, 127, a, b, c, d, e, f, g, h], 10),
    }
}
