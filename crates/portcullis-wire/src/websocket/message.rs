//! Messages, control frames and opcodes of RFC 6455.
//! Never: bytes of a frame's header.

/// A whole message, or a control frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// Valid UTF-8.
    Text(&'a str),
    /// Any bytes.
    Binary(&'a [u8]),
    /// A request for a pong with the same bytes (RFC 6455 section 5.5.2).
    Ping(&'a [u8]),
    /// A pong, with or without a ping (RFC 6455 section 5.5.3).
    Pong(&'a [u8]),
    /// The last frame of a peer; bytes after it are ignored.
    Close(CloseFrame<'a>),
}

/// The content of a close frame (RFC 6455 section 5.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseFrame<'a> {
    /// A valid code; `None` if the frame is empty.
    pub code: Option<u16>,
    /// At most 123 bytes.
    pub reason: &'a str,
}

/// The result of one call of [`Decoder::decode`](super::Decoder::decode).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'a> {
    /// Consumed bytes of the input; at least one unless the input was empty.
    pub consumed: usize,
    /// The message that these bytes completed.
    pub message: Option<Message<'a>>,
}

/// The frames a server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Binary,
    /// The closing handshake.
    Close,
    /// A request for a pong.
    Ping,
    /// The answer to a ping.
    Pong,
}

/// Whether a frame may contain a close code (RFC 6455 section 7.4, and its IANA registry).
pub(crate) fn is_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
