//! The block of a key that exceeds the rate of its violations, in the number of its bucket.
//! Never: a block that ends earlier or later because a reload has changed the rate.

use crate::tables::rate::{NS_A_MS, Penalty, Rate};

/// The lowest bit of the number: it is the end of a block, and not an arrival time of GCRA.
///
/// A time of the clock is a whole number of milliseconds, so no end of a block loses precision.
const IS_BLOCK: u64 = 1;

/// The number of the bucket of violations of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ViolationCount(u64);

impl ViolationCount {
    /// The count that a bucket stores.
    pub(crate) fn stored(number: u64) -> Self {
        Self(number)
    }

    /// The number for the bucket. After its time, the bucket is free for other keys.
    pub(crate) fn to_stored(self) -> u64 {
        self.0
    }

    /// The time until the block ends, in ms; 0 if the key is not blocked.
    pub(crate) fn left_ms(self, now_ns: u64) -> u64 {
        let end_ns = self.end_ns().unwrap_or(0);
        end_ns.saturating_sub(now_ns).div_ceil(NS_A_MS)
    }

    /// When the count has drained under this rate. It is used up when a block ends, as long as no
    /// other key takes the bucket, which is free from then on.
    pub(crate) fn drained_ns(self, rate: &Rate, now_ns: u64) -> u64 {
        match self.end_ns() {
            Some(end_ns) => end_ns.saturating_add(rate.period_ns()),
            // A count of a former rate is used up under this one at most.
            None => self.0.min(rate.used_up_ns(now_ns)),
        }
    }

    /// The count after a violation. Over the rate the key is blocked: for `penalty.length_ms` at
    /// first, longer with every further violation, up to `penalty.longest_ms`.
    pub(crate) fn after_violation(self, rate: &Rate, penalty: Penalty, now_ns: u64) -> Self {
        let length_ns = penalty.length_ms.saturating_mul(NS_A_MS);
        if let Some(end_ns) = self.end_ns().filter(|end_ns| *end_ns > now_ns) {
            let last_ns = now_ns.saturating_add(penalty.longest_ms.saturating_mul(NS_A_MS));
            let further_ns = end_ns.saturating_add(length_ns / 60).min(last_ns);
            return Self::block(further_ns.max(end_ns));
        }
        match rate.step(self.drained_ns(rate, now_ns), now_ns) {
            Ok(next_ns) => Self(next_ns & !IS_BLOCK),
            Err(_) => Self::block(now_ns.saturating_add(length_ns)),
        }
    }

    fn block(end_ns: u64) -> Self {
        Self(end_ns | IS_BLOCK)
    }

    fn end_ns(self) -> Option<u64> {
        (self.0 & IS_BLOCK != 0).then_some(self.0 & !IS_BLOCK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000 * NS_A_MS;
    const PENALTY: Penalty = Penalty { length_ms: 100_000, longest_ms: 3_600_000 };

    fn violations(count: u32, rate: &Rate, before: ViolationCount, now_ns: u64) -> ViolationCount {
        (0..count).fold(before, |count, _| count.after_violation(rate, PENALTY, now_ns))
    }

    #[test]
    fn block_keeps_its_end_when_a_reload_changes_the_period() {
        let (short, long) = (Rate::per(100, 60_000), Rate::per(1_000, 600_000));
        for (former, newer) in [(short, long), (long, short)] {
            let none = ViolationCount::stored(0);
            let counted = violations(former.count, &former, none, SECOND_NS);
            assert_eq!(counted.left_ms(SECOND_NS), 0, "{former:?}");
            let blocked = violations(1, &former, counted, SECOND_NS);
            let left = |second: u64| blocked.left_ms(second * SECOND_NS);
            assert_eq!((left(1), left(14), left(100), left(101)), (100_000, 87_000, 1_000, 0));
            // A violation under the new rate prolongs it, and does not shorten or start it anew.
            let further = violations(1, &newer, blocked, 14 * SECOND_NS);
            assert_eq!(further.left_ms(14 * SECOND_NS).div_ceil(1_000), 89, "{newer:?}");
            let lower = Penalty { length_ms: 1_000, longest_ms: 1_000 };
            let further = blocked.after_violation(&newer, lower, 14 * SECOND_NS);
            assert_eq!(further.left_ms(14 * SECOND_NS), 87_000, "{newer:?}");
            // When it ends, the count is used up.
            let again = violations(1, &newer, blocked, 101 * SECOND_NS);
            assert_eq!(again.left_ms(101 * SECOND_NS), 100_000, "{newer:?}");
        }
    }

    #[test]
    fn count_below_the_rate_does_not_block_under_another_rate() {
        let (short, long) = (Rate::per(100, 60_000), Rate::per(1_000, 600_000));
        for (former, newer) in [(short, long), (long, short)] {
            let none = ViolationCount::stored(0);
            let counted = violations(former.count, &former, none, SECOND_NS);
            assert_eq!(counted.left_ms(SECOND_NS), 0);
            // It is used up under the rate in force at most.
            let used_up_ns = SECOND_NS + newer.period_ms * NS_A_MS;
            assert!(counted.drained_ns(&newer, SECOND_NS) <= used_up_ns, "{newer:?}");
        }
    }
}
