//! The connection to the syslog server and the number of lines behind, for metrics.
//! Never: a lock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The state of forwarding.
#[derive(Debug, Default)]
pub(crate) struct SyslogStatus {
    is_up: AtomicBool,
    sent: AtomicU64,
    /// Milliseconds on the monotonic clock when no line waited.
    caught_up_ms: AtomicU64,
}

/// The state of forwarding, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SyslogCounts {
    /// Whether the server is connected.
    pub is_up: bool,
    /// Lines sent, also those that were sent again.
    pub sent: u64,
    /// Seconds since no line waited.
    pub behind_s: u64,
}

impl SyslogStatus {
    pub(crate) fn set_up(&self, is_up: bool) {
        self.is_up.store(is_up, Ordering::Relaxed);
    }

    pub(crate) fn add_sent(&self, count: u64) {
        self.sent.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn set_caught_up(&self, now_ms: u64) {
        self.caught_up_ms.store(now_ms, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self, now_ms: u64) -> SyslogCounts {
        let behind_ms = now_ms.saturating_sub(self.caught_up_ms.load(Ordering::Relaxed));
        SyslogCounts {
            is_up: self.is_up.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
            behind_s: behind_ms / 1_000,
        }
    }
}
