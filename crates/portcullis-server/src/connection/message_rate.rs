//! The rate of the messages on a connection, for operators.
//! Never: a limit; the guard counts for those.

use std::cell::Cell;

use portcullis_model::Now;

/// The period of the message rate.
const PERIOD_MS: u64 = 60_000;

/// Messages of one connection: 6 bytes, without a lock. Counts end at 65,535.
#[derive(Debug, Default)]
pub(crate) struct MessageRate {
    /// The minute of the monotonic clock that is counted, modulo 2^16.
    minute: Cell<u16>,
    /// Messages in this minute, and in the one before.
    messages: Cell<u16>,
    messages_before: Cell<u16>,
}

impl MessageRate {
    /// Counts a message of the client.
    pub(crate) fn count(&self, now: Now) {
        self.advance(now);
        self.messages.set(self.messages.get().saturating_add(1));
    }

    /// Messages in the last minute: those of this minute, and the part of the minute before that
    /// is not over yet, as if its messages had arrived at a constant rate.
    pub(crate) fn per_minute(&self, now: Now) -> u32 {
        self.advance(now);
        let left_ms = PERIOD_MS - now.monotonic_ms % PERIOD_MS;
        let before = u64::from(self.messages_before.get()) * left_ms / PERIOD_MS;
        u32::from(self.messages.get()).saturating_add(u32::try_from(before).unwrap_or(u32::MAX))
    }

    fn advance(&self, now: Now) {
        let minute = now.monotonic_ms / PERIOD_MS % (1 << u16::BITS);
        let minute = u16::try_from(minute).unwrap_or_default();
        let counted = self.minute.replace(minute);
        if counted != minute {
            let messages = self.messages.replace(0);
            let is_next = counted.wrapping_add(1) == minute;
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
        // The second start is shortly before the number of the minute begins again.
        for start_ms in [0, 65_535 * PERIOD_MS] {
            let rate = MessageRate::default();
            for second in 0..60 {
                rate.count(at(start_ms + second * 1_000));
            }
            for (after_ms, expect) in [(59_999, 60), (60_000, 60), (75_000, 45), (119_999, 0)] {
                let counted = rate.per_minute(at(start_ms + after_ms));
                assert_eq!(counted, expect, "{start_ms} {after_ms}");
            }
            rate.count(at(start_ms + 119_999));
            let later = rate.per_minute(at(start_ms + 300_000));
            assert_eq!(later, 0, "an older minute");
        }
    }

    #[test]
    fn count_ends_at_the_largest_number() {
        let rate = MessageRate::default();
        for _ in 0..70_000 {
            rate.count(at(0));
        }
        assert_eq!(rate.per_minute(at(0)), 65_535);
    }
}
