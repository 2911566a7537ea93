//! A message while its bytes arrive.
//! Never: memory for bytes that are only announced; text that can no longer become UTF-8.

use super::fault::FrameFault;
use super::header::{Coding, Kind, Progress};

/// First allocation; small messages that straddle a read need no second one.
const FIRST_CAPACITY: usize = 64;

/// The payload so far of a message that is not complete.
#[derive(Debug)]
pub(crate) struct Assembly {
    kind: Kind,
    coding: Coding,
    frames: u16,
    payload: Vec<u8>,
    /// How many bytes are known to be whole UTF-8 characters; text only.
    sound: usize,
}

impl Assembly {
    pub(crate) fn new(kind: Kind, coding: Coding) -> Self {
        Self { kind, coding, frames: 0, payload: Vec::new(), sound: 0 }
    }

    /// Counts a frame, an empty one as well (T-218).
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

    /// Adds unmasked bytes; `ahead` bytes of the same frame are still to come.
    pub(crate) fn push(&mut self, bytes: &[u8], ahead: usize) -> Result<(), FrameFault> {
        self.make_room(bytes.len(), ahead);
        self.payload.extend_from_slice(bytes);
        // Compressed text is looked at once it is text again.
        match (self.kind, self.coding) {
            (Kind::Text, Coding::Plain) => self.check_text(),
            _ => Ok(()),
        }
    }

    /// The end of the message: a character may not be cut off (RFC 6455 section 8.1).
    pub(crate) fn finish(&self) -> Result<(), FrameFault> {
        let plain_text = self.kind == Kind::Text && self.coding == Coding::Plain;
        let cut = plain_text && self.sound < self.payload.len();
        if cut { Err(FrameFault::Utf8) } else { Ok(()) }
    }

    /// Doubles, but not beyond the end of the frame: at most twice what has arrived.
    fn make_room(&mut self, arriving: usize, ahead: usize) {
        let needed = self.payload.len() + arriving;
        let capacity = self.payload.capacity();
        if needed > capacity {
            let doubled = (capacity * 2).max(FIRST_CAPACITY).min(needed + ahead);
            self.payload.reserve_exact(doubled.max(needed) - self.payload.len());
        }
    }

    /// Looks at the new bytes and at most three old ones, so that the total stays linear.
    fn check_text(&mut self) -> Result<(), FrameFault> {
        let fresh = self.payload.get(self.sound..).unwrap_or_default();
        match simdutf8::compat::from_utf8(fresh) {
            Ok(text) => self.sound += text.len(),
            Err(fault) if fault.error_len().is_none() => self.sound += fault.valid_up_to(),
            Err(_) => return Err(FrameFault::Utf8),
        }
        Ok(())
    }
}
