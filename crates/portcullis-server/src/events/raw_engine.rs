//! Engine.IO with nothing above it, for tests of that protocol alone.
//! Never: on unless a program asks for it; what it carries is not guarded beyond size.

use bytes::Bytes;

/// One message of a client, or to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineMessage {
    /// Text.
    Text(String),
    /// Any bytes.
    Binary(Bytes),
}

type Handler = Box<dyn Fn(EngineMessage) -> Option<EngineMessage> + Send + Sync>;

/// Where it is spoken, and what answers.
pub(crate) struct RawEngine {
    pub(crate) path: &'static str,
    pub(crate) handler: Handler,
}
