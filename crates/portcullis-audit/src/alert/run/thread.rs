//! The thread of the engine: four turns a second, and a new engine after a fault.
//! Never: ends because of a fault; records go on in any case.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portcullis_model::Now;

use super::alerts::{Shared, Stop, lock, random};
use super::{codec, records};
use crate::alert::engine::evaluation::Engine;
use crate::alert::input::interest::Interest;
use crate::alert::input::queues::{Pending, QUEUES};
use crate::alert::input::subject::Subject;
use crate::alert::notification::{Alert, AlertKey, AlertSeverity};
use crate::alert::sink::SinkOutcome;
use crate::record::group::RecordGroup;

/// Time between two turns.
const TURN: Duration = Duration::from_millis(250);
/// The state is saved at most once in this time.
const SAVE_EVERY_MS: u64 = 1_000;
/// Counts alone are saved this often.
const SAVE_COUNTS_MS: u64 = 60_000;
/// The engine is started again at most once in this time.
const RESTART_EVERY_MS: u64 = 60_000;

/// The state of the thread between turns.
struct Worker {
    shared: Arc<Shared>,
    pending: Pending,
    /// The state that was saved last; a new engine starts with it.
    saved: Option<String>,
    saved_ms: u64,
    restarted_ms: Option<u64>,
    /// The engine failed and waits to be started again.
    is_down: bool,
}

/// Starts the thread.
pub(crate) fn start(shared: Arc<Shared>, saved: Option<String>) -> std::io::Result<()> {
    let pending = shared.queues.spare();
    let mut worker =
        Worker { shared, pending, saved, saved_ms: 0, restarted_ms: None, is_down: false };
    let thread = std::thread::Builder::new().name(String::from("alerts"));
    thread.spawn(move || worker.run())?;
    Ok(())
}

impl Worker {
    fn run(&mut self) {
        loop {
            let stop = self.wait();
            let now = self.shared.clock.now();
            self.step(stop, now);
            if stop.wanted {
                let (stop, wake) = &self.shared.stop;
                lock(stop).done = true;
                wake.notify_all();
                return;
            }
        }
    }

    fn wait(&self) -> Stop {
        let (stop, wake) = &self.shared.stop;
        let goes_on = |stop: &mut Stop| !stop.wanted;
        let waited = wake.wait_timeout_while(lock(stop), TURN, goes_on);
        let (mut stop, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        let found = *stop;
        stop.fails = false;
        found
    }

    fn step(&mut self, stop: Stop, now: Now) {
        if self.is_down && !self.restart(now) {
            return;
        }
        let turn = catch_unwind(AssertUnwindSafe(|| self.turn(stop, now)));
        match turn {
            Ok(alerts) => {
                self.deliver(&alerts, now);
                let resolved = std::mem::take(&mut *lock(&self.shared.resolved));
                self.deliver(&resolved, now);
                self.save(stop, now);
            }
            Err(_) => {
                tracing::error!("the alert engine failed; records go on");
                self.is_down = true;
                self.restart(now);
            }
        }
    }

    /// Evaluates earlier records first; then the lines of these records are written.
    fn turn(&mut self, stop: Stop, now: Now) -> Vec<Arc<Alert>> {
        let shared = Arc::clone(&self.shared);
        let mut engine = lock(&shared.engine);
        assert!(!stop.fails, "the engine has to start again");
        let note = self.watch_log(&mut engine, now);
        self.watch_clock(&mut engine, now);
        engine.locate(now, |proof| {
            shared.sequences.find(proof.code, proof.at_ms, proof.reference.as_deref())
        });
        let mut alerts = engine.turn(now, note.as_deref());
        for queue in 0..QUEUES {
            shared.queues.exchange(queue, &mut self.pending);
            engine.take(&self.pending, now);
            self.pending.clear();
        }
        engine.see_codes(shared.queues.take_seen());
        if stop.wanted {
            alerts.extend(engine.turn(now, note.as_deref()));
        }
        alerts
    }

    /// Reports faults of the log that have no record; returns the newest note.
    fn watch_log(&self, engine: &mut Engine, now: Now) -> Option<String> {
        let sink = |name: &str| AlertKey { kind: "sink", value: String::from(name) };
        let mut watch = lock(&self.shared.watch);
        if watch.take_stdout_loss() {
            engine.report("A13", sink("stdout"), AlertSeverity::Critical, now);
        }
        // A file that cannot be written has an alert already.
        let is_known = engine.is_lasting("A13", &sink("security_log"));
        match watch.is_note_late(now.monotonic_ms) && !is_known {
            true => engine.raise("A13", sink("note"), AlertSeverity::Critical, now),
            false => engine.clear("A13", &sink("note"), now),
        }
        watch.note()
    }

    /// Records that the clock was set.
    fn watch_clock(&self, engine: &mut Engine, now: Now) {
        if let Some(step_ms) = engine.take_clock_step(now) {
            let step = records::clock_step(step_ms);
            self.shared.queues.push(&step, &Subject::of(&step), RecordGroup::Reserved, now);
            self.shared.record(step, now);
        }
    }

    /// Records alerts, and offers them to all channels.
    fn deliver(&self, alerts: &[Arc<Alert>], now: Now) {
        let sinks = lock(&self.shared.sinks).clone();
        for alert in alerts {
            self.shared.record(records::of_alert(alert), now);
            for sink in &sinks {
                let offered = catch_unwind(AssertUnwindSafe(|| sink.offer(alert)));
                if !matches!(offered, Ok(SinkOutcome::Accepted)) {
                    self.shared.counters.rejected.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(
                        channel = sink.name(),
                        alert = alert.id,
                        "an alert is not sent"
                    );
                }
            }
        }
    }

    fn save(&mut self, stop: Stop, now: Now) {
        let Some(file) = &self.shared.file else { return };
        let since_ms = now.monotonic_ms.saturating_sub(self.saved_ms);
        let mut engine = lock(&self.shared.engine);
        let changed = engine.policy.changed || engine.counters.first_seen.changed;
        let has_counts = engine.incidents.all().any(|incident| incident.is_open());
        let is_due = (changed && since_ms >= SAVE_EVERY_MS)
            || (has_counts && since_ms >= SAVE_COUNTS_MS)
            || (stop.wanted && (changed || has_counts));
        if !is_due {
            return;
        }
        engine.policy.changed = false;
        engine.counters.first_seen.changed = false;
        let text = codec::encode(&engine);
        drop(engine);
        self.saved_ms = now.monotonic_ms;
        self.saved = Some(text.clone());
        file.save(text);
    }

    /// Starts a new engine with the state that was saved last; `false` when it is too early.
    fn restart(&mut self, now: Now) -> bool {
        let since_ms = |at_ms: u64| now.monotonic_ms.saturating_sub(at_ms);
        if self.restarted_ms.is_some_and(|at_ms| since_ms(at_ms) < RESTART_EVERY_MS) {
            return false;
        }
        self.restarted_ms = Some(now.monotonic_ms);
        // Held to the end, so that no other rules come in between.
        let options = lock(&self.shared.options);
        let mut engine = Engine::new(&options, now, random());
        if let Some(saved) = &self.saved
            && codec::decode(saved, &mut engine).is_err()
        {
            engine = Engine::new(&options, now, random());
        }
        *lock(&self.shared.engine) = engine;
        self.shared.engine.clear_poison();
        self.shared.queues.replace_interest(Interest::new(&options.rules));
        drop(options);
        self.pending = self.shared.queues.spare();
        self.is_down = false;
        self.shared.counters.restarts.fetch_add(1, Ordering::Relaxed);
        let crash = records::engine_crash();
        self.shared.queues.push(&crash, &Subject::of(&crash), RecordGroup::Reserved, now);
        self.shared.record(crash, now);
        true
    }
}
