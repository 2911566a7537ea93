//! Reads the packets of a client (socket.io-protocol, revision 5).
//! Never: parses JSON.

use super::event_name::NAME_MAX_BYTES;
use crate::packet_fault::PacketFault;

/// Most attachments one packet may announce.
const ATTACHMENTS_MAX: usize = 10;
/// Largest acknowledgement id: exact in every JSON reader.
pub(super) const ACK_MAX: u64 = 9_007_199_254_740_991;

/// A packet from a client (socket.io-protocol, revision 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketPacket<'a> {
    /// Asks to join a namespace.
    Connect {
        /// The namespace, `/` when the packet names none.
        namespace: &'a str,
        /// A JSON object as text.
        payload: Option<&'a str>,
    },
    /// Leaves a namespace.
    Disconnect {
        /// The namespace.
        namespace: &'a str,
    },
    /// An event.
    Event {
        /// The namespace.
        namespace: &'a str,
        /// The id of the requested acknowledgement.
        ack: Option<u64>,
        /// The JSON array as text, not parsed.
        json: &'a str,
    },
    /// An acknowledgement.
    Ack {
        /// The namespace.
        namespace: &'a str,
        /// The id.
        id: u64,
        /// The JSON array as text, not parsed.
        json: &'a str,
    },
    /// An event whose attachments follow as binary messages.
    BinaryEvent {
        /// The namespace.
        namespace: &'a str,
        /// The id of the requested acknowledgement.
        ack: Option<u64>,
        /// How many attachments follow: 1 to 10.
        attachments: usize,
        /// The JSON array as text, not parsed.
        json: &'a str,
    },
    /// An acknowledgement whose attachments follow as binary messages.
    BinaryAck {
        /// The namespace.
        namespace: &'a str,
        /// The id.
        id: u64,
        /// How many attachments follow: 1 to 10.
        attachments: usize,
        /// The JSON array as text, not parsed.
        json: &'a str,
    },
}

/// Reads one packet.
///
/// # Errors
/// A word for the reason.
pub fn decode_socket(text: &str) -> Result<SocketPacket<'_>, PacketFault> {
    let kind = *text.as_bytes().first().ok_or(PacketFault("empty"))?;
    let rest = text.get(1..).ok_or(PacketFault("packet_type"))?;
    let (attachments, rest) = match kind {
        b'5' | b'6' => read_attachments(rest)?,
        _ => (0, rest),
    };
    let (namespace, rest) = read_namespace(rest)?;
    match kind {
        b'0' => {
            let payload = Some(rest).filter(|rest| !rest.is_empty());
            if payload.is_some_and(|text| !is_wrapped(text, '{', '}')) {
                return Err(PacketFault("connect_payload"));
            }
            Ok(SocketPacket::Connect { namespace, payload })
        }
        b'1' if rest.is_empty() => Ok(SocketPacket::Disconnect { namespace }),
        b'1' => Err(PacketFault("disconnect_payload")),
        b'2' => {
            let (ack, json) = read_ack(rest)?;
            read_array(json)?;
            Ok(SocketPacket::Event { namespace, ack, json })
        }
        b'3' => {
            let (id, json) = read_ack(rest)?;
            read_array(json)?;
            let id = id.ok_or(PacketFault("ack_id"))?;
            Ok(SocketPacket::Ack { namespace, id, json })
        }
        b'4' => Err(PacketFault("connect_error")),
        b'5' => {
            let (ack, json) = read_ack(rest)?;
            read_array(json)?;
            Ok(SocketPacket::BinaryEvent { namespace, ack, attachments, json })
        }
        b'6' => {
            let (id, json) = read_ack(rest)?;
            read_array(json)?;
            let id = id.ok_or(PacketFault("ack_id"))?;
            Ok(SocketPacket::BinaryAck { namespace, id, attachments, json })
        }
        _ => Err(PacketFault("packet_type")),
    }
}

/// Reads how many attachments a binary packet announces: one or two digits and a hyphen.
fn read_attachments(text: &str) -> Result<(usize, &str), PacketFault> {
    let fault = PacketFault("attachments");
    let (digits, rest) = match text.bytes().take(3).position(|byte| byte == b'-') {
        Some(at) => (text.get(..at).ok_or(fault)?, text.get(at + 1..).ok_or(fault)?),
        None => return Err(fault),
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    let count: usize = digits.parse().map_err(|_| fault)?;
    if plain && count <= ATTACHMENTS_MAX { Ok((count, rest)) } else { Err(fault) }
}

fn read_namespace(text: &str) -> Result<(&str, &str), PacketFault> {
    if !text.starts_with('/') {
        return Ok(("/", text));
    }
    // Reads only as far as the longest name, so that a packet with one huge name costs little.
    let comma = text.bytes().take(NAME_MAX_BYTES + 1).position(|byte| byte == b',');
    let (name, rest) = match comma {
        Some(at) => (text.get(..at), text.get(at + 1..)),
        None => (Some(text), Some("")),
    };
    let (Some(name), Some(rest)) = (name, rest) else {
        return Err(PacketFault("namespace"));
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-.".contains(&byte);
    if name.len() > NAME_MAX_BYTES || !name.bytes().all(allowed) {
        return Err(PacketFault("namespace"));
    }
    Ok((name, rest))
}

fn read_ack(text: &str) -> Result<(Option<u64>, &str), PacketFault> {
    let digits = text.bytes().take(17).take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Ok((None, text));
    }
    let (Some(number), Some(rest)) = (text.get(..digits), text.get(digits..)) else {
        return Err(PacketFault("ack_id"));
    };
    if digits > 16 || (digits > 1 && number.starts_with('0')) {
        return Err(PacketFault("ack_id"));
    }
    let id: u64 = number.parse().map_err(|_| PacketFault("ack_id"))?;
    if id > ACK_MAX {
        return Err(PacketFault("ack_id"));
    }
    Ok((Some(id), rest))
}

fn read_array(text: &str) -> Result<(), PacketFault> {
    if is_wrapped(text, '[', ']') { Ok(()) } else { Err(PacketFault("payload")) }
}

fn is_wrapped(text: &str, open: char, close: char) -> bool {
    text.len() >= 2 && text.starts_with(open) && text.ends_with(close)
}
