//! Counts the kept and suppressed records of each kind and source in one group.
//! Never: grows with the number of sources; a full table counts per kind only.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_model::{Now, UserId};

use crate::record::fields::Record;
use crate::record::group::RecordGroup;
use crate::record::kind::{Kind, KindTotal, KindTotals};
use crate::record::log_events::records_suppressed;
use crate::sampling::byte_budget::ByteBudget;
use crate::sampling::line_budget::LineBudget;

/// The table has parts with a lock each, so that recording threads rarely wait for each other.
const PARTS: usize = 16;
/// Summaries of single sources per sweep; more would fill the queue of their group.
pub(crate) const SUMMARIES_PER_SWEEP: usize = 256;
/// Upper bound for the line of a summary, in bytes.
pub(crate) const SUMMARY_BYTES: u64 = 640;

/// The records that the sampler makes, each with its group.
pub(crate) type Summaries = Vec<(Record, RecordGroup)>;

/// The source of a record, as far as an attacker cannot vary it at will.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// The first 64 bits of an IPv6 address, the usual allocation of one customer.
    V6([u16; 4]),
    /// A signed-in user, by a keyed hash of the id.
    User(u64),
    /// The source is unknown or does not count.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct SourceKey {
    kind: Kind,
    source: Source,
}

#[derive(Debug)]
struct Window {
    since_ms: u64,
    kept: u32,
    suppressed: KindTotal,
    user: Option<UserId>,
}

#[derive(Debug, Default)]
struct TablePart {
    windows: HashMap<SourceKey, Window>,
    /// Suppressed records of sources that have no window or no summary.
    totals: KindTotals,
}

/// The sources of one group; a group cannot evict the sources of another.
#[derive(Debug)]
pub(crate) struct SourceTable {
    group: RecordGroup,
    parts: Vec<Mutex<TablePart>>,
    part_max: usize,
    hasher: RandomState,
    lines: LineBudget,
    bytes: ByteBudget,
    /// The time at which the totals were last written.
    totals_ms: AtomicU64,
}

impl SourceTable {
    pub(crate) fn new(group: RecordGroup, sources_max: usize, day_bytes: u64) -> Self {
        Self {
            group,
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            part_max: (sources_max / PARTS).max(1),
            hasher: RandomState::new(),
            lines: LineBudget::default(),
            bytes: ByteBudget::per_day(day_bytes),
            totals_ms: AtomicU64::new(0),
        }
    }

    /// Whether to keep a record of `group`; counts it if not.
    pub(crate) fn keep(
        &self,
        record: &Record,
        group: RecordGroup,
        kept_max: u32,
        now: Now,
    ) -> bool {
        let key = self.key(record, group);
        let number = usize::try_from(self.hasher.hash_one(key) % PARTS as u64).unwrap_or(0);
        let Some(part) = self.parts.get(number) else { return true };
        let mut part = lock(part);
        let unlimited = group == RecordGroup::Reserved;
        let has_budget =
            unlimited || (!self.lines.is_spent(now) && self.bytes.has_room(key.kind, now));
        let one = KindTotal { count: 1, severity: record.severity };
        // Without budget for its lines, a new source does not get a window and a summary.
        let is_new = !part.windows.contains_key(&key);
        if is_new && (!has_budget || part.windows.len() >= self.part_max) {
            part.totals.add(key.kind, one);
            return false;
        }
        let window = part.windows.entry(key).or_insert_with(|| Window {
            since_ms: now.monotonic_ms,
            kept: 0,
            suppressed: KindTotal { count: 0, ..one },
            user: record.user.clone().filter(|_| group != RecordGroup::Reserved),
        });
        if window.kept < kept_max && (unlimited || (has_budget && self.lines.take(now))) {
            window.kept += 1;
            return true;
        }
        window.suppressed.add(one);
        false
    }

    /// Subtracts the length of a kept record from the group's budget.
    pub(crate) fn charge(&self, kind: Kind, bytes: u64, now: Now) {
        self.bytes.charge(kind, bytes, now);
    }

    /// Ends windows older than `window_ms`.
    ///
    /// Windows within the budget get a summary each; all others are added to one total per kind.
    pub(crate) fn sweep(&self, window_ms: u64, now: Now, summaries: &mut Summaries) {
        let has_ended = |since_ms| now.monotonic_ms.saturating_sub(since_ms) >= window_ms;
        let with_totals = has_ended(self.totals_ms.load(Ordering::Relaxed));
        let mut totals = KindTotals::default();
        let summaries_max = summaries.len() + SUMMARIES_PER_SWEEP;
        for part in &self.parts {
            let mut part = lock(part);
            let ended: Vec<_> =
                part.windows.extract_if(|_, window| has_ended(window.since_ms)).collect();
            for (key, window) in ended {
                if window.suppressed.count == 0 {
                    continue;
                }
                if summaries.len() < summaries_max && self.bytes.has_room(key.kind, now) {
                    self.bytes.charge(key.kind, SUMMARY_BYTES, now);
                    summaries.push((summary(key, window), self.group));
                } else {
                    part.totals.add(key.kind, window.suppressed);
                }
            }
            if with_totals {
                for (kind, total) in part.totals.drain() {
                    totals.add(kind, total);
                }
            }
        }
        if with_totals {
            self.totals_ms.store(now.monotonic_ms, Ordering::Relaxed);
        }
        for (kind, total) in totals.drain() {
            // Totals are always written, so that counts are exact. Later records get less budget.
            self.bytes.charge(kind, SUMMARY_BYTES, now);
            summaries.push((records_suppressed(kind, total), RecordGroup::Reserved));
        }
    }

    /// The kind and source of a record.
    ///
    /// Faults of the server have one source in common, so that many clients cannot cause many.
    fn key(&self, record: &Record, group: RecordGroup) -> SourceKey {
        let source = match (group, &record.user) {
            (RecordGroup::Reserved, _) => Source::Unknown,
            (RecordGroup::User | RecordGroup::Unauthenticated, Some(user)) => {
                Source::User(self.hasher.hash_one(user))
            }
            (RecordGroup::User | RecordGroup::Unauthenticated, None) => {
                Source::of_client(record.client)
            }
        };
        SourceKey { kind: record.kind(), source }
    }
}

impl Source {
    fn of_client(client: Option<IpAddr>) -> Self {
        match client.map(|client| client.to_canonical()) {
            None => Self::Unknown,
            Some(IpAddr::V4(address)) => Self::V4(address),
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

/// The record that counts the suppressed records of one window.
fn summary(key: SourceKey, window: Window) -> Record {
    let client = match key.source {
        Source::V4(address) => Some(IpAddr::V4(address)),
        Source::V6([a, b, c, d]) => Some(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))),
        Source::User(_) | Source::Unknown => None,
    };
    Record { client, user: window.user, ..records_suppressed(key.kind, window.suppressed) }
}

fn lock(part: &Mutex<TablePart>) -> MutexGuard<'_, TablePart> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}
