//! Slow consumers: clients that do not read what is queued for them, and the three ways they end.
//! Never: a wait for the client; a bound of the outbox, which `delivery/outbox.rs` checks.

use portcullis_model::Denial;

use crate::connection::end::EndReason;
use crate::connection::state::Connection;
use crate::setup::options::Options;

impl Connection {
    /// Ends the connection as a slow consumer; `queue` calls it when the outbox is full.
    pub(crate) fn end_slow_consumer(&self) {
        self.end(EndReason::Denied(Denial::SlowConsumer));
    }

    /// Ends the connection when its socket takes no bytes for too long. Returns the next check.
    pub(crate) fn check_stalled_write(
        &self,
        now_ms: u64,
        next_ms: u64,
        options: &Options,
    ) -> Option<u64> {
        let since_ms = self.timers.stalled_since_ms.get();
        if since_ms == 0 {
            return Some(next_ms);
        }
        if now_ms >= since_ms + options.write_stall_ms {
            self.end_slow_consumer();
            return None;
        }
        Some(next_ms.min(since_ms + options.write_stall_ms))
    }

    /// Ends the connection when more than half of the permitted bytes are queued; a server at the
    /// load level `critical` does not keep it. Returns whether it did.
    pub(crate) fn end_if_far_behind(&self, options: &Options) -> bool {
        let is_far_behind =
            self.output.outbox.borrow().queued_bytes() > options.outbox_max_bytes / 2;
        if is_far_behind {
            self.end_slow_consumer();
        }
        is_far_behind
    }

    /// Whether the client is a slow consumer, so that volatile events are left out.
    pub(crate) fn is_slow_consumer(&self) -> bool {
        self.is_stalled() || !self.output.outbox.borrow().is_short()
    }

    /// Whether the socket takes no bytes at the moment.
    pub(crate) fn is_stalled(&self) -> bool {
        self.timers.stalled_since_ms.get() != 0
    }
}
