//! Compresses the messages of the server.
//! Never: a frame that is larger than the message without compression.

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};

use crate::websocket::encode::write_frame;
use crate::websocket::message::Opcode;

/// The bytes that a sender removes from the end of each message (RFC 7692 section 7.2.1).
pub(super) const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Compresses one message after another. Holds about 320 KiB and the largest message.
pub struct Deflater {
    state: Compress,
    output: Vec<u8>,
}

impl Default for Deflater {
    fn default() -> Self {
        Self { state: Compress::new(Compression::fast(), false), output: Vec::new() }
    }
}

impl std::fmt::Debug for Deflater {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Deflater").finish_non_exhaustive()
    }
}

impl Deflater {
    /// Compresses one message into a whole frame; `None` if it does not become smaller.
    pub fn frame(&mut self, opcode: Opcode, payload: &[u8]) -> Option<Bytes> {
        self.state.reset();
        // Unused space proves that everything was written. Otherwise, truncated output could end in
        // bytes of the message that look like the end of a block.
        let room = payload.len() + TAIL.len();
        self.output.resize(self.output.len().max(room), 0);
        let output = self.output.get_mut(..room)?;
        self.state.compress(payload, output, FlushCompress::Sync).ok()?;
        let written = usize::try_from(self.state.total_out()).ok()?;
        if written >= room || self.state.total_in() != payload.len() as u64 {
            return None;
        }
        let compressed = self.output.get(..written)?.strip_suffix(&TAIL)?;
        let mut out = Vec::new();
        write_frame(&mut out, opcode, compressed);
        // RSV1 marks a compressed message (RFC 7692 section 6).
        *out.first_mut()? |= 0x40;
        Some(out.into())
    }
}
