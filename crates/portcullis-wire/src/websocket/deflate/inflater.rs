//! Decompresses the messages of a client.
//! Never: more output than a message may have.

use flate2::{Decompress, FlushDecompress, Status};

use crate::websocket::fault::FrameFault;

/// What a receiver adds: the same, and an empty last block, so that the end is seen to be one; in
/// a message that was cut short, these bytes are read as something else and no end comes.
const END: [u8; 9] = [0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff];
/// Streams of one message, each of which costs a reset; RFC 7692 knows no bound, peers send one.
pub(super) const STREAMS_MAX: usize = 16;
/// Output may be so many times the input once it is larger than [`RATIO_FROM_BYTES`].
const RATIO_MAX: usize = 100;
pub(super) const RATIO_FROM_BYTES: usize = 4 * 1024;
/// Decompresses messages, one after the other; about 48 KiB, and at most the largest message twice.
pub struct Inflater {
    state: Decompress,
    input: Vec<u8>,
    /// Never shorter than before, so that it is zeroed once.
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
    /// The output has room for one byte more than the message may have, which tells too much from
    /// just as much; room follows what has arrived, not what a peer promises (T-213).
    pub(crate) fn inflate(
        &mut self,
        payload: &[u8],
        message_max: usize,
    ) -> Result<&[u8], FrameFault> {
        // An empty message is one zero byte by RFC 7692 section 7.2.3.6; some peers save it.
        if payload.is_empty() {
            return Ok(&[]);
        }
        let ratio_max = payload.len().saturating_mul(RATIO_MAX).max(RATIO_FROM_BYTES);
        let output_max = message_max.min(ratio_max);
        self.make_room(payload, output_max);
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
            // A last block of the peer's own may end a message, or be followed by another stream
            // (RFC 7692 section 7.2.3.4).
            if read == payload.len() || read == self.input.len() {
                return Ok(self.output.get(..written).unwrap_or_default());
            }
        }
        Err(FrameFault::Deflate)
    }

    fn make_room(&mut self, payload: &[u8], output_max: usize) {
        self.input.clear();
        self.input.reserve_exact(payload.len() + END.len());
        self.input.extend_from_slice(payload);
        self.input.extend_from_slice(&END);
        let missing = output_max.saturating_add(1).saturating_sub(self.output.len());
        self.output.reserve_exact(missing);
        self.output.resize(self.output.len() + missing, 0);
    }

    /// One stream in one call: only then are distances that reach back beyond its start refused,
    /// as those of a peer that takes over its context do.
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
