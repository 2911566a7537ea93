//! The handle of the alert engine, for channels, administrators and other parts of the server.
//! Never: a wait for the disk or for a channel.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use portcullis_model::{Clock, Now};

use super::log_watch::LogWatch;
use super::records;
use super::sequences::Sequences;
use super::state_file::StateFile;
use super::{codec, replacement, state_file, thread};
use crate::alert::engine::evaluation::Engine;
use crate::alert::incident::silence::{Silence, SilenceError, SilenceRequest};
use crate::alert::input::interest::Interest;
use crate::alert::input::queues::NoteQueues;
use crate::alert::input::subject::Subject;
use crate::alert::notification::{Acknowledgement, Alert, AlertKey, AlertSeverity};
use crate::alert::options::AlertOptions;
use crate::alert::sink::AlertSink;
use crate::files::path::file_name;
use crate::queue::Queue;
use crate::record::fields::Record;
use crate::record::group::RecordGroup;

/// The longest note of an acknowledgement that is kept, in bytes.
const NOTE_MAX_BYTES: usize = 800;

/// Counters of the engine, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AlertEngineCounts {
    /// Open alerts: info, medium, high, critical.
    pub open: [u64; 4],
    /// Records that rules evaluated.
    pub evaluated: u64,
    /// Records that rules with a key did not see, because too many came at once.
    pub dropped: u64,
    /// Messages offered to channels.
    pub messages: u64,
    /// Messages that a channel had no space for.
    pub rejected: u64,
    /// Starts after a fault of the engine.
    pub restarts: u64,
}

/// The state that the threads share.
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: Mutex<AlertOptions>,
    pub(crate) queues: NoteQueues,
    pub(crate) engine: Mutex<Engine>,
    pub(crate) sinks: Mutex<Vec<Arc<dyn AlertSink>>>,
    pub(crate) sequences: Sequences,
    pub(crate) watch: Mutex<LogWatch>,
    pub(crate) log: Arc<Queue>,
    pub(crate) file: Option<StateFile>,
    pub(crate) counters: RunCounters,
    /// Alerts that the replacement of rules has resolved, for the thread to deliver.
    pub(crate) resolved: Mutex<Vec<Arc<Alert>>>,
    pub(crate) stop: (Mutex<Stop>, Condvar),
}

/// Counters of the thread.
#[derive(Debug, Default)]
pub(crate) struct RunCounters {
    pub(crate) rejected: AtomicU64,
    pub(crate) restarts: AtomicU64,
}

/// Whether the thread has to end, and has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stop {
    pub(crate) wanted: bool,
    pub(crate) done: bool,
    /// The engine has to start again: it failed outside of its thread, or a test wants it.
    pub(crate) fails: bool,
}

/// The alert engine. Cheap to clone.
#[derive(Clone)]
pub struct Alerts {
    pub(crate) shared: Arc<Shared>,
}

impl std::fmt::Debug for Alerts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Alerts").field("counts", &self.counts()).finish()
    }
}

impl Alerts {
    /// Reads the state and starts the threads.
    pub(crate) fn start(options: AlertOptions, log: Arc<Queue>) -> std::io::Result<Self> {
        let now = options.clock.now();
        let mut engine = Engine::new(&options, now, random());
        let mut faults = Vec::new();
        let mut saved = None;
        if let Some(path) = &options.state_file {
            match load(path, &options, now) {
                Ok(found) => {
                    if let Some((loaded, text)) = found {
                        engine = loaded;
                        saved = Some(text);
                    }
                }
                Err(fault) => {
                    let key = AlertKey { kind: "sink", value: String::from("alert_state") };
                    engine.report("A13", key, AlertSeverity::Critical, now);
                    faults.push(records::state_broken(set_aside(path, &fault)));
                }
            }
        }
        let file = options.state_file.clone().map(StateFile::start).transpose()?;
        let shared = Arc::new(Shared {
            queues: NoteQueues::new(Interest::new(&options.rules)),
            engine: Mutex::new(engine),
            sinks: Mutex::default(),
            sequences: Sequences::default(),
            watch: Mutex::default(),
            log,
            file,
            counters: RunCounters::default(),
            resolved: Mutex::default(),
            stop: (Mutex::default(), Condvar::new()),
            clock: Arc::clone(&options.clock),
            options: Mutex::new(options),
        });
        for record in faults {
            shared.log.push(record, RecordGroup::Reserved, now);
        }
        thread::start(Arc::clone(&shared), saved)?;
        Ok(Self { shared })
    }

    /// Adds a channel. It gets each alert that is sent from now on.
    pub fn add_sink(&self, sink: Arc<dyn AlertSink>) {
        lock(&self.shared.sinks).push(sink);
    }

    /// Replaces rules and times, for all records from now on. Open alerts and silences stay, and an
    /// open alert of a rule that is gone is resolved; counts below a threshold start again.
    ///
    /// The file of the state, the node and the clock stay those of the start. `false` if the engine
    /// failed: it starts again with the new rules, and with its state of the last second.
    #[must_use]
    pub fn replace_rules(&self, options: &AlertOptions) -> bool {
        replacement::replace_rules(&self.shared, options)
    }

    /// All open alerts, the most severe first; 1,024 and one for each rule at most.
    #[must_use]
    pub fn open(&self) -> Vec<Alert> {
        self.engine().open_alerts()
    }

    /// The alerts that were resolved in the last 30 minutes, the most severe first.
    #[must_use]
    pub fn resolved(&self) -> Vec<Alert> {
        self.engine().resolved_alerts()
    }

    /// An administrator took note of an open alert: no updates until it gets worse or ten times
    /// as frequent. `false` when no open alert has the id.
    pub fn acknowledge(&self, id: &str, acknowledgement: Acknowledgement, now: Now) -> bool {
        let note =
            acknowledgement.note.get(..acknowledgement.note.floor_char_boundary(NOTE_MAX_BYTES));
        let acknowledgement =
            Acknowledgement { note: String::from(note.unwrap_or_default()), ..acknowledgement };
        let record = records::acknowledged(id, &acknowledgement.by, &acknowledgement.note);
        let found = self.engine().acknowledge(id, acknowledgement);
        if found {
            self.record(record, now);
        }
        found
    }

    /// Silences alerts until a time.
    ///
    /// # Errors
    /// [`SilenceError`] when the request is outside its bounds, or names a protected rule.
    pub fn silence(&self, request: SilenceRequest, now: Now) -> Result<Silence, SilenceError> {
        let silence = self.engine().silence(request, now)?;
        self.record(records::silenced(&silence, &silence.request.by, "silenced"), now);
        Ok(silence)
    }

    /// Ends a silence early; `false` when it has ended or never began.
    pub fn unsilence(&self, id: u64, by: &str, now: Now) -> bool {
        let Some(silence) = self.engine().unsilence(id) else { return false };
        self.record(records::silenced(&silence, by, "unsilenced"), now);
        true
    }

    /// The silences in force.
    #[must_use]
    pub fn silences(&self) -> Vec<Silence> {
        self.engine().policy.silences.clone()
    }

    /// Reports a state that lasts: a certificate that expires (A16), a finding (A17).
    ///
    /// Report it again each minute while it lasts, also with another severity.
    pub fn raise(&self, rule: &str, key: AlertKey, severity: AlertSeverity, now: Now) {
        self.engine().raise(rule, key, severity, now);
    }

    /// The state is over.
    pub fn clear(&self, rule: &str, key: &AlertKey, now: Now) {
        self.engine().clear(rule, key, now);
    }

    /// The log has a chain: a missing note is an alert (A13).
    pub(crate) fn expect_notes(&self) {
        lock(&self.shared.watch).expect_notes(self.shared.clock.now().monotonic_ms);
    }

    /// The newest signed note of the log, which each alert carries.
    pub(crate) fn set_note(&self, note: String) {
        lock(&self.shared.watch).set_note(note, self.shared.clock.now().monotonic_ms);
    }

    /// The lines that standard output lost until now; a loss is an alert (A13).
    pub(crate) fn set_stdout_lost(&self, lines: u64) {
        lock(&self.shared.watch).set_stdout_lost(lines);
    }

    /// The counters of the engine.
    #[must_use]
    pub fn counts(&self) -> AlertEngineCounts {
        let mut open = [0; 4];
        let engine = self.engine();
        let incidents = engine.incidents.all().chain(&engine.storm.incident);
        for incident in incidents.filter(|incident| incident.is_open()) {
            if let Some(count) = open.get_mut(incident.severity as usize) {
                *count += 1;
            }
        }
        AlertEngineCounts {
            open,
            evaluated: engine.counts.evaluated,
            dropped: self.shared.queues.dropped(),
            messages: engine.counts.messages,
            rejected: self.shared.counters.rejected.load(Ordering::Relaxed),
            restarts: self.shared.counters.restarts.load(Ordering::Relaxed),
        }
    }

    /// Notes a record for the rules, before sampling.
    pub(crate) fn note(
        &self,
        record: &Record,
        subject: &Subject<'_>,
        group: RecordGroup,
        now: Now,
    ) {
        self.shared.queues.push(record, subject, group, now);
    }

    /// A record was written as this line.
    pub(crate) fn written(&self, record: &Record, now: Now, sequence: u64) {
        if self.shared.queues.wants(record.code) {
            self.shared.sequences.add(record, now, sequence);
        }
    }

    /// Ends the threads; what waits is evaluated and saved, within the time.
    pub(crate) fn close(&self, timeout: Duration) {
        let (stop, wake) = &self.shared.stop;
        lock(stop).wanted = true;
        wake.notify_all();
        let runs = |stop: &mut Stop| !stop.done;
        drop(wake.wait_timeout_while(lock(stop), timeout, runs));
        if let Some(file) = &self.shared.file {
            file.close(timeout);
        }
    }

    /// Records an operation of an administrator, and shows it to the rules.
    fn record(&self, record: Record, now: Now) {
        self.note(&record, &Subject::of(&record), RecordGroup::Reserved, now);
        self.shared.record(record, now);
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        lock(&self.shared.engine)
    }
}

impl Shared {
    pub(crate) fn record(&self, record: Record, now: Now) {
        self.log.push(record, RecordGroup::Reserved, now);
    }
}

/// A poisoned lock is of an engine that failed; its thread replaces it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes ids of alerts unique.
pub(crate) fn random() -> u128 {
    let mut bytes = [0; 16];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        tracing::error!("no randomness: ids of alerts can be guessed");
    }
    u128::from_be_bytes(bytes)
}

/// Sets a state aside that cannot be used; returns the detail of its record.
fn set_aside(path: &std::path::Path, fault: &str) -> String {
    let aside = match state_file::set_aside(path) {
        Ok(aside) => format!("it is kept as {}", file_name(&aside)),
        Err(error) => format!("it cannot be set aside: {error}"),
    };
    let detail = format!("{} {fault}; {aside}", file_name(path));
    tracing::error!(detail, "open alerts and silences are lost, because their state is not read");
    detail
}

/// An engine with the state of the file, and its text. The error continues a text that names it.
fn load(
    path: &std::path::Path,
    options: &AlertOptions,
    now: Now,
) -> Result<Option<(Engine, String)>, String> {
    let text = state_file::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    let Some(text) = text else { return Ok(None) };
    let mut engine = Engine::new(options, now, random());
    codec::decode(&text, &mut engine).map_err(|fault| fault.to_string())?;
    Ok(Some((engine, text)))
}
