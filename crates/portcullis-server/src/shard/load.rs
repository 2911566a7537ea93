//! The load of the server: measured four times a second, and recorded when the level changes.
//! Never: the consequences of a level: the guard chooses them, `shedding.rs` ends connections.

use std::rc::Rc;
use std::time::Duration;

use portcullis_audit::{Outcome, Record};
use portcullis_guard::{LoadChange, LoadMachine, LoadSample, LoadState, SAMPLE_INTERVAL_MS};
use portcullis_model::{Code, Now, Severity};
use rustix::time::{ClockId, clock_gettime};

use crate::load::samples::LoadReason;
use crate::shard::state::Shard;

/// Files that the process has open beside sockets: database, logs, listeners, timers.
const OTHER_FILES: i64 = 64;

/// Measures the load and reports it to the gate, on the first shard, until the server drains.
pub(crate) async fn load_loop(shard: Rc<Shard>) {
    let server = &shard.server;
    let jitter = (shard.references.next_number() % 1_000) as f64 / 1_000.0;
    let mut machine = LoadMachine::new(jitter);
    let mut cpu = CpuTime::until(shard.now());
    let mut pinned = server.gate.limits().pinned_load();
    let mut ticks = tokio::time::interval(Duration::from_millis(SAMPLE_INTERVAL_MS));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !shard.drain.started.get() {
        ticks.tick().await;
        let now = shard.now();
        let change = machine.evaluate(&sample(&shard, cpu.since_last(now)), now.monotonic_ms);
        let ended = server.gate.limits().record_load(machine.state(), machine.sampled(), now);
        server.audit.set_overloaded(server.gate.load() >= LoadState::Elevated);
        if let Some(change) = change {
            record_change(&shard, &change);
        }
        let before = std::mem::replace(&mut pinned, server.gate.limits().pinned_load());
        if let Some(what) = pin_change(before, pinned, ended) {
            record_pin(&shard, &what);
        }
        server.load.set_signals(machine.values());
        server.metrics.set_load(&server.gate, machine.values(), &server.queues.counts());
    }
}

fn sample(shard: &Shard, busy: f64) -> LoadSample {
    let (load, gate, metrics) = (&shard.server.load, &shard.server.gate, &shard.server.metrics);
    let options = &shard.server.options;
    let counts = gate.limits().counts();
    let slots = f64::from(gate.options().capacity.total);
    let used = f64::from(counts.pre_auth) + f64::from(counts.authenticated);
    let sockets = metrics.connections_open.get() + metrics.closing.get() + metrics.http_open.get();
    let files = percent((sockets + OTHER_FILES) as f64, options.files_max);
    // Other files of this process are noticed when none is free.
    let is_out_of_files = load.take_out_of_files();
    let is_doubted = gate.directory().authority().is_unconfirmed();
    LoadSample {
        busy,
        values: [
            load.queue.take(),
            load.lag.take(),
            percent(memory_bytes(), options.memory_limit_bytes),
            used * 100.0 / slots.max(1.0),
            load.take_rejections() as f64 * 1_000.0 / SAMPLE_INTERVAL_MS as f64,
            if is_doubted { 2.0 } else { 0.0 },
            if is_out_of_files { 100.0 } else { files },
        ],
    }
}

fn record_change(shard: &Shard, change: &LoadChange) {
    let (why, signal) = match change.signal {
        Some((signal, value)) => (signal.words(value), format!(" (signal {})", signal.name())),
        None => (String::from("the load has decreased"), String::new()),
    };
    let pinned = match shard.server.gate.limits().pinned_load() {
        Some(state) => format!("; pinned to {}", state.name()),
        None => String::new(),
    };
    let (from, to) = (change.from.name(), change.to.name());
    record_level(shard, format!("{from} to {to}: {why}{signal}{pinned}"));
    let unix_ms = shard.now().unix_ms;
    shard.server.load.set_reason(LoadReason { unix_ms, why });
}

/// The change of the pin since the last sample; `ended` is the pin that has ended by itself.
///
/// A pin that an operator sets again for another time is the same pin.
fn pin_change(
    before: Option<LoadState>,
    after: Option<LoadState>,
    ended: Option<LoadState>,
) -> Option<String> {
    match (before, after, ended) {
        (_, None, Some(pinned)) => Some(format!("the pin to {} has ended", pinned.name())),
        (Some(pinned), None, None) => {
            Some(format!("an operator ended the pin to {}", pinned.name()))
        }
        (before, Some(pinned), _) if before != after => {
            Some(format!("an operator pinned the load level to {}", pinned.name()))
        }
        (_, Some(_), _) | (None, None, None) => None,
    }
}

fn record_pin(shard: &Shard, what: &str) {
    record_level(shard, format!("{what}: {} now", shard.server.gate.load().name()));
    let unix_ms = shard.now().unix_ms;
    shard.server.load.set_reason(LoadReason { unix_ms, why: String::from(what) });
}

/// Records the level in force, which an alert follows: the pinned one, otherwise the measured one.
fn record_level(shard: &Shard, detail: String) {
    let level = shard.server.gate.load();
    let mut record = Record::new(Code::DegradationStateChanged);
    record.severity = match level {
        LoadState::Normal => Severity::Info,
        LoadState::Elevated | LoadState::Shedding => Severity::Warning,
        LoadState::Critical => Severity::Critical,
    };
    record.outcome = Outcome::Success;
    record.rule = "load";
    record.reason = level.name();
    record.detail = Some(detail);
    shard.server.audit.record(record, shard.now());
}

/// CPU time that the process has used, and the time of that sample.
struct CpuTime {
    used: Duration,
    at: Now,
}

impl CpuTime {
    fn until(at: Now) -> Self {
        let used = clock_gettime(ClockId::ProcessCPUTime);
        Self { used: Duration::try_from(used).unwrap_or_default(), at }
    }

    /// The share of one core since the last call, in percent.
    fn since_last(&mut self, now: Now) -> f64 {
        let last = std::mem::replace(self, Self::until(now));
        let elapsed_ms = now.monotonic_ms.saturating_sub(last.at.monotonic_ms).max(1);
        self.used.saturating_sub(last.used).as_secs_f64() * 100_000.0 / elapsed_ms as f64
    }
}

/// The percentage of a maximum; 0 when the maximum is unknown.
fn percent(used: f64, max: u64) -> f64 {
    if max == 0 { 0.0 } else { used * 100.0 / max as f64 }
}

/// Resident memory of the process; 0 when the system does not report it.
fn memory_bytes() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok());
    pages.unwrap_or(0.0) * rustix::param::page_size() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn change_of_a_pin_names_its_cause() {
        let (shedding, critical) = (Some(LoadState::Shedding), Some(LoadState::Critical));
        for (before, after, ended, expect) in [
            (None, None, None, None),
            (shedding, shedding, None, None),
            (None, shedding, None, Some("an operator pinned the load level to shedding")),
            (shedding, critical, None, Some("an operator pinned the load level to critical")),
            (shedding, None, None, Some("an operator ended the pin to shedding")),
            (shedding, None, shedding, Some("the pin to shedding has ended")),
            // Pinned and ended between two samples.
            (None, None, shedding, Some("the pin to shedding has ended")),
            (shedding, critical, shedding, Some("an operator pinned the load level to critical")),
        ] {
            let found = pin_change(before, after, ended);
            assert_eq!(found.as_deref(), expect, "{before:?} {after:?} {ended:?}");
        }
    }
}
