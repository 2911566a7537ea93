//! From an HTTP request to a WebSocket.
//! Never: packets.

pub(crate) mod upgrade; // from request to connection
pub(crate) mod compression; // the negotiated compression of a WebSocket
pub(crate) mod frames; // frames decoded to messages
pub(crate) mod probe; // a WebSocket that takes over a long-polling session
pub(crate) mod control_rate; // the rate of control frames of a WebSocket
