//! Payloads of long-polling: packets with a separator between them.
//! Never: decodes more of a payload than the next packet.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::packet::{EnginePacket, decode};
use crate::packet_fault::PacketFault;

/// The byte between two packets of a polling payload.
pub const SEPARATOR: u8 = 0x1e;

/// One packet of a polling payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolledPacket<'a> {
    /// A text packet.
    Text(EnginePacket<'a>),
    /// `b` and base64: a binary message.
    Binary(Vec<u8>),
}

/// Reads one packet of a polling payload.
///
/// # Errors
/// As [`decode`], and `base64` for a binary message that is not in canonical base64.
pub fn decode_polled(packet: &str) -> Result<PolledPacket<'_>, PacketFault> {
    match packet.strip_prefix('b') {
        Some(base64) => {
            STANDARD.decode(base64).map(PolledPacket::Binary).map_err(|_| PacketFault("base64"))
        }
        None => decode(packet).map(PolledPacket::Text),
    }
}

/// Splits off the next packet of a polling payload. The rest is `None` at the end.
///
/// An empty payload contains one empty packet, which [`decode_polled`] rejects.
#[must_use]
pub fn split_polled(payload: &str) -> (&str, Option<&str>) {
    match payload.split_once(char::from(SEPARATOR)) {
        Some((packet, rest)) => (packet, Some(rest)),
        None => (payload, None),
    }
}

/// Checks a whole polling payload before any of its packets has an effect (T-092).
///
/// Linear in the bytes of the payload, without an allocation.
///
/// # Errors
/// `packets` for more than `packets_max` packets, `size` for one longer than `message_max_bytes`,
/// and the word of [`decode`] for a packet that clients may not send.
pub fn check_polled(
    payload: &str,
    packets_max: usize,
    message_max_bytes: usize,
) -> Result<(), PacketFault> {
    let mut rest = Some(payload);
    let mut packets = 0;
    while let Some(text) = rest {
        let (packet, after) = split_polled(text);
        rest = after;
        packets += 1;
        if packets > packets_max {
            return Err(PacketFault("packets"));
        }
        // Four characters of base64 are three bytes.
        let longest = if packet.starts_with('b') {
            (message_max_bytes / 3 + 1).saturating_mul(4)
        } else {
            message_max_bytes
        };
        if packet.len() > longest.saturating_add(1) {
            return Err(PacketFault("size"));
        }
        match packet.as_bytes().first() {
            None => return Err(PacketFault("empty")),
            Some(b'1' | b'3' | b'4' | b'b') => {}
            Some(_) => return Err(PacketFault("engine_type")),
        }
    }
    Ok(())
}

/// Adds a packet to a polling payload.
pub fn push_polled(payload: &mut Vec<u8>, packet: &[u8]) {
    if !payload.is_empty() {
        payload.push(SEPARATOR);
    }
    payload.extend_from_slice(packet);
}

/// Adds a binary message to a polling payload.
pub fn push_polled_binary(payload: &mut Vec<u8>, message: &[u8]) {
    push_polled(payload, b"b");
    payload.extend_from_slice(STANDARD.encode(message).as_bytes());
}
