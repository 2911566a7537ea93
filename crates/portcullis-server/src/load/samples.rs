//! Samples of the server's load that shards and listeners report.
//! Never: a decision; the gate decides which load level follows.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use portcullis_guard::LoadSignal;
use portcullis_model::Now;

use crate::load::rejected_parties::{PartyRejection, RejectedParties};
use crate::load::rejection_counts::RejectionCounts;

/// The reason of the last change of the load level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadReason {
    /// The time of the change, in milliseconds since 1970.
    pub unix_ms: i64,
    /// The signal and its value, or that the load has decreased.
    pub why: String,
}

/// The weight of a single delay: a delay that occurs once is not load.
const SINGLE_DELAY_PART: u64 = 4;
/// The rule of a connection that ended because its client did not answer.
const PING_TIMEOUT: &str = "ping_timeout";

/// The two longest delays since the last sample, in milliseconds, on any shard.
#[derive(Debug, Default)]
pub(crate) struct Delays {
    longest: AtomicU64,
    second: AtomicU64,
}

impl Delays {
    fn add(&self, ms: u64) {
        let before = self.longest.fetch_max(ms, Ordering::Relaxed);
        self.second.fetch_max(ms.min(before), Ordering::Relaxed);
    }

    /// Takes the second longest delay, or a part of the longest.
    pub(crate) fn take(&self) -> f64 {
        let longest = self.longest.swap(0, Ordering::Relaxed);
        let second = self.second.swap(0, Ordering::Relaxed);
        second.max(longest / SINGLE_DELAY_PART) as f64
    }
}

/// The reports since the last sample.
#[derive(Debug, Default)]
pub(crate) struct LoadSamples {
    pub(crate) queue: Delays,
    pub(crate) lag: Delays,
    rejections: AtomicU64,
    out_of_files: AtomicBool,
    pub(crate) rejections_by_rule: RejectionCounts,
    pub(crate) rejected_parties: RejectedParties,
    levels: Mutex<([f64; LoadSignal::ALL.len()], Option<LoadReason>)>,
}

impl LoadSamples {
    /// Reports how late a timer fired.
    pub(crate) fn add_lag(&self, lag_ms: u64) {
        self.lag.add(lag_ms);
    }

    /// Reports how long ready tasks waited.
    pub(crate) fn add_queue_delay(&self, queue_ms: u64) {
        self.queue.add(queue_ms);
    }

    /// Reports that no connection could be accepted, because the process has no free file.
    pub(crate) fn set_out_of_files(&self) {
        self.out_of_files.store(true, Ordering::Relaxed);
    }

    /// Reports a rejected unauthenticated client: at the TLS handshake, a request or the CONNECT.
    pub(crate) fn add_rejection(&self) {
        self.rejections.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a rejection by its rule, network, user and origin. A client that stopped answering
    /// was not rejected.
    pub(crate) fn count_rejection(&self, shard: u16, party: &PartyRejection<'_>, now: Now) {
        if party.rule == PING_TIMEOUT {
            return;
        }
        self.rejections_by_rule.add(shard, party.rule);
        self.rejected_parties.add(shard, party, now);
    }

    /// Sets the values that the load level was computed from.
    pub(crate) fn set_signals(&self, values: [f64; LoadSignal::ALL.len()]) {
        self.levels.lock().0 = values;
    }

    /// Sets the reason of the last change of the load level.
    pub(crate) fn set_reason(&self, reason: LoadReason) {
        self.levels.lock().1 = Some(reason);
    }

    /// The values of the signals, and the reason of the last change of the load level.
    pub(crate) fn levels(&self) -> ([f64; LoadSignal::ALL.len()], Option<LoadReason>) {
        self.levels.lock().clone()
    }

    pub(crate) fn take_rejections(&self) -> u64 {
        self.rejections.swap(0, Ordering::Relaxed)
    }

    pub(crate) fn take_out_of_files(&self) -> bool {
        self.out_of_files.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_delay_counts_in_part() {
        let delays = Delays::default();
        let take = |seen: &[u64]| {
            seen.iter().for_each(|ms| delays.add(*ms));
            delays.take()
        };
        assert_eq!(take(&[]), 0.0);
        assert_eq!(take(&[1, 107, 2]), 26.0);
        assert_eq!(take(&[30, 40, 35]), 35.0);
        assert_eq!(take(&[40, 40]), 40.0);
        assert_eq!(take(&[2_000]), 500.0, "a single long delay still counts");
    }
}
