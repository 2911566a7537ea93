//! Why a packet of Engine.IO, Socket.IO or the plain form is rejected.
//! Never: bytes of the packet.

/// Why a packet is rejected, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketFault(pub &'static str);
