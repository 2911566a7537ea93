//! Limits the bytes that one group can write in a day: a token bucket that refills evenly.
//! Never: more in a day than the capacity of the bucket and its refill.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_model::Now;

use crate::record::kind::Kind;

/// Minutes of a day.
const DAY_MINUTES: u64 = 1_440;
/// The capacity of the bucket is the daily bytes divided by this number.
const BURST_PART: u64 = 32;
/// Units per byte; the refill of one millisecond is a whole number of units.
const UNIT: i64 = 60_000;
/// Bytes per minute of one kind while the bucket is less than half full.
const KIND_MINUTE_BYTES: u64 = 8 * 1024;
/// The interval after which the bytes per kind are counted from zero.
const MINUTE_MS: u64 = 60_000;

/// The budget of one group. Memory: about 40 bytes per kind; the rules bound the number of kinds.
#[derive(Debug)]
pub(crate) struct ByteBudget {
    burst_bytes: u64,
    minute_bytes: u64,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// Bytes times [`UNIT`]; negative after an overdraft.
    level: i64,
    at_ms: u64,
    kinds: HashMap<Kind, u64>,
    kinds_since_ms: u64,
}

impl ByteBudget {
    /// A full bucket that allows at most `day_bytes` in a day.
    pub(crate) fn per_day(day_bytes: u64) -> Self {
        let burst_bytes = day_bytes / BURST_PART;
        let minute_bytes = (day_bytes - burst_bytes) / DAY_MINUTES;
        let bucket = Bucket {
            level: units(burst_bytes),
            at_ms: 0,
            kinds: HashMap::new(),
            kinds_since_ms: 0,
        };
        Self { burst_bytes, minute_bytes, bucket: Mutex::new(bucket) }
    }

    /// Whether one more record of a kind can be written.
    ///
    /// One kind alone can use half of the bucket; the rest is for the other kinds.
    pub(crate) fn has_room(&self, kind: Kind, now: Now) -> bool {
        let bucket = self.refilled(now);
        if bucket.level > units(self.burst_bytes) / 2 {
            return true;
        }
        let used = bucket.kinds.get(&kind).copied().unwrap_or(0);
        bucket.level > 0 && used < KIND_MINUTE_BYTES
    }

    /// Subtracts the bytes of a record. The level can become negative; the refill repays it first.
    pub(crate) fn charge(&self, kind: Kind, bytes: u64, now: Now) {
        let mut bucket = self.refilled(now);
        bucket.level = bucket.level.saturating_sub(units(bytes));
        let used = bucket.kinds.entry(kind).or_default();
        *used = used.saturating_add(bytes);
    }

    fn refilled(&self, now: Now) -> MutexGuard<'_, Bucket> {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed_ms = now.monotonic_ms.saturating_sub(bucket.at_ms);
        if elapsed_ms > 0 {
            let more = elapsed_ms.saturating_mul(self.minute_bytes);
            let more = i64::try_from(more).unwrap_or(i64::MAX);
            bucket.level = bucket.level.saturating_add(more).min(units(self.burst_bytes));
            bucket.at_ms = now.monotonic_ms;
        }
        if now.monotonic_ms.saturating_sub(bucket.kinds_since_ms) >= MINUTE_MS {
            bucket.kinds.clear();
            bucket.kinds_since_ms = now.monotonic_ms;
        }
        bucket
    }
}

fn units(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX).saturating_mul(UNIT)
}

#[cfg(test)]
mod tests {
    use portcullis_model::Code;

    use super::*;

    const LINE: u64 = 700;
    const DAY_BYTES: u64 = 256 * 1024 * 1024;

    fn at(monotonic_ms: u64) -> Now {
        Now { monotonic_ms, unix_ms: 0 }
    }

    /// Bytes of these kinds in a day when a record of each kind arrives every `step_ms`.
    fn taken(budget: &ByteBudget, kinds: &[Kind], step_ms: u64) -> Vec<u64> {
        let mut taken = vec![0; kinds.len()];
        for step in 0..86_400_000 / step_ms {
            for (kind, taken) in kinds.iter().zip(&mut taken) {
                let now = at(step * step_ms);
                if budget.has_room(*kind, now) {
                    budget.charge(*kind, LINE, now);
                    *taken += LINE;
                }
            }
        }
        taken
    }

    #[test]
    fn flood_of_a_day_uses_at_most_the_daily_bytes() {
        let budget = ByteBudget::per_day(DAY_BYTES);
        let taken = taken(&budget, &[(Code::MaliciousCsrf, "origin")], 20)[0];
        assert!(taken <= DAY_BYTES + LINE, "{taken}");
        assert!(taken > DAY_BYTES / 10 * 9, "the budget is used evenly: {taken}");
    }

    #[test]
    fn flood_of_one_kind_leaves_bytes_for_other_kinds() {
        let budget = ByteBudget::per_day(DAY_BYTES);
        let flood = [(Code::MaliciousCsrf, "origin"); 99];
        let mut kinds = flood.to_vec();
        kinds.push((Code::AuthnLoginFail, "login"));
        // The other kind is last in every round of the flood, 60 times a minute.
        let taken = taken(&budget, &kinds, 1_000);
        let per_minute = taken[99] / DAY_MINUTES;
        assert!(per_minute >= KIND_MINUTE_BYTES, "{per_minute}");
        assert!(taken.iter().sum::<u64>() <= DAY_BYTES + 100 * LINE);
    }

    #[test]
    fn overdraft_is_repaid_before_another_record() {
        let budget = ByteBudget::per_day(1_440 * 32);
        let kind = (Code::MaliciousCsrf, "origin");
        budget.charge(kind, 1_440 + 310, at(0));
        // The refill is 31 bytes per minute.
        assert!(!budget.has_room(kind, at(599_999)));
        assert!(budget.has_room(kind, at(601_000)));
        assert!(budget.has_room(kind, at(600_000)), "an older clock changes nothing");
    }
}
