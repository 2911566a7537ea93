//! Limits the lines that one group can write in a second.
//! Never: locks; the budget is one atomic number.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_model::Now;

/// Lines per second of each group: unauthenticated clients, signed-in users.
const LINES_PER_SECOND: u64 = 500;
/// The lower half of the atomic number.
const LOW_BITS: u64 = 0xffff_ffff;

/// The lines that are used in the current second: upper 32 bits the second, lower 32 the lines.
#[derive(Debug, Default)]
pub(crate) struct LineBudget(AtomicU64);

impl LineBudget {
    /// Takes one line; `false` when none is left.
    pub(crate) fn take(&self, now: Now) -> bool {
        let second = second_of(now);
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bits| {
            let used = if bits >> 32 == second { bits & LOW_BITS } else { 0 };
            (used < LINES_PER_SECOND).then_some((second << 32) | (used + 1))
        });
        taken.is_ok()
    }

    /// Whether no line is left in this second.
    pub(crate) fn is_spent(&self, now: Now) -> bool {
        let bits = self.0.load(Ordering::Relaxed);
        bits >> 32 == second_of(now) && bits & LOW_BITS >= LINES_PER_SECOND
    }
}

/// The second in 32 bits, which overflow after 136 years.
fn second_of(now: Now) -> u64 {
    (now.monotonic_ms / 1_000) & LOW_BITS
}
