//! The load to plan for: connections, messages, rooms.
//! Never: a default that an answer does not print.

use serde::Serialize;

/// The load to plan for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Workload {
    /// Connections that are open at a time.
    pub(crate) connections: Option<u64>,
    /// Messages that all clients send in a second.
    pub(crate) messages: Option<f64>,
    /// Members of the room of a message; each of them gets it.
    pub(crate) members: u64,
    /// The part of the messages that is stored, in percent.
    pub(crate) stored_percent: f64,
    /// Length of the text of a message.
    pub(crate) text_bytes: u64,
}

/// What a message has on the wire beside its text: names and ids of the event in JSON, and the
/// headers of WebSocket, TLS, TCP and IP.
const ENVELOPE_BYTES: u64 = 400;

impl Workload {
    /// The part of the messages that is stored, from 0 to 1.
    pub(crate) fn stored(&self) -> f64 {
        self.stored_percent / 100.0
    }

    /// Bytes that one message moves: once in, and out to each member.
    pub(crate) fn wire_bytes(&self) -> f64 {
        (self.text_bytes + ENVELOPE_BYTES) as f64 * (self.members as f64 + 1.0)
    }
}
