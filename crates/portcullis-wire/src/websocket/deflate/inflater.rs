//! Decompresses the messages of a client.
//! Never: more output than a message may have.

use flate2::{Decompress, FlushDecompress, Status};

use crate::websocket::fault::FrameFault;

/// The bytes that a receiver adds: the removed end, and an empty last block that marks the end. In
/// a truncated message, these bytes are read as something else, and the end does not come.
const END: [u8; 9] = [0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff];
/// Most streams of one message; each costs a reset. RFC 7692 has no limit, and peers send one.
pub(super) const STREAMS_MAX: usize = 16;
/// Largest ratio of output to input for an output above [`RATIO_FROM_BYTES`].
const RATIO_MAX: usize = 100;
pub(super) const RATIO_FROM_BYTES: usize = 4 * 1024;
/// Decompresses one message after another. Holds about 48 KiB, and at most twice the largest
/// message.
pub struct Inflater {
    state: Decompress,
    input: Vec<u8>,
    /// Never shrinks, so that it is zeroed once.
    pub(super) output: Vec<u8>,
}

impl Default for Inflater {
    fn default() -> Self {
        Self { state: Decompress::new(false), input: Vec::new(), output: Vec::new() }
    }
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Inflater").finish_non_exhaustive()
    }
}

impl Inflater {
    /// Decompresses one message.
    ///
    /// The output has space for one byte more than allowed, which shows that a message is too
    /// large. The space depends on the bytes that arrived, not on those that a peer announces
    /// (T-213).
    pub(crate) fn inflate(
        &mut self,
        payload: &[u8],
        message_max: usize,
    ) -> Result<&[u8], FrameFault> {
        // An empty message is one zero byte by RFC 7692 section 7.2.3.6; some peers send none.
        if payload.is_empty() {
            return Ok(&[]);
        }
        let ratio_max = payload.len().saturating_mul(RATIO_MAX).max(RATIO_FROM_BYTES);
        let output_max = message_max.min(ratio_max);
        self.reserve(payload, output_max);
        let (mut read, mut written) = (0, 0);
        for _ in 0..STREAMS_MAX {
            let (taken, given, status) = self.stream(read, written, output_max)?;
            (read, written) = (read + taken, written + given);
            if written > output_max {
                let too_large = output_max == message_max;
                return Err(if too_large { FrameFault::TooLarge } else { FrameFault::Ratio });
            }
            if status != Status::StreamEnd {
                return Err(FrameFault::Deflate);
            }
            // A final block of the peer may end a message, or another stream may follow it
            // (RFC 7692 section 7.2.3.4).
            if read == payload.len() || read == self.input.len() {
                return Ok(self.output.get(..written).unwrap_or_default());
            }
        }
        Err(FrameFault::Deflate)
    }

    fn reserve(&mut self, payload: &[u8], output_max: usize) {
        self.input.clear();
        self.input.reserve_exact(payload.len() + END.len());
        self.input.extend_from_slice(payload);
        self.input.extend_from_slice(&END);
        let missing = output_max.saturating_add(1).saturating_sub(self.output.len());
        self.output.reserve_exact(missing);
        self.output.resize(self.output.len() + missing, 0);
    }

    /// Decompresses one stream in one call. Only then are distances before the start of the stream
    /// rejected, which peers with context takeover send.
    fn stream(
        &mut self,
        read: usize,
        written: usize,
        output_max: usize,
    ) -> Result<(usize, usize, Status), FrameFault> {
        self.state.reset(false);
        let input = self.input.get(read..).unwrap_or_default();
        let output = self.output.get_mut(written..=output_max).unwrap_or_default();
        let status = self
            .state
            .decompress(input, output, FlushDecompress::Finish)
            .map_err(|_| FrameFault::Deflate)?;
        let taken = usize::try_from(self.state.total_in()).unwrap_or(usize::MAX);
        let given = usize::try_from(self.state.total_out()).unwrap_or(usize::MAX);
        Ok((taken, given, status))
    }
}
