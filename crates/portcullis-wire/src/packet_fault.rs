//! Why a packet of Engine.IO, Socket.IO or the plain form is rejected.
//! Never: bytes of the packet.

/// What is wrong with a packet, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketFault(pub &'static str);
