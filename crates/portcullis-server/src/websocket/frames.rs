//! WebSocket frames decoded to messages, with or without compression.
//! Never: the meaning of a message.

use portcullis_model::{Denial, limits};
use portcullis_wire::websocket::deflate::Inflater;
use portcullis_wire::websocket::{Decoder, FrameFault, FrameLimits, Step};

/// The inflater of a shard, lent to a WebSocket that negotiated compression.
pub(crate) type LentInflater<'a> = Option<&'a mut Option<Box<Inflater>>>;

/// The limits of the messages of one WebSocket.
pub(crate) fn frame_limits(message_max_bytes: u32, assembly_timeout_ms: u64) -> FrameLimits {
    FrameLimits { message_max_bytes, fragments_max: limits::FRAGMENTS_MAX, assembly_timeout_ms }
}

/// Decodes up to the end of the next message.
///
/// # Errors
/// The denial of a frame that breaks the protocol or a limit.
pub(crate) fn decode<'a>(
    decoder: &'a mut Decoder,
    bytes: &'a mut [u8],
    limits: &FrameLimits,
    now_ms: u64,
    inflater: LentInflater<'a>,
) -> Result<Step<'a>, Denial> {
    let step = match inflater {
        None => decoder.decode(bytes, limits, now_ms),
        Some(inflater) => {
            let inflater = inflater.get_or_insert_default();
            decoder.decode_deflated(bytes, limits, now_ms, inflater)
        }
    };
    step.map_err(denial_of)
}

fn denial_of(fault: FrameFault) -> Denial {
    match fault {
        FrameFault::TooLarge | FrameFault::Ratio => Denial::TooLarge,
        FrameFault::Fragments => Denial::Fragments,
        FrameFault::AssemblyTimeout => Denial::AssemblyTimeout,
        FrameFault::Utf8 | FrameFault::Deflate => Denial::Utf8,
        other => Denial::Frame(other.name()),
    }
}
