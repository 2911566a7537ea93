//! Limits of frames and messages, and the ways a peer breaks them or RFC 6455.
//! Never: a decision; the decoder makes it.

/// How much a peer may send as one message.
///
/// A connection holds at most `message_max_bytes` of an unfinished message, and about 300 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    /// Payload of one message, over all its frames; decided on each frame's header.
    pub message_max_bytes: u32,
    /// Frames of one message, empty ones included.
    pub fragments_max: u16,
    /// From the first byte of a message (or lone frame) to its last.
    pub assembly_timeout_ms: u64,
}

/// How a peer broke RFC 6455 or a limit. The connection ends with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameFault {
    /// The message would be larger than allowed.
    TooLarge,
    /// The message has more frames than allowed.
    Fragments,
    /// The message takes too long to arrive.
    AssemblyTimeout,
    /// Text or a close reason that is not, or cannot become, UTF-8.
    Utf8,
    /// A reserved bit is set, and no extension was agreed.
    ReservedBits,
    /// An opcode RFC 6455 does not define.
    ReservedOpcode,
    /// A client's frame without a mask.
    Unmasked,
    /// A control frame of more than 125 bytes.
    ControlTooLong,
    /// A control frame that is not final.
    ControlFragmented,
    /// A continuation of nothing, or a new message inside another.
    Continuation,
    /// A length written longer than needed, or with its highest bit set.
    Length,
    /// A close frame of one byte, or with a code that may not be sent.
    Close,
    /// A compressed message that is no DEFLATE data (RFC 7692).
    Deflate,
    /// A compressed message that grows out of all proportion.
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
