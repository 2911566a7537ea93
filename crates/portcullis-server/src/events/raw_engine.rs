//! Engine.IO without Socket.IO, for tests of that protocol.
//! Never: active unless a program registers it; only the size of its messages is checked.

use bytes::Bytes;

/// One message of a client, or to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineMessage {
    /// Text.
    Text(String),
    /// Binary data.
    Binary(Bytes),
}

type Handler = Box<dyn Fn(EngineMessage) -> Option<EngineMessage> + Send + Sync>;

/// The path of the endpoint and the handler of its messages.
pub(crate) struct RawEngine {
    pub(crate) path: &'static str,
    pub(crate) handler: Handler,
}
