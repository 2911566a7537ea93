//! Reports of the writer thread to other threads.
//! Never: a lock.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use portcullis_model::Now;

/// A write or sync that takes this many milliseconds is slow.
pub(crate) const SLOW_MS: u64 = 5_000;

/// The state of the log's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogState {
    /// Lines are written.
    #[default]
    Ok,
    /// A write or sync takes longer than five seconds.
    Slow,
    /// The disk is full: records wait in memory, operations use the reserve.
    Full,
    /// The file cannot be written for another reason: records wait in memory.
    Failing,
}

impl LogState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Slow, Self::Full, Self::Failing];

    /// The name in metrics and on the private listener.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Slow => "slow",
            Self::Full => "full",
            Self::Failing => "failing",
        }
    }

    fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Slow,
            2 => Self::Full,
            3 => Self::Failing,
            _ => Self::Ok,
        }
    }
}

/// The counters and the state of the writer thread.
#[derive(Debug, Default)]
pub(crate) struct WriterStatus {
    pub(crate) lines: AtomicU64,
    /// Records that were still held when the log was closed.
    pub(crate) unwritten: AtomicU64,
    pub(crate) reserve_bytes: AtomicU64,
    state: AtomicU8,
    /// The start time of the current write, plus one; 0 without a current write.
    writing_since_ms: AtomicU64,
}

impl WriterStatus {
    pub(crate) fn state(&self, now: Now) -> LogState {
        let state = LogState::from_number(self.state.load(Ordering::Relaxed));
        let since_ms = self.writing_since_ms.load(Ordering::Relaxed);
        let elapsed_ms = (now.monotonic_ms + 1).saturating_sub(since_ms);
        if state == LogState::Ok && since_ms > 0 && elapsed_ms >= SLOW_MS {
            return LogState::Slow;
        }
        state
    }

    pub(crate) fn set_state(&self, state: LogState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    pub(crate) fn start_write(&self, now: Now) {
        self.writing_since_ms.store(now.monotonic_ms + 1, Ordering::Relaxed);
    }

    pub(crate) fn end_write(&self) {
        self.writing_since_ms.store(0, Ordering::Relaxed);
    }
}
