//! Limits of frames and messages, and the ways a peer breaks them or RFC 6455.
//! Never: a decision; the decoder makes it.

/// Limits of one message.
///
/// A connection holds at most `message_max_bytes` of an incomplete message, and about 300 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    /// Bytes of one message over all its frames, checked on each frame's header.
    pub message_max_bytes: u32,
    /// Frames of one message, including empty ones.
    pub fragments_max: u16,
    /// Time from the first byte of a message (or single frame) to its last byte.
    pub assembly_timeout_ms: u64,
}

/// A violation of RFC 6455 or of a limit. It ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameFault {
    /// The message is larger than allowed.
    TooLarge,
    /// The message has more frames than allowed.
    Fragments,
    /// The message takes too long to arrive.
    AssemblyTimeout,
    /// Text or a close reason that is not valid UTF-8.
    Utf8,
    /// A reserved bit is set without an extension.
    ReservedBits,
    /// An opcode RFC 6455 does not define.
    ReservedOpcode,
    /// A client's frame without a mask.
    Unmasked,
    /// A control frame of more than 125 bytes.
    ControlTooLong,
    /// A control frame that is not final.
    ControlFragmented,
    /// A continuation without a start, or a new message inside another.
    Continuation,
    /// A length in more bytes than needed, or with its highest bit set.
    Length,
    /// A close frame of one byte, or with an invalid code.
    Close,
    /// A compressed message that is not valid DEFLATE data (RFC 7692).
    Deflate,
    /// A compressed message that expands more than allowed.
    Ratio,
}

impl FrameFault {
    /// The word used in the security record.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Fragments => "fragments",
            Self::AssemblyTimeout => "assembly_timeout",
            Self::Utf8 => "utf8",
            Self::ReservedBits => "reserved_bits",
            Self::ReservedOpcode => "reserved_opcode",
            Self::Unmasked => "unmasked",
            Self::ControlTooLong => "control_too_long",
            Self::ControlFragmented => "control_fragmented",
            Self::Continuation => "continuation",
            Self::Length => "length",
            Self::Close => "close",
            Self::Deflate => "deflate",
            Self::Ratio => "ratio",
        }
    }

    /// The code to close with (RFC 6455 section 7.4.1).
    #[must_use]
    pub fn close_code(self) -> u16 {
        match self {
            Self::TooLarge | Self::Ratio => 1009,
            Self::Fragments | Self::AssemblyTimeout => 1008,
            Self::Utf8 | Self::Deflate => 1007,
            Self::ReservedBits
            | Self::ReservedOpcode
            | Self::Unmasked
            | Self::ControlTooLong
            | Self::ControlFragmented
            | Self::Continuation
            | Self::Length
            | Self::Close => 1002,
        }
    }
}
