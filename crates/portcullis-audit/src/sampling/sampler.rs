//! Decides which records of rejected requests are kept; each record that is not kept is counted.
//! Never: drops a record of an operation that took effect; only failures are sampled.

use std::sync::atomic::{AtomicBool, Ordering};

use portcullis_model::{Code, Now};

use crate::record::fields::{Outcome, Record};
use crate::record::group::RecordGroup;
use crate::sampling::source_table::{SourceTable, Summaries};

/// Duration of a window, in which the records of one kind and source are counted.
const WINDOW_MS: u64 = 60_000;
/// Records of one kind and source that are kept in a window.
const KEPT_PER_WINDOW: u32 = 5;
/// The same while the server is overloaded.
const KEPT_WHEN_OVERLOADED: u32 = 1;

/// The tables of both groups.
///
/// Worst-case memory: about 200 bytes per source and table, 3 MiB for 8,192 sources.
#[derive(Debug)]
pub(crate) struct Sampler {
    unauthenticated: SourceTable,
    users: SourceTable,
    overloaded: AtomicBool,
}

impl Sampler {
    /// `day_bytes` is the daily budget of records of unauthenticated clients. Rejected requests of
    /// signed-in users have twice that budget.
    pub(crate) fn new(sources_max: usize, day_bytes: u64) -> Self {
        let users_day_bytes = day_bytes.saturating_mul(2);
        Self {
            unauthenticated: SourceTable::new(RecordGroup::Unauthenticated, sources_max, day_bytes),
            users: SourceTable::new(RecordGroup::User, sources_max, users_day_bytes),
            overloaded: AtomicBool::new(false),
        }
    }

    pub(crate) fn set_overloaded(&self, overloaded: bool) {
        self.overloaded.store(overloaded, Ordering::Relaxed);
    }

    /// Whether to keep a record. A kept record is charged with [`Sampler::charge`].
    pub(crate) fn keep(&self, record: &Record, group: RecordGroup, now: Now) -> bool {
        // Only an operator causes a reload, and reads in the log why it failed.
        if record.outcome != Outcome::Failure || record.code == Code::SysReload {
            return true;
        }
        let overloaded = self.overloaded.load(Ordering::Relaxed);
        let kept_max = if overloaded { KEPT_WHEN_OVERLOADED } else { KEPT_PER_WINDOW };
        self.table(group).keep(record, group, kept_max, now)
    }

    /// Whether the length of a record is charged to a budget.
    pub(crate) fn is_charged(record: &Record, group: RecordGroup) -> bool {
        record.outcome == Outcome::Failure && group != RecordGroup::Reserved
    }

    /// Charges the length of a kept record to its group's budget.
    pub(crate) fn charge(&self, record: &Record, group: RecordGroup, bytes: u64, now: Now) {
        self.table(group).charge(record.kind(), bytes, now);
    }

    /// Ends the windows that are older than a minute.
    pub(crate) fn sweep(&self, now: Now, summaries: &mut Summaries) {
        self.sweep_tables(WINDOW_MS, now, summaries);
    }

    /// Ends all windows.
    pub(crate) fn finish(&self, now: Now, summaries: &mut Summaries) {
        self.sweep_tables(0, now, summaries);
    }

    fn sweep_tables(&self, window_ms: u64, now: Now, summaries: &mut Summaries) {
        for table in [&self.unauthenticated, &self.users] {
            table.sweep(window_ms, now, summaries);
        }
    }

    fn table(&self, group: RecordGroup) -> &SourceTable {
        match group {
            RecordGroup::Unauthenticated => &self.unauthenticated,
            RecordGroup::User | RecordGroup::Reserved => &self.users,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use portcullis_model::UserId;

    use super::*;
    use crate::sampling::source_table::{SUMMARIES_PER_SWEEP, SUMMARY_BYTES};

    const DAY_BYTES: u64 = 256 * 1024 * 1024;

    fn at(monotonic_ms: u64) -> Now {
        Now { monotonic_ms, unix_ms: 0 }
    }

    fn rejection(rule: &'static str, client: &str) -> Record {
        Record {
            outcome: Outcome::Failure,
            rule,
            client: client.parse().ok(),
            ..Record::new(Code::ExcessRateLimitExceeded)
        }
    }

    fn rejection_of_user(rule: &'static str, user: &str) -> Record {
        Record { user: UserId::parse(user).ok(), ..rejection(rule, "192.0.2.1") }
    }

    /// The number of kept records out of `count` equal ones at the same time.
    fn kept(sampler: &Sampler, record: &Record, count: usize, now: Now) -> usize {
        let group = RecordGroup::of(record);
        (0..count).filter(|_| sampler.keep(record, group, now)).count()
    }

    fn suppressed(summaries: &Summaries) -> u64 {
        summaries.iter().map(|(summary, _)| summary.suppressed).sum()
    }

    // T-166
    #[test]
    fn repeated_rejections_are_kept_five_a_minute_then_counted() {
        let sampler = Sampler::new(1024, DAY_BYTES);
        let noisy = rejection("message_rate", "192.0.2.1");
        assert_eq!(kept(&sampler, &noisy, 100_000, at(0)), 5);
        let others = [
            rejection("message_rate", "192.0.2.2"),
            rejection("connect_rate", "192.0.2.1"),
            rejection("message_rate", "2001:db8:0:1::1"),
            rejection_of_user("message_rate", "u1"),
        ];
        for other in &others {
            assert_eq!(kept(&sampler, other, 5, at(0)), 5, "{other:?}");
        }
        // All addresses of one customer's prefix count as one source.
        let neighbour = rejection("message_rate", "2001:db8:0:1:ffff::2");
        assert_eq!(kept(&sampler, &neighbour, 3, at(0)), 0);
        let mapped = rejection("message_rate", "::ffff:192.0.2.1");
        assert_eq!(kept(&sampler, &mapped, 3, at(59_999)), 0);

        let mut summaries = Vec::new();
        sampler.sweep(at(60_000), &mut summaries);
        summaries.sort_by_key(|(summary, _)| summary.suppressed);
        let reported: Vec<_> =
            summaries.iter().map(|(it, _)| (it.code, it.rule, it.reason, it.suppressed)).collect();
        assert_eq!(
            reported,
            [
                (Code::LogSuppressed, "message_rate", "sampled", 3),
                (Code::LogSuppressed, "message_rate", "sampled", 99_995 + 3),
            ]
        );
        assert_eq!(summaries[0].0.client, "2001:db8:0:1::".parse().ok());
        assert_eq!(kept(&sampler, &noisy, 9, at(60_000)), 5);

        sampler.set_overloaded(true);
        assert_eq!(kept(&sampler, &noisy, 9, at(60_001)), 0, "the window has not ended");
        sampler.sweep(at(120_000), &mut Vec::new());
        assert_eq!(
            kept(&sampler, &noisy, 9, at(120_000)),
            1,
            "one record per window while overloaded"
        );
        let done = Record { outcome: Outcome::Success, ..rejection("login", "192.0.2.1") };
        assert_eq!(kept(&sampler, &done, 9, at(120_000)), 9, "operations are kept");
    }

    #[test]
    fn operations_are_never_sampled() {
        let sampler = Sampler::new(16, 0);
        for outcome in [Outcome::Success, Outcome::Unknown] {
            let record = Record { outcome, ..Record::new(Code::AuthzAdmin) };
            assert_eq!(kept(&sampler, &record, 50, at(0)), 50);
        }
        let mut faults = 0;
        for number in 0..50 {
            let fault = Record {
                outcome: Outcome::Failure,
                client: Some(Ipv4Addr::from(number).into()),
                ..Record::new(Code::SysCrash)
            };
            faults += kept(&sampler, &fault, 1, at(0));
        }
        assert_eq!(faults, 5, "faults have no budget and one common source");
    }

    /// Sends one record from each of `count` addresses; returns how many are kept.
    fn flood(sampler: &Sampler, count: u32, now: Now) -> usize {
        let mut kept = 0;
        for number in 0..count {
            let record = rejection("origin", &Ipv4Addr::from(number).to_string());
            if sampler.keep(&record, RecordGroup::Unauthenticated, now) {
                sampler.charge(&record, RecordGroup::Unauthenticated, 700, now);
                kept += 1;
            }
        }
        kept
    }

    #[test]
    fn t166_many_sources_share_a_fixed_number_of_lines_per_second() {
        let sampler = Sampler::new(8_192, DAY_BYTES);
        assert_eq!(flood(&sampler, 4_000, at(0)), 500);
        assert_eq!(flood(&sampler, 4_000, at(999)), 0);
        let user = rejection_of_user("message_rate", "u1");
        assert_eq!(kept(&sampler, &user, 9, at(999)), 5, "users have their own budget");
        assert_eq!(flood(&sampler, 4_000, at(1_000)), 500);
        let mut summaries = Vec::new();
        sampler.finish(at(1_000), &mut summaries);
        assert_eq!(suppressed(&summaries), 12_000 - 1_000 + 4, "each record is counted");
        assert!(summaries.len() <= 2 * SUMMARIES_PER_SWEEP + 1, "{}", summaries.len());
    }

    #[test]
    fn flood_of_a_day_stays_within_the_budget_and_counts_all() {
        const SENT_PER_STEP: u32 = 100;
        let sampler = Sampler::new(8_192, 16 * 1024 * 1024);
        let (mut lines, mut summaries) = (0, Vec::new());
        let sent = u64::from(SENT_PER_STEP) * 4_320;
        for step in 0..4_320 {
            let now = at(step * 20_000);
            lines += flood(&sampler, SENT_PER_STEP, now) as u64;
            sampler.sweep(now, &mut summaries);
        }
        sampler.finish(at(86_400_000), &mut summaries);
        let bytes = lines * 700 + summaries.len() as u64 * SUMMARY_BYTES;
        assert!(bytes <= 16 * 1024 * 1024 + 2 * SUMMARY_BYTES, "{bytes}");
        assert_eq!(lines + suppressed(&summaries), sent);
    }

    #[test]
    fn full_unauthenticated_table_does_not_affect_users() {
        let sampler = Sampler::new(64, DAY_BYTES);
        let sources = flood(&sampler, 5_000, at(0));
        assert!((48..=64).contains(&sources), "{sources}");
        assert_eq!(kept(&sampler, &rejection_of_user("origin", "u1"), 9, at(0)), 5);
        let mut summaries = Vec::new();
        sampler.sweep(at(60_000), &mut summaries);
        assert_eq!(suppressed(&summaries), 5_000 - sources as u64 + 4);
        assert!(flood(&sampler, 5_000, at(60_000)) >= 48, "ended windows free capacity");
        let user = summaries.iter().find(|(summary, _)| summary.user.is_some());
        assert_eq!(
            user.map(|(summary, group)| (summary.suppressed, *group)),
            Some((4, RecordGroup::User))
        );
    }
}
