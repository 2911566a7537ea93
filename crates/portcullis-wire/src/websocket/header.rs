//! Reads the header of a client's frame (RFC 6455 section 5.2) byte by byte.
//! Never: a result that depends on how the bytes were cut on their way.

use super::fault::{FrameFault, FrameLimits};

/// Longest header: two bytes, an 8-byte length, the mask.
pub(crate) const HEADER_MAX_BYTES: usize = 14;
/// Longest payload of a control frame (RFC 6455 section 5.5).
pub(crate) const CONTROL_MAX_BYTES: u8 = 125;

/// The kind of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Binary,
    Continuation,
    Close,
    Ping,
    Pong,
}

impl Kind {
    pub(crate) fn is_control(self) -> bool {
        match self {
            Self::Close | Self::Ping | Self::Pong => true,
            Self::Text | Self::Binary | Self::Continuation => false,
        }
    }
}

/// The extension that gives a reserved bit a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extension {
    /// None.
    None,
    /// RSV1 marks a compressed message (RFC 7692 section 6).
    Deflate,
}

/// The coding of a message's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Plain,
    Deflated,
}

/// A complete, valid header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) coding: Coding,
    pub(crate) fin: bool,
    pub(crate) length: usize,
    pub(crate) mask: [u8; 4],
    /// Bytes of the header itself.
    pub(crate) size: usize,
}

/// The received part of the message that a frame would continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) frames: u16,
    pub(crate) bytes: usize,
}

impl Header {
    /// Reads a header from the start of `bytes`; `None` if it is incomplete.
    pub(crate) fn read(
        bytes: &[u8],
        progress: Option<Progress>,
        limits: &FrameLimits,
        extension: Extension,
    ) -> Result<Option<Self>, FrameFault> {
        let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
        let (kind, coding, fin) = read_first(*first, progress, limits, extension)?;
        let Some((second, rest)) = rest.split_first() else { return Ok(None) };
        // 5.1: a server must close the connection upon a frame that is not masked.
        if second & 0x80 == 0 {
            return Err(FrameFault::Unmasked);
        }
        let (declared, rest) = match second & 0x7f {
            short if kind.is_control() && short > CONTROL_MAX_BYTES => {
                return Err(FrameFault::ControlTooLong);
            }
            // 5.2: the minimal number of bytes must be used, and the highest bit be 0.
            126 => match rest.split_first_chunk() {
                None => return Ok(None),
                Some((length, rest)) => match u16::from_be_bytes(*length) {
                    0..=125 => return Err(FrameFault::Length),
                    length => (u64::from(length), rest),
                },
            },
            127 => match rest.split_first_chunk() {
                None => return Ok(None),
                Some((length, rest)) => match u64::from_be_bytes(*length) {
                    0..=0xffff | 0x8000_0000_0000_0000.. => return Err(FrameFault::Length),
                    length => (length, rest),
                },
            },
            short => (u64::from(short), rest),
        };
        let length = check_length(declared, kind, progress, limits)?;
        let Some((mask, rest)) = rest.split_first_chunk() else { return Ok(None) };
        let size = bytes.len() - rest.len();
        Ok(Some(Self { kind, coding, fin, length, mask: *mask, size }))
    }

    /// Whether the frame is the whole message.
    pub(crate) fn is_whole(&self) -> bool {
        self.fin && self.kind != Kind::Continuation
    }
}

fn read_first(
    first: u8,
    progress: Option<Progress>,
    limits: &FrameLimits,
    extension: Extension,
) -> Result<(Kind, Coding, bool), FrameFault> {
    // 5.2: reserved bits must be 0 unless an extension was negotiated.
    let coding = match (first & 0x70, extension) {
        (0, _) => Coding::Plain,
        // RFC 7692 section 6: only on the first frame of a message.
        (0x40, Extension::Deflate) if matches!(first & 0x0f, 0x1 | 0x2) => Coding::Deflated,
        _ => return Err(FrameFault::ReservedBits),
    };
    let fin = first & 0x80 != 0;
    let kind = match first & 0x0f {
        0x0 => Kind::Continuation,
        0x1 => Kind::Text,
        0x2 => Kind::Binary,
        0x8 => Kind::Close,
        0x9 => Kind::Ping,
        0xa => Kind::Pong,
        _ => return Err(FrameFault::ReservedOpcode),
    };
    // 5.5: control frames must not be fragmented, but may occur between fragments (5.4).
    if kind.is_control() {
        return if fin { Ok((kind, coding, fin)) } else { Err(FrameFault::ControlFragmented) };
    }
    // 5.4: a continuation needs a start, and messages do not interleave.
    if (kind == Kind::Continuation) != progress.is_some() {
        return Err(FrameFault::Continuation);
    }
    if progress.map_or(0, |progress| progress.frames) >= limits.fragments_max {
        return Err(FrameFault::Fragments);
    }
    Ok((kind, coding, fin))
}

/// Returns the declared length if the whole message stays within its limit.
fn check_length(
    declared: u64,
    kind: Kind,
    progress: Option<Progress>,
    limits: &FrameLimits,
) -> Result<usize, FrameFault> {
    let length = usize::try_from(declared).map_err(|_| FrameFault::TooLarge)?;
    if kind.is_control() {
        return Ok(length);
    }
    let message_max = usize::try_from(limits.message_max_bytes).unwrap_or(usize::MAX);
    let before = progress.map_or(0, |progress| progress.bytes);
    match before.checked_add(length) {
        Some(total) if total <= message_max => Ok(length),
        Some(_) | None => Err(FrameFault::TooLarge),
    }
}
