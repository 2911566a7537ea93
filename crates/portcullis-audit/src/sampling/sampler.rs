//! How many records of rejected requests are kept; each one that is not kept is counted.
//! Never: drops a record of an operation that took effect; only failures are sampled.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_model::{Code, Now, Severity, UserId};

use crate::record::fields::{Outcome, Record};
use crate::record::group::Lane;
use crate::sampling::budget::{ByteBudget, Kind};

/// A source is counted anew after this long.
const WINDOW_MS: u64 = 60_000;
/// Records of one kind and source kept as they are in one window.
const KEPT_PER_WINDOW: u32 = 5;
/// The same while the server is overloaded.
const KEPT_WHEN_LOADED: u32 = 1;
/// Lines a second of each group: unauthenticated clients, signed-in users.
const LINES_PER_SECOND: u32 = 500;
/// The table is cut into parts with a lock each, so that recorders rarely meet.
const PARTS: usize = 16;
/// Summaries of single sources at one time; more would fill the queue of their group.
const SUMMARIES_PER_SWEEP: usize = 256;
/// A summary's line is shorter than this.
const SUMMARY_BYTES: u64 = 640;

/// Where a record comes from, as coarse as one attacker can change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// The first 64 bits of an IPv6 address: what one customer gets.
    V6([u16; 4]),
    /// A signed-in user, by a keyed hash of its id.
    User(u64),
    /// No address is known.
    Nowhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    kind: Kind,
    source: Source,
}

#[derive(Debug)]
struct Window {
    since_ms: u64,
    kept: u32,
    suppressed: u64,
    severity: Severity,
    user: Option<UserId>,
}

/// What became of all sources that have no window, or none that was worth a line.
#[derive(Debug, Clone, Copy)]
struct Total {
    suppressed: u64,
    severity: Severity,
}

#[derive(Debug, Default)]
struct Part {
    windows: HashMap<Key, Window>,
    /// As many as there are kinds: bounded by our own code.
    totals: HashMap<Kind, Total>,
}

/// In 32 bits, which are over after 136 years.
fn second_of(now: Now) -> u64 {
    (now.monotonic_ms / 1_000) & 0xffff_ffff
}

/// Lines that may still be written in this second: the second above, how many below.
#[derive(Debug, Default)]
struct LineBudget(AtomicU64);

impl LineBudget {
    /// Takes one line.
    fn take(&self, now: Now) -> bool {
        let second = second_of(now);
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bits| {
            let used = if bits >> 32 == second { bits & 0xffff_ffff } else { 0 };
            (used < u64::from(LINES_PER_SECOND)).then_some((second << 32) | (used + 1))
        });
        taken.is_ok()
    }

    /// Whether none is left.
    fn is_spent(&self, now: Now) -> bool {
        let bits = self.0.load(Ordering::Relaxed);
        bits >> 32 == second_of(now) && bits & 0xffff_ffff >= u64::from(LINES_PER_SECOND)
    }
}

/// Records the log makes itself, to be pushed with the lane they belong to.
pub(crate) type Summaries = Vec<(Record, Lane)>;

/// Both tables. Worst-case memory: about 200 bytes a source and table, 3 MiB for 8,192.
#[derive(Debug)]
pub(crate) struct Sampler {
    unauthenticated: Table,
    users: Table,
    loaded: AtomicBool,
}

/// The sources of one group, so that no group evicts the sources of the other.
#[derive(Debug)]
struct Table {
    lane: Lane,
    parts: Vec<Mutex<Part>>,
    part_max: usize,
    hasher: RandomState,
    lines: LineBudget,
    bytes: ByteBudget,
    /// When the totals were last written.
    totals_ms: AtomicU64,
}

impl Sampler {
    /// `day_bytes` is what records of unauthenticated clients may take in a day; those of rejected
    /// requests of signed-in users may take twice as much.
    pub(crate) fn new(sources_max: usize, day_bytes: u64) -> Self {
        Self {
            unauthenticated: Table::new(Lane::Unauthenticated, sources_max, day_bytes),
            users: Table::new(Lane::User, sources_max, day_bytes.saturating_mul(2)),
            loaded: AtomicBool::new(false),
        }
    }

    pub(crate) fn set_loaded(&self, loaded: bool) {
        self.loaded.store(loaded, Ordering::Relaxed);
    }

    /// Whether to keep a record. One that is kept is charged with [`Sampler::charge`].
    pub(crate) fn keep(&self, record: &Record, lane: Lane, now: Now) -> bool {
        if record.outcome != Outcome::Failure {
            return true;
        }
        let loaded = self.loaded.load(Ordering::Relaxed);
        let kept_max = if loaded { KEPT_WHEN_LOADED } else { KEPT_PER_WINDOW };
        self.table(lane).keep(record, lane, kept_max, now)
    }

    /// Whether a record's length has to be charged.
    pub(crate) fn is_charged(record: &Record, lane: Lane) -> bool {
        record.outcome == Outcome::Failure && lane != Lane::Reserved
    }

    /// Takes the length of a record that is kept from its group's budget.
    pub(crate) fn charge(&self, record: &Record, lane: Lane, bytes: u64, now: Now) {
        self.table(lane).bytes.charge((record.code, record.rule), bytes, now);
    }

    /// Ends the windows that are over.
    pub(crate) fn sweep(&self, now: Now, summaries: &mut Summaries) {
        for table in [&self.unauthenticated, &self.users] {
            table.sweep(WINDOW_MS, now, summaries);
        }
    }

    /// Ends all windows.
    pub(crate) fn finish(&self, now: Now, summaries: &mut Summaries) {
        for table in [&self.unauthenticated, &self.users] {
            table.sweep(0, now, summaries);
        }
    }

    fn table(&self, lane: Lane) -> &Table {
        match lane {
            Lane::Unauthenticated => &self.unauthenticated,
            Lane::User | Lane::Reserved => &self.users,
        }
    }
}

impl Table {
    fn new(lane: Lane, sources_max: usize, day_bytes: u64) -> Self {
        Self {
            lane,
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            part_max: (sources_max / PARTS).max(1),
            hasher: RandomState::new(),
            lines: LineBudget::default(),
            bytes: ByteBudget::per_day(day_bytes),
            totals_ms: AtomicU64::new(0),
        }
    }

    fn keep(&self, record: &Record, lane: Lane, kept_max: u32, now: Now) -> bool {
        let key = self.key(record, lane);
        let number = usize::try_from(self.hasher.hash_one(key) % PARTS as u64).unwrap_or(0);
        let Some(part) = self.parts.get(number) else { return true };
        let mut part = lock(part);
        let free = lane == Lane::Reserved;
        let open = free || (!self.lines.is_spent(now) && self.bytes.has_room(key.kind, now));
        // A source whose line would not be written is not worth a summary of its own.
        let known = part.windows.contains_key(&key);
        if !known && (!open || part.windows.len() >= self.part_max) {
            part.count(key.kind, 1, record.severity);
            return false;
        }
        let window = part.windows.entry(key).or_insert_with(|| Window {
            since_ms: now.monotonic_ms,
            kept: 0,
            suppressed: 0,
            severity: record.severity,
            user: record.user.clone().filter(|_| lane != Lane::Reserved),
        });
        if window.kept < kept_max && (free || (open && self.lines.take(now))) {
            window.kept += 1;
            return true;
        }
        window.suppressed += 1;
        window.severity = window.severity.max(record.severity);
        false
    }

    /// Faults of the server count together, so that no number of clients makes many of them.
    fn key(&self, record: &Record, lane: Lane) -> Key {
        let source = match (lane, &record.user) {
            (Lane::Reserved, _) => Source::Nowhere,
            (Lane::User | Lane::Unauthenticated, Some(user)) => {
                Source::User(self.hasher.hash_one(user))
            }
            (Lane::User | Lane::Unauthenticated, None) => source(record.client),
        };
        Key { kind: (record.code, record.rule), source }
    }

    /// Ends windows older than `window_ms`: those within the budget with a summary each, all
    /// others in one total of their kind.
    fn sweep(&self, window_ms: u64, now: Now, summaries: &mut Summaries) {
        let is_over = |since_ms| now.monotonic_ms.saturating_sub(since_ms) >= window_ms;
        let with_totals = is_over(self.totals_ms.load(Ordering::Relaxed));
        let mut totals: HashMap<Kind, Total> = HashMap::new();
        let summaries_max = summaries.len() + SUMMARIES_PER_SWEEP;
        for part in &self.parts {
            let mut part = lock(part);
            let ended: Vec<_> =
                part.windows.extract_if(|_, window| is_over(window.since_ms)).collect();
            for (key, window) in ended {
                if window.suppressed == 0 {
                    continue;
                }
                if summaries.len() < summaries_max && self.bytes.has_room(key.kind, now) {
                    self.bytes.charge(key.kind, SUMMARY_BYTES, now);
                    summaries.push((summary(key, window), self.lane));
                } else {
                    part.count(key.kind, window.suppressed, window.severity);
                }
            }
            if with_totals {
                for (kind, total) in part.totals.drain() {
                    count(&mut totals, kind, total.suppressed, total.severity);
                }
            }
        }
        if with_totals {
            self.totals_ms.store(now.monotonic_ms, Ordering::Relaxed);
        }
        for (kind, total) in totals {
            // Always written, so that counts are exact; later records pay for it.
            self.bytes.charge(kind, SUMMARY_BYTES, now);
            summaries.push((total_record(kind, total), Lane::Reserved));
        }
    }
}

impl Part {
    fn count(&mut self, kind: Kind, suppressed: u64, severity: Severity) {
        count(&mut self.totals, kind, suppressed, severity);
    }
}

fn count(totals: &mut HashMap<Kind, Total>, kind: Kind, suppressed: u64, severity: Severity) {
    let total = totals.entry(kind).or_insert(Total { suppressed: 0, severity });
    total.suppressed += suppressed;
    total.severity = total.severity.max(severity);
}

/// What became of a window beyond the records that were kept.
fn summary(key: Key, window: Window) -> Record {
    let client = match key.source {
        Source::V4(address) => Some(IpAddr::V4(address)),
        Source::V6([a, b, c, d]) => Some(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))),
        Source::User(_) | Source::Nowhere => None,
    };
    let total = Total { suppressed: window.suppressed, severity: window.severity };
    Record { client, user: window.user, ..total_record(key.kind, total) }
}

fn total_record((code, rule): Kind, total: Total) -> Record {
    Record {
        outcome: Outcome::Failure,
        rule,
        reason: "sampled",
        event: Some(String::from(code.name())),
        severity: total.severity,
        suppressed: total.suppressed,
        ..Record::new(Code::LogSuppressed)
    }
}

fn source(client: Option<IpAddr>) -> Source {
    match client.map(|client| client.to_canonical()) {
        None => Source::Nowhere,
        Some(IpAddr::V4(address)) => Source::V4(address),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            Source::V6([a, b, c, d])
        }
    }
}

fn lock(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_BYTES: u64 = 256 * 1024 * 1024;

    fn at(monotonic_ms: u64) -> Now {
        Now { monotonic_ms, unix_ms: 0 }
    }

    fn refusal(rule: &'static str, client: &str) -> Record {
        Record {
            outcome: Outcome::Failure,
            rule,
            client: client.parse().ok(),
            ..Record::new(Code::ExcessRateLimitExceeded)
        }
    }

    fn refused_user(rule: &'static str, user: &str) -> Record {
        Record { user: UserId::parse(user).ok(), ..refusal(rule, "192.0.2.1") }
    }

    /// How many of `count` equal records at one moment are kept.
    fn kept(sampler: &Sampler, record: &Record, count: usize, now: Now) -> usize {
        let lane = Lane::of(record);
        (0..count).filter(|_| sampler.keep(record, lane, now)).count()
    }

    fn suppressed(summaries: &Summaries) -> u64 {
        summaries.iter().map(|(summary, _)| summary.suppressed).sum()
    }

    // T-166
    #[test]
    fn repeated_refusals_are_kept_five_a_minute_then_counted() {
        let sampler = Sampler::new(1024, DAY_BYTES);
        let noisy = refusal("message_rate", "192.0.2.1");
        assert_eq!(kept(&sampler, &noisy, 100_000, at(0)), 5);
        let others = [
            refusal("message_rate", "192.0.2.2"),
            refusal("connect_rate", "192.0.2.1"),
            refusal("message_rate", "2001:db8:0:1::1"),
            refused_user("message_rate", "u1"),
        ];
        for other in &others {
            assert_eq!(kept(&sampler, other, 5, at(0)), 5, "{other:?}");
        }
        // One customer's addresses count as one, whichever it picks.
        let neighbour = refusal("message_rate", "2001:db8:0:1:ffff::2");
        assert_eq!(kept(&sampler, &neighbour, 3, at(0)), 0);
        let mapped = refusal("message_rate", "::ffff:192.0.2.1");
        assert_eq!(kept(&sampler, &mapped, 3, at(59_999)), 0);

        let mut summaries = Vec::new();
        sampler.sweep(at(60_000), &mut summaries);
        summaries.sort_by_key(|(summary, _)| summary.suppressed);
        let told: Vec<_> =
            summaries.iter().map(|(it, _)| (it.code, it.rule, it.reason, it.suppressed)).collect();
        assert_eq!(
            told,
            [
                (Code::LogSuppressed, "message_rate", "sampled", 3),
                (Code::LogSuppressed, "message_rate", "sampled", 99_995 + 3),
            ]
        );
        assert_eq!(summaries[0].0.client, "2001:db8:0:1::".parse().ok());
        assert_eq!(kept(&sampler, &noisy, 9, at(60_000)), 5);

        sampler.set_loaded(true);
        assert_eq!(kept(&sampler, &noisy, 9, at(60_001)), 0, "the window goes on");
        sampler.sweep(at(120_000), &mut Vec::new());
        assert_eq!(kept(&sampler, &noisy, 9, at(120_000)), 1, "under load, one and a count");
        let done = Record { outcome: Outcome::Success, ..refusal("login", "192.0.2.1") };
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
        assert_eq!(faults, 5, "faults need no budget, and count together");
    }

    /// One record of each of `count` addresses; how many are kept.
    fn flood(sampler: &Sampler, count: u32, now: Now) -> usize {
        let mut kept = 0;
        for number in 0..count {
            let record = refusal("origin", &Ipv4Addr::from(number).to_string());
            if sampler.keep(&record, Lane::Unauthenticated, now) {
                sampler.charge(&record, Lane::Unauthenticated, 700, now);
                kept += 1;
            }
        }
        kept
    }

    #[test]
    fn t166_many_sources_get_a_fixed_number_of_lines_a_second() {
        let sampler = Sampler::new(8_192, DAY_BYTES);
        assert_eq!(flood(&sampler, 4_000, at(0)), 500);
        assert_eq!(flood(&sampler, 4_000, at(999)), 0);
        let user = refused_user("message_rate", "u1");
        assert_eq!(kept(&sampler, &user, 9, at(999)), 5, "users have their own");
        assert_eq!(flood(&sampler, 4_000, at(1_000)), 500);
        let mut summaries = Vec::new();
        sampler.finish(at(1_000), &mut summaries);
        assert_eq!(suppressed(&summaries), 12_000 - 1_000 + 4, "each one is counted");
        assert!(summaries.len() <= 2 * SUMMARIES_PER_SWEEP + 1, "{}", summaries.len());
    }

    #[test]
    fn flood_of_a_day_stays_within_its_bytes_and_counts_all() {
        const SENT_EACH: u32 = 100;
        let sampler = Sampler::new(8_192, 16 * 1024 * 1024);
        let (mut lines, mut summaries) = (0, Vec::new());
        let seconds = 0..4_320;
        let sent = u64::from(SENT_EACH) * 4_320;
        for step in seconds {
            let now = at(step * 20_000);
            lines += flood(&sampler, SENT_EACH, now) as u64;
            sampler.sweep(now, &mut summaries);
        }
        sampler.finish(at(86_400_000), &mut summaries);
        let bytes = lines * 700 + summaries.len() as u64 * SUMMARY_BYTES;
        assert!(bytes <= 16 * 1024 * 1024 + 2 * SUMMARY_BYTES, "{bytes}");
        assert_eq!(lines + suppressed(&summaries), sent);
    }

    #[test]
    fn full_table_of_unauthenticated_sources_leaves_users_theirs() {
        let sampler = Sampler::new(64, DAY_BYTES);
        let sources = flood(&sampler, 5_000, at(0));
        assert!((48..=64).contains(&sources), "{sources}");
        assert_eq!(kept(&sampler, &refused_user("origin", "u1"), 9, at(0)), 5);
        let mut summaries = Vec::new();
        sampler.sweep(at(60_000), &mut summaries);
        assert_eq!(suppressed(&summaries), 5_000 - sources as u64 + 4);
        assert!(flood(&sampler, 5_000, at(60_000)) >= 48, "ended windows make room");
        let user = summaries.iter().find(|(summary, _)| summary.user.is_some());
        assert_eq!(user.map(|(summary, lane)| (summary.suppressed, *lane)), Some((4, Lane::User)));
    }
}
