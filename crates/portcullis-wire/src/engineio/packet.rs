//! Reads one packet (engine.io-protocol, revision 4).
//! Never: reads the message of the layer above.

use crate::packet_fault::PacketFault;

/// A packet of the engine.io-protocol, revision 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnginePacket<'a> {
    /// `0`: only a server sends it.
    Open,
    /// `1`: the peer ends the session.
    Close,
    /// `2`: only a server sends it, except for the probe of an upgrade.
    Ping(&'a str),
    /// `3`: the answer to our ping.
    Pong(&'a str),
    /// `4`: a message of the layer above.
    Message(&'a str),
    /// `5`: the transport changes.
    Upgrade,
    /// `6`: nothing.
    Noop,
}

/// Reads one packet.
///
/// # Errors
/// A word for the reason: `empty`, `engine_type`, `engine_data`.
pub fn decode(text: &str) -> Result<EnginePacket<'_>, PacketFault> {
    let Some(kind) = text.as_bytes().first() else {
        return Err(PacketFault("empty"));
    };
    let data = text.get(1..).ok_or(PacketFault("engine_type"))?;
    let bare = |packet| if data.is_empty() { Ok(packet) } else { Err(PacketFault("engine_data")) };
    match kind {
        b'0' => Ok(EnginePacket::Open),
        b'1' => bare(EnginePacket::Close),
        b'2' => Ok(EnginePacket::Ping(data)),
        b'3' => Ok(EnginePacket::Pong(data)),
        b'4' => Ok(EnginePacket::Message(data)),
        b'5' => bare(EnginePacket::Upgrade),
        b'6' => bare(EnginePacket::Noop),
        _ => Err(PacketFault("engine_type")),
    }
}
