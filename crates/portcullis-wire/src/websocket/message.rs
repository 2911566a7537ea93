//! Messages, control frames and opcodes of RFC 6455.
//! Never: bytes of a frame's header.

/// A whole message, or a control frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// Valid UTF-8.
    Text(&'a str),
    /// Any bytes.
    Binary(&'a [u8]),
    /// To be answered with a pong of the same bytes (RFC 6455 section 5.5.2).
    Ping(&'a [u8]),
    /// Solicited or not (RFC 6455 section 5.5.3).
    Pong(&'a [u8]),
    /// The last thing a peer says; whatever follows is ignored.
    Close(CloseFrame<'a>),
}

/// What a close frame says (RFC 6455 section 5.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseFrame<'a> {
    /// A code that may be sent; `None` when the frame is empty.
    pub code: Option<u16>,
    /// At most 123 bytes.
    pub reason: &'a str,
}

/// What one call of [`Decoder::decode`](super::Decoder::decode) came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'a> {
    /// Bytes of the input that are done with; at least one unless the input was empty.
    pub consumed: usize,
    /// The message these bytes completed.
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
    /// Asks for a pong.
    Ping,
    /// Answers a ping.
    Pong,
}

/// Whether a close code may stand in a frame (RFC 6455 section 7.4, and its IANA registry).
pub(crate) fn is_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
