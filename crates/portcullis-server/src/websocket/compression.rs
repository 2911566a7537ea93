//! The compression parameters that a WebSocket negotiated (RFC 7692).
//! Never: the compression itself; the wire crate does that.

/// The agreement of one WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// Neither side compresses.
    None,
    /// Only the client may compress: its parameters are ones that the server cannot meet.
    Inbound,
    /// Both sides may compress.
    Both,
}
