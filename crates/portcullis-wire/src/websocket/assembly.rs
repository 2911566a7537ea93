//! A message while its bytes arrive.
//! Never: memory for bytes that are only announced; text that cannot become UTF-8.

use super::fault::FrameFault;
use super::header::{Coding, Kind, Progress};

/// First allocation; a small message across two reads needs no second one.
const FIRST_CAPACITY: usize = 64;

/// The payload so far of an incomplete message.
#[derive(Debug)]
pub(crate) struct Assembly {
    kind: Kind,
    coding: Coding,
    frames: u16,
    payload: Vec<u8>,
    /// How many bytes are checked to be whole UTF-8 characters; text only.
    valid_len: usize,
}

impl Assembly {
    pub(crate) fn new(kind: Kind, coding: Coding) -> Self {
        Self { kind, coding, frames: 0, payload: Vec::new(), valid_len: 0 }
    }

    /// Counts a frame, also an empty one (T-218).
    pub(crate) fn count_frame(&mut self) {
        self.frames = self.frames.saturating_add(1);
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress { frames: self.frames, bytes: self.payload.len() }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn coding(&self) -> Coding {
        self.coding
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.payload.capacity()
    }

    /// Adds unmasked bytes; `ahead` bytes of the same frame have not arrived.
    pub(crate) fn push(&mut self, bytes: &[u8], ahead: usize) -> Result<(), FrameFault> {
        self.reserve(bytes.len(), ahead);
        self.payload.extend_from_slice(bytes);
        // Compressed text is checked after decompression.
        match (self.kind, self.coding) {
            (Kind::Text, Coding::Plain) => self.check_text(),
            _ => Ok(()),
        }
    }

    /// Checks the end of the message: it must not cut a character (RFC 6455 section 8.1).
    pub(crate) fn finish(&self) -> Result<(), FrameFault> {
        let plain_text = self.kind == Kind::Text && self.coding == Coding::Plain;
        let cut = plain_text && self.valid_len < self.payload.len();
        if cut { Err(FrameFault::Utf8) } else { Ok(()) }
    }

    /// Doubles the capacity, up to the end of the frame: at most twice the received bytes.
    fn reserve(&mut self, arriving: usize, ahead: usize) {
        let needed = self.payload.len() + arriving;
        let capacity = self.payload.capacity();
        if needed > capacity {
            let doubled = (capacity * 2).max(FIRST_CAPACITY).min(needed + ahead);
            self.payload.reserve_exact(doubled.max(needed) - self.payload.len());
        }
    }

    /// Checks the new bytes and at most three old ones, so that the total stays linear.
    fn check_text(&mut self) -> Result<(), FrameFault> {
        let fresh = self.payload.get(self.valid_len..).unwrap_or_default();
        match simdutf8::compat::from_utf8(fresh) {
            Ok(text) => self.valid_len += text.len(),
            Err(fault) if fault.error_len().is_none() => self.valid_len += fault.valid_up_to(),
            Err(_) => return Err(FrameFault::Utf8),
        }
        Ok(())
    }
}
