//! The activity of a connection, for operators: its start, its messages, its rejections.
//! Never: a limit; the guard counts for those.

use std::cell::Cell;

use portcullis_model::Now;

/// The period of the message rate.
const PERIOD_MS: u64 = 60_000;

/// The activity of one connection: 24 bytes, without a lock.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// The start, in seconds of Unix time.
    opened_unix_s: Cell<u32>,
    /// The minute of the monotonic clock that is counted.
    minute: Cell<u32>,
    /// Messages in this minute, and in the one before.
    messages: Cell<u32>,
    messages_before: Cell<u32>,
    rejected: Cell<u32>,
}

impl Activity {
    /// Sets the start.
    pub(crate) fn open(&self, now: Now) {
        self.opened_unix_s.set(u32::try_from(now.unix_s()).unwrap_or_default());
    }

    /// Counts a message of the client.
    pub(crate) fn count_message(&self, now: Now) {
        self.advance(now);
        self.messages.set(self.messages.get().saturating_add(1));
    }

    /// Counts a rejected request of the client.
    pub(crate) fn count_rejection(&self) {
        self.rejected.set(self.rejected.get().saturating_add(1));
    }

    /// The start, in milliseconds since 1970.
    pub(crate) fn opened_unix_ms(&self) -> i64 {
        i64::from(self.opened_unix_s.get()) * 1_000
    }

    /// Requests that were rejected on the connection.
    pub(crate) fn rejected(&self) -> u32 {
        self.rejected.get()
    }

    /// Messages in the last minute: those of this minute, and the part of the minute before that
    /// is not over yet, as if its messages had arrived at a constant rate.
    pub(crate) fn messages_per_minute(&self, now: Now) -> u32 {
        self.advance(now);
        let left_ms = PERIOD_MS - now.monotonic_ms % PERIOD_MS;
        let before = u64::from(self.messages_before.get()) * left_ms / PERIOD_MS;
        self.messages.get().saturating_add(u32::try_from(before).unwrap_or(u32::MAX))
    }

    fn advance(&self, now: Now) {
        let minute = u32::try_from(now.monotonic_ms / PERIOD_MS).unwrap_or(u32::MAX);
        let counted = self.minute.replace(minute);
        if counted != minute {
            let messages = self.messages.replace(0);
            let is_next = counted.saturating_add(1) == minute;
            self.messages_before.set(if is_next { messages } else { 0 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(monotonic_ms: u64) -> Now {
        Now { monotonic_ms, unix_ms: 0 }
    }

    #[test]
    fn messages_of_the_last_minute_are_counted() {
        let activity = Activity::default();
        for second in 0..60 {
            activity.count_message(at(second * 1_000));
        }
        for (at_ms, expect) in [(59_999, 60), (60_000, 60), (75_000, 45), (119_999, 0)] {
            assert_eq!(activity.messages_per_minute(at(at_ms)), expect, "{at_ms}");
        }
        activity.count_message(at(119_999));
        assert_eq!(activity.messages_per_minute(at(300_000)), 0, "an older minute");
    }

    #[test]
    fn start_and_rejections_are_kept() {
        let activity = Activity::default();
        activity.open(Now { monotonic_ms: 0, unix_ms: 1_800_000_000_999 });
        activity.count_rejection();
        assert_eq!((activity.opened_unix_ms(), activity.rejected()), (1_800_000_000_000, 1));
    }
}
