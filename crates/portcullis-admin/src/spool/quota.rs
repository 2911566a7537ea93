//! Limits of messages to a channel: 10 a minute, 60 an hour, 20 critical ones.
//! Never: a lost message; one above the quota waits.

use std::collections::VecDeque;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
/// Messages a minute.
const PER_MINUTE: usize = 10;
/// Messages an hour.
const PER_HOUR: usize = 60;
/// Critical messages an hour.
const CRITICAL_PER_HOUR: usize = 20;

/// The times of the messages of the last hour.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    usual: VecDeque<i64>,
    critical: VecDeque<i64>,
}

impl Quota {
    /// The time of the next possible message, on the clock of the caller.
    pub(crate) fn free_at(&self, is_critical: bool) -> i64 {
        let after = |times: &VecDeque<i64>, count: usize, window_ms: i64| {
            let oldest = times.len().checked_sub(count).and_then(|index| times.get(index));
            oldest.map_or(i64::MIN, |time| time.saturating_add(window_ms))
        };
        if is_critical {
            return after(&self.critical, CRITICAL_PER_HOUR, HOUR_MS);
        }
        let minute = after(&self.usual, PER_MINUTE, MINUTE_MS);
        minute.max(after(&self.usual, PER_HOUR, HOUR_MS))
    }

    /// Counts a message.
    pub(crate) fn count(&mut self, is_critical: bool, now_ms: i64) {
        let times = if is_critical { &mut self.critical } else { &mut self.usual };
        if times.len() == PER_HOUR {
            times.pop_front();
        }
        times.push_back(now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of messages that pass in an hour when one always waits.
    fn passed(is_critical: bool, minutes: i64) -> usize {
        let mut quota = Quota::default();
        let mut count = 0;
        for now_ms in (0..minutes * MINUTE_MS).step_by(1_000) {
            if quota.free_at(is_critical) <= now_ms {
                quota.count(is_critical, now_ms);
                count += 1;
            }
        }
        count
    }

    #[test]
    fn channel_gets_a_bounded_number_of_messages() {
        for (is_critical, minutes, expect) in
            [(false, 1, 10), (false, 60, 60), (false, 120, 120), (true, 60, 20), (true, 120, 40)]
        {
            assert_eq!(passed(is_critical, minutes), expect, "{is_critical} {minutes}");
        }
    }

    #[test]
    fn critical_messages_have_a_quota_of_their_own() {
        let mut quota = Quota::default();
        (0..10).for_each(|_| quota.count(false, 0));
        assert!(quota.free_at(false) > 0 && quota.free_at(true) <= 0);
    }
}
