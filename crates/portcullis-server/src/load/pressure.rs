//! How hard-pressed the server is: measured four times a second, put on record when it changes.
//! Never: what follows from it; the gate decides that, and each shard sweeps for itself.

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use portcullis_audit::{Outcome, Record};
use portcullis_guard::{
    ClientClass, LoadChange, LoadMachine, LoadSample, LoadState, SAMPLE_INTERVAL_MS,
};
use portcullis_model::{Code, Denial, Now, Severity, ShedKind};
use rustix::time::{ClockId, clock_gettime};

use crate::connection::state::End;
use crate::events::frame::Form;
use crate::shard::state::Shard;

/// Files the process has open beside sockets: database, logs, listeners, timers.
const OTHER_FILES: i64 = 64;

/// What of a single delay counts: one that comes alone is a hiccup, not a load.
const ALONE_PART: u64 = 4;

/// The two longest delays since the last look, in milliseconds, on whatever shard.
#[derive(Debug, Default)]
struct Delays {
    longest: AtomicU64,
    second: AtomicU64,
}

impl Delays {
    fn note(&self, ms: u64) {
        let before = self.longest.fetch_max(ms, Ordering::Relaxed);
        self.second.fetch_max(ms.min(before), Ordering::Relaxed);
    }

    /// The second longest, or a part of the longest.
    fn take(&self) -> f64 {
        let longest = self.longest.swap(0, Ordering::Relaxed);
        let second = self.second.swap(0, Ordering::Relaxed);
        second.max(longest / ALONE_PART) as f64
    }
}

/// What the shards have seen since the last look.
#[derive(Debug, Default)]
pub(crate) struct Pressure {
    queue: Delays,
    lag: Delays,
    refused: AtomicU64,
    without_file: AtomicBool,
}

impl Pressure {
    /// A timer fired so late.
    pub(crate) fn late(&self, lag_ms: u64) {
        self.lag.note(lag_ms);
    }

    /// What was ready to run waited for so long.
    pub(crate) fn waited(&self, queue_ms: u64) {
        self.queue.note(queue_ms);
    }

    /// No connection could be accepted, for want of a file.
    pub(crate) fn out_of_files(&self) {
        self.without_file.store(true, Ordering::Relaxed);
    }

    /// A stranger was refused: at the TLS handshake, a request or the CONNECT.
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

impl Shard {
    /// Runs on the first shard for the server's life: looks, and tells the gate.
    pub(crate) async fn watch_pressure(self: Rc<Self>) {
        let jitter = (self.references.next_number() % 1_000) as f64 / 1_000.0;
        let mut machine = LoadMachine::new(jitter);
        let mut used = Used::until(self.now());
        let mut ticks = tokio::time::interval(Duration::from_millis(SAMPLE_INTERVAL_MS));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !self.draining.get() {
            ticks.tick().await;
            let now = self.now();
            let change = machine.evaluate(&self.look(used.since_last(now)), now.monotonic_ms);
            self.gate.limits().record_load(machine.state(), machine.sampled(), now);
            self.audit.set_loaded(self.gate.load() >= LoadState::Elevated);
            if let Some(change) = change {
                self.record_change(&change);
            }
            self.metrics.pressed(&self.gate, machine.values(), &self.waiting.counts());
        }
    }

    fn look(&self, busy: f64) -> LoadSample {
        let pressure = &self.pressure;
        let refused = pressure.refused.swap(0, Ordering::Relaxed) as f64;
        let counts = self.gate.limits().counts();
        let places = f64::from(self.gate.options().capacity.total);
        let used = f64::from(counts.pre_auth) + f64::from(counts.authenticated);
        let metrics = &self.metrics;
        let sockets =
            metrics.connections_open.get() + metrics.closing.get() + metrics.http_open.get();
        let files = part((sockets + OTHER_FILES) as f64, self.options.files_max);
        // What else of this process holds files shows when there are none left.
        let none_left = pressure.without_file.swap(false, Ordering::Relaxed);
        let doubted = self.gate.directory().authority().is_unconfirmed();
        LoadSample {
            busy,
            values: [
                pressure.queue.take(),
                pressure.lag.take(),
                part(memory_bytes(), self.options.memory_limit_bytes),
                used * 100.0 / places.max(1.0),
                refused * 1_000.0 / SAMPLE_INTERVAL_MS as f64,
                if doubted { 2.0 } else { 0.0 },
                if none_left { 100.0 } else { files },
            ],
        }
    }

    fn record_change(&self, change: &LoadChange) {
        let severity = match change.to {
            LoadState::Normal => Severity::Info,
            LoadState::Elevated | LoadState::Shedding => Severity::Warning,
            LoadState::Critical => Severity::Critical,
        };
        let mut record = Record::new(Code::DegradationStateChanged);
        record.severity = severity;
        record.outcome = Outcome::Success;
        record.rule = "load";
        record.reason = change.to.name();
        let why = match change.signal {
            Some((signal, value)) => format!("{} is {value:.0}", signal.name()),
            None => String::from("it has calmed down"),
        };
        let pinned = match self.gate.limits().pinned_load() {
            Some(state) => format!("; pinned to {}", state.name()),
            None => String::new(),
        };
        let (from, to) = (change.from.name(), change.to.name());
        record.detail = Some(format!("{from} to {to}: {why}{pinned}"));
        self.audit.record(record, self.now());
    }

    /// Lets go of what a server in Critical does without, on this shard.
    pub(crate) fn let_go(&self) {
        let connections: Vec<_> = self.connections.borrow().values().cloned().collect();
        for connection in connections {
            // Who has been here before was let in to sign in, and has the time for it.
            let stranger = connection.form != Form::Engine
                && connection.caller().is_none()
                && connection.class == ClientClass::Unauthenticated;
            if stranger {
                connection.end(End::Refused(Denial::Shed(ShedKind::UnauthenticatedConnection)));
            } else if connection.is_far_behind(&self.options) {
                connection.end(End::Refused(Denial::SlowConsumer));
            } else {
                continue;
            }
            connection.wake();
        }
        if self.index == 0 {
            self.parking.clear();
        }
    }
}

/// CPU time the process has used, and when that was looked up.
struct Used {
    cpu: Duration,
    at: Now,
}

impl Used {
    fn until(at: Now) -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Self { cpu: Duration::try_from(cpu).unwrap_or_default(), at }
    }

    /// How much of one core since this was asked last, in percent.
    fn since_last(&mut self, now: Now) -> f64 {
        let last = std::mem::replace(self, Self::until(now));
        let elapsed_ms = now.monotonic_ms.saturating_sub(last.at.monotonic_ms).max(1);
        self.cpu.saturating_sub(last.cpu).as_secs_f64() * 100_000.0 / elapsed_ms as f64
    }
}

/// In percent; nothing where nobody knows how much there is.
fn part(used: f64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { used * 100.0 / of as f64 }
}

/// Memory of the process that is resident; 0 where the system does not say.
fn memory_bytes() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok());
    pages.unwrap_or(0.0) * rustix::param::page_size() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_that_comes_alone_counts_for_a_part() {
        let delays = Delays::default();
        let take = |seen: &[u64]| {
            seen.iter().for_each(|ms| delays.note(*ms));
            delays.take()
        };
        assert_eq!(take(&[]), 0.0);
        assert_eq!(take(&[1, 107, 2]), 26.0);
        assert_eq!(take(&[30, 40, 35]), 35.0);
        assert_eq!(take(&[40, 40]), 40.0);
        assert_eq!(take(&[2_000]), 500.0, "a long one is long even alone");
    }
}
