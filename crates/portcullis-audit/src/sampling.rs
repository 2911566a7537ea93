//! How many refusals are kept: five of a kind and source a minute, a thousand of all a second.
//! Never: drops a record of something that was done; only refusals and failures are sampled.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_model::{Code, Now, Severity};

use crate::record::{Outcome, Record};

/// A source is counted anew after this long.
const WINDOW_MS: u64 = 60_000;
/// Records of one kind and source kept as they are in one window.
const KEPT_PER_WINDOW: u32 = 5;
/// The same while the server is pressed.
const KEPT_WHEN_PRESSED: u32 = 1;
/// Lines of refusals a second: so many critical ones, and so many others.
const LINES_PER_SECOND: u32 = 500;
/// The table is cut into parts with a lock each, so that recorders rarely meet.
const PARTS: usize = 16;
/// A full part looks for ended windows at most this often.
const FULL_SWEEP_MS: u64 = 1_000;

/// Where a record comes from, as coarse as one attacker can change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// The first 64 bits of an IPv6 address: what one customer gets.
    V6([u16; 4]),
    /// No address is known.
    Nowhere,
    /// All sources beyond the table's size, counted as one.
    Others,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    code: Code,
    rule: &'static str,
    source: Source,
}

#[derive(Debug)]
struct Window {
    since_ms: u64,
    kept: u32,
    suppressed: u64,
    severity: Severity,
}

#[derive(Debug, Default)]
struct Part {
    windows: HashMap<Key, Window>,
    swept_ms: u64,
}

/// In 32 bits, which are over after 136 years.
fn second_of(now: Now) -> u64 {
    (now.monotonic_ms / 1_000) & 0xffff_ffff
}

/// The table of sources. Worst-case memory: about 120 bytes a source, 1 MiB for 8,192.
#[derive(Debug)]
pub(crate) struct Sampler {
    parts: Vec<Mutex<Part>>,
    part_max: usize,
    hasher: RandomState,
    pressed: AtomicBool,
    critical: Budget,
    others: Budget,
}

/// Lines that may still be written in this second: the second above, how many below.
#[derive(Debug, Default)]
struct Budget(AtomicU64);

impl Budget {
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

impl Sampler {
    pub(crate) fn new(sources_max: usize) -> Self {
        let parts = (0..PARTS).map(|_| Mutex::default()).collect();
        Self {
            parts,
            part_max: (sources_max / PARTS).max(1),
            hasher: RandomState::new(),
            pressed: AtomicBool::new(false),
            critical: Budget::default(),
            others: Budget::default(),
        }
    }

    pub(crate) fn spare(&self, pressed: bool) {
        self.pressed.store(pressed, Ordering::Relaxed);
    }

    /// Whether to keep a record; puts summaries of windows that ended into `summaries`.
    pub(crate) fn keep(&self, record: &Record, now: Now, summaries: &mut Vec<Record>) -> bool {
        if record.outcome != Outcome::Failure {
            return true;
        }
        let key = Key { code: record.code, rule: record.rule, source: source(record.client) };
        let number = usize::try_from(self.hasher.hash_one(key) % PARTS as u64).unwrap_or(0);
        let Some(part) = self.parts.get(number) else { return true };
        let mut part = lock(part);
        let since_sweep_ms = now.monotonic_ms.saturating_sub(part.swept_ms);
        let full = part.windows.len() >= self.part_max;
        if since_sweep_ms >= WINDOW_MS || (full && since_sweep_ms >= FULL_SWEEP_MS) {
            part.sweep(now, summaries);
        }
        let kept_max =
            if self.pressed.load(Ordering::Relaxed) { KEPT_WHEN_PRESSED } else { KEPT_PER_WINDOW };
        let critical = record.severity >= Severity::Critical;
        let lines = if critical { &self.critical } else { &self.others };
        part.keep(key, record.severity, (kept_max, lines), self.part_max, now)
    }

    /// Ends the windows that are over.
    pub(crate) fn sweep(&self, now: Now, summaries: &mut Vec<Record>) {
        for part in &self.parts {
            lock(part).sweep(now, summaries);
        }
    }

    /// Ends all windows.
    pub(crate) fn finish(&self, summaries: &mut Vec<Record>) {
        for part in &self.parts {
            let windows = std::mem::take(&mut lock(part).windows);
            summaries.extend(windows.into_iter().filter_map(|(key, window)| summary(key, &window)));
        }
    }
}

impl Part {
    fn keep(
        &mut self,
        key: Key,
        severity: Severity,
        (kept_max, lines): (u32, &Budget),
        part_max: usize,
        now: Now,
    ) -> bool {
        let known = self.windows.contains_key(&key);
        // A source whose line would not be written is not worth a summary of its own.
        let key = if known || (self.windows.len() < part_max && !lines.is_spent(now)) {
            key
        } else {
            // As many of these as there are kinds of refusals: bounded by our own code.
            Key { source: Source::Others, ..key }
        };
        let window = self.windows.entry(key).or_insert(Window {
            since_ms: now.monotonic_ms,
            kept: 0,
            suppressed: 0,
            severity,
        });
        if window.kept < kept_max && lines.take(now) {
            window.kept += 1;
            return true;
        }
        window.suppressed += 1;
        window.severity = window.severity.max(severity);
        false
    }

    fn sweep(&mut self, now: Now, summaries: &mut Vec<Record>) {
        self.swept_ms = now.monotonic_ms;
        self.windows.retain(|key, window| {
            let runs = now.monotonic_ms.saturating_sub(window.since_ms) < WINDOW_MS;
            if !runs {
                summaries.extend(summary(*key, window));
            }
            runs
        });
    }
}

/// What became of a window beyond the records that were kept.
fn summary(key: Key, window: &Window) -> Option<Record> {
    if window.suppressed == 0 {
        return None;
    }
    Some(Record {
        outcome: Outcome::Failure,
        rule: key.rule,
        reason: "sampled",
        client: match key.source {
            Source::V4(address) => Some(IpAddr::V4(address)),
            Source::V6([a, b, c, d]) => Some(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))),
            Source::Nowhere | Source::Others => None,
        },
        event: Some(String::from(key.code.name())),
        suppressed: window.suppressed,
        severity: window.severity,
        ..Record::new(Code::LogSuppressed)
    })
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

    /// How many of `count` equal records at one moment are kept.
    fn kept(sampler: &Sampler, record: &Record, count: usize, now: Now) -> usize {
        let mut none = Vec::new();
        (0..count).filter(|_| sampler.keep(record, now, &mut none)).count()
    }

    // T-166
    #[test]
    fn five_a_minute_then_one_summary() {
        let sampler = Sampler::new(1024);
        let noisy = refusal("message_rate", "192.0.2.1");
        assert_eq!(kept(&sampler, &noisy, 100_000, at(0)), 5);
        let others = [
            refusal("message_rate", "192.0.2.2"),
            refusal("connect_rate", "192.0.2.1"),
            refusal("message_rate", "2001:db8:0:1::1"),
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
        summaries.sort_by_key(|summary| summary.suppressed);
        let told: Vec<_> = summaries
            .iter()
            .map(|summary| (summary.code.name(), summary.rule, summary.reason, summary.suppressed))
            .collect();
        assert_eq!(
            told,
            [
                ("log_suppressed", "message_rate", "sampled", 3),
                ("log_suppressed", "message_rate", "sampled", 99_995 + 3),
            ]
        );
        assert_eq!(summaries[0].client, "2001:db8:0:1::".parse().ok());
        assert_eq!(kept(&sampler, &noisy, 9, at(60_000)), 5);

        sampler.spare(true);
        assert_eq!(kept(&sampler, &noisy, 9, at(60_001)), 0, "the window goes on");
        sampler.sweep(at(120_000), &mut Vec::new());
        assert_eq!(kept(&sampler, &noisy, 9, at(120_000)), 1, "pressed, one and a count");
        let done = Record { outcome: Outcome::Success, ..refusal("login", "192.0.2.1") };
        assert_eq!(kept(&sampler, &done, 9, at(120_000)), 9, "what was done is kept");
    }

    #[test]
    fn what_was_done_is_never_sampled() {
        let sampler = Sampler::new(16);
        for outcome in [Outcome::Success, Outcome::Unknown] {
            let record = Record { outcome, ..refusal("login", "192.0.2.1") };
            assert_eq!(kept(&sampler, &record, 50, at(0)), 50);
        }
    }

    #[test]
    fn t_166_a_second_has_so_many_lines_however_many_sources() {
        let sampler = Sampler::new(8_192);
        let flood = |severity, now| {
            let each = (0..4_000u32).map(|number| {
                let mut record = refusal("origin", &Ipv4Addr::from(number).to_string());
                record.severity = severity;
                kept(&sampler, &record, 1, now)
            });
            each.sum::<usize>()
        };
        assert_eq!(flood(Severity::Warning, at(0)), 500);
        assert_eq!(flood(Severity::Warning, at(999)), 0);
        assert_eq!(flood(Severity::Critical, at(999)), 500, "the weightier ones have their own");
        assert_eq!(flood(Severity::Warning, at(1_000)), 500);
        let mut summaries = Vec::new();
        sampler.finish(&mut summaries);
        let told: u64 = summaries.iter().map(|summary| summary.suppressed).sum();
        assert_eq!(told, 16_000 - 1_500, "what was not written is counted");
        assert!(summaries.len() < 1_600, "in few words: {}", summaries.len());
    }

    #[test]
    fn a_full_table_counts_the_rest_as_one_and_recovers() {
        let sampler = Sampler::new(64);
        let flood = |now| {
            let sources = (0..5_000u32).map(|number| {
                let record = refusal("origin", &Ipv4Addr::from(number).to_string());
                kept(&sampler, &record, 1, now)
            });
            sources.sum::<usize>()
        };
        let sources: usize = flood(at(0));
        // Each part keeps its four sources, and five of all the others.
        assert!((64..=64 + PARTS * 5).contains(&sources), "{sources}");
        assert!(sampler.parts.iter().all(|part| lock(part).windows.len() <= 5));
        assert!(flood(at(60_000)) >= 64, "ended windows make room");
        let mut summaries = Vec::new();
        sampler.finish(&mut summaries);
        assert!(summaries.iter().any(|summary| summary.client.is_none()));
        assert!(sampler.parts.iter().all(|part| lock(part).windows.is_empty()));
    }
}
