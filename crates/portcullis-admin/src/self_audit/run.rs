//! Runs the audit in the server: each night at normal load, and on request.
//! Never: two runs at a time; a wait of a shard for a check.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use portcullis_audit::{Outcome, Record};
use portcullis_guard::LoadState;
use portcullis_model::{Clock, Code, Now};
use portcullis_server::Services;
use tokio::sync::Notify;

use super::changes::{self, FindingChanges};
use super::live::LiveFacts;
use super::report::{AuditCause, AuditReport};
use super::report_files::ReportFiles;
use super::schedule::{corrected, first_run, next_night};

/// Runs all checks of a server; the reports are earlier ones, the newest first.
pub type Examine =
    Box<dyn Fn(&LiveFacts, &[AuditReport], AuditCause, Now) -> AuditReport + Send + Sync>;

/// The parts of the server that the audit needs.
pub struct SelfAuditOptions {
    /// Runs all checks; it may take a minute.
    pub examine: Examine,
    /// The stored reports.
    pub files: ReportFiles,
    /// Returns a random number, which spreads the runs of servers.
    pub random: Box<dyn Fn() -> u16 + Send + Sync>,
}

/// The audit of a running server.
pub struct SelfAudit {
    options: SelfAuditOptions,
    started: Now,
    state: Mutex<RunState>,
    done: Notify,
}

/// The state of the runs.
struct RunState {
    is_running: bool,
    newest: Option<Arc<AuditReport>>,
    next_unix_ms: i64,
}

impl SelfAudit {
    /// Reads the reports of former starts, whose findings stay open.
    #[must_use]
    pub fn new(options: SelfAuditOptions, clock: &dyn Clock) -> Self {
        let now = clock.now();
        let newest = options.files.read().into_iter().next();
        let next_unix_ms = first_run(
            newest.as_ref().map(|report| report.unix_ms),
            now.unix_ms,
            (options.random)(),
        );
        let newest = newest.map(Arc::new);
        let state = Mutex::new(RunState { is_running: false, newest, next_unix_ms });
        Self { options, started: now, state, done: Notify::new() }
    }

    /// The newest report, and whether a run is open.
    pub(crate) fn newest(&self) -> (Option<Arc<AuditReport>>, bool) {
        let state = self.state();
        (state.newest.clone(), state.is_running)
    }

    /// The start of the server.
    pub(crate) fn started(&self) -> Now {
        self.started
    }

    /// Once a minute: keeps the alerts of open findings open, and starts the nightly run.
    pub(crate) fn tick(
        self: &Arc<Self>,
        services: &Arc<Services>,
        facts: impl FnOnce() -> LiveFacts,
    ) {
        let now = services.clock.now();
        let (newest, _) = self.newest();
        if let (Some(report), Some(alerts)) = (newest, services.audit.alerts()) {
            changes::raise(&report, alerts, now);
        }
        let next = corrected(self.state().next_unix_ms, now.unix_ms, (self.options.random)());
        self.state().next_unix_ms = next;
        let is_due = next <= now.unix_ms;
        // The machine has other work: the run waits until it is over.
        if is_due && services.gate.load() == LoadState::Normal {
            self.state().next_unix_ms = next_night(now.unix_ms, (self.options.random)());
            self.start(AuditCause::Night, services, facts());
        }
    }

    /// Starts a run on a thread of its own, unless one is open.
    pub(crate) fn start(
        self: &Arc<Self>,
        cause: AuditCause,
        services: &Arc<Services>,
        facts: LiveFacts,
    ) {
        if std::mem::replace(&mut self.state().is_running, true) {
            return;
        }
        let (audit, services) = (Arc::clone(self), Arc::clone(services));
        let thread = thread::Builder::new().name(String::from("self-audit"));
        let spawned = thread.spawn(move || {
            // Also after a panic, the next run can start.
            let _open = OpenRun(&audit);
            audit.run(cause, &services, &facts);
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "the regular audit cannot start");
            self.finish();
        }
    }

    /// Waits until no run is open, at most so long.
    pub(crate) async fn wait(&self, timeout: Duration) {
        let done = self.done.notified();
        tokio::pin!(done);
        done.as_mut().enable();
        if self.state().is_running {
            let _done_or_late = tokio::time::timeout(timeout, done).await;
        }
    }

    fn run(&self, cause: AuditCause, services: &Services, facts: &LiveFacts) {
        let reports = self.options.files.read();
        let mut report = (self.options.examine)(facts, &reports, cause, services.clock.now());
        let now = services.clock.now();
        let former = self.state().newest.clone();
        if let Some(former) = &former {
            FindingChanges::keep_unseen(former, &mut report);
        }
        if let Err(error) = self.options.files.write(&report) {
            tracing::error!(%error, "the report of the regular audit cannot be stored");
        }
        services.audit.record(record(&report), now);
        let found = FindingChanges::between(former.as_deref(), &report);
        found.record(&services.audit, now);
        if let Some(alerts) = services.audit.alerts() {
            found.clear(alerts, now);
            changes::raise(&report, alerts, now);
        }
        self.state().newest = Some(Arc::new(report));
    }

    fn finish(&self) {
        self.state().is_running = false;
        self.done.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, RunState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open run; it ends when this is dropped.
struct OpenRun<'a>(&'a SelfAudit);

impl Drop for OpenRun<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}

fn record(report: &AuditReport) -> Record {
    let counts = report.counts();
    let mut record = Record::new(Code::AuditReport);
    record.outcome = Outcome::Success;
    record.reason = report.cause.name();
    record.labels.push(("critical", counts.critical.to_string()));
    record.labels.push(("warnings", counts.warnings.to_string()));
    record.labels.push(("not_checked", counts.not_checked.to_string()));
    record.detail = Some(format!(
        "the regular audit ran: {} critical, {} warnings, {} checks could not run",
        counts.critical, counts.warnings, counts.not_checked
    ));
    record
}
