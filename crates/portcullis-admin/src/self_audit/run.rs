//! Runs the audit in the server: each night at normal load, and on request.
//! Never: two runs at a time; a wait of a shard for a check.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use portcullis_audit::{Audit, Outcome, Record, utc};
use portcullis_guard::LoadState;
use portcullis_model::{Clock, Code, Now, Severity};
use portcullis_server::Services;
use serde::Serialize;
use tokio::sync::Notify;

use super::acceptance::AcceptedFinding;
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
    /// Findings that raise no alert for a while.
    pub accepted: Vec<AcceptedFinding>,
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
    /// The failure of the last run; the newest report is older.
    failure: Option<RunFailure>,
    next_unix_ms: i64,
}

/// The failure of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RunFailure {
    /// When it failed, in UTC.
    at: String,
    why: String,
}

impl SelfAudit {
    /// Reads the reports of former starts, whose findings stay open.
    #[must_use]
    pub fn new(options: SelfAuditOptions, clock: &dyn Clock) -> Self {
        let now = clock.now();
        let newest = options.files.read_noting_others().into_iter().next();
        let next_unix_ms = first_run(
            newest.as_ref().map(|report| report.unix_ms),
            now.unix_ms,
            (options.random)(),
        );
        let newest = newest.map(Arc::new);
        let state = Mutex::new(RunState { is_running: false, newest, failure: None, next_unix_ms });
        Self { options, started: now, state, done: Notify::new() }
    }

    /// The newest report, and whether a run is open.
    pub(crate) fn newest(&self) -> (Option<Arc<AuditReport>>, bool) {
        let state = self.state();
        (state.newest.clone(), state.is_running)
    }

    /// The failure of the last run, unless it made a report.
    pub(crate) fn failure(&self) -> Option<RunFailure> {
        self.state().failure.clone()
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
        let (log, clock) = (services.audit.clone(), Arc::clone(&services.clock));
        let _detached = self.spawn(cause, log, clock, facts);
    }

    /// The thread of a run; `None` when a run is open, or when it cannot start.
    fn spawn(
        self: &Arc<Self>,
        cause: AuditCause,
        log: Audit,
        clock: Arc<dyn Clock>,
        facts: LiveFacts,
    ) -> Option<JoinHandle<()>> {
        if std::mem::replace(&mut self.state().is_running, true) {
            return None;
        }
        let now = clock.now();
        let failure = Some(String::from("it ended early: the operational log has the reason"));
        let mut open = OpenRun { audit: Arc::clone(self), log, clock, cause, failure };
        let thread = thread::Builder::new().name(String::from("self-audit"));
        let spawned = thread.spawn(move || {
            open.audit.run(cause, &open.log, &*open.clock, &facts);
            open.set_complete();
        });
        if let Err(error) = &spawned {
            // The run has ended, and nothing but the error says why.
            tracing::error!(%error, "the regular audit cannot start");
            let why = format!("its thread cannot start: {error}");
            self.state().failure = Some(RunFailure { at: utc(now.unix_ms), why });
        }
        spawned.ok()
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

    fn run(&self, cause: AuditCause, log: &Audit, clock: &dyn Clock, facts: &LiveFacts) {
        let reports = self.options.files.read();
        let mut report = (self.options.examine)(facts, &reports, cause, clock.now());
        let now = clock.now();
        let former = self.state().newest.clone();
        if let Some(former) = &former {
            FindingChanges::keep_unseen(former, &mut report);
        }
        report.accept(&self.options.accepted);
        // Changes are those of all findings, also of those that the report has no space for.
        let complete = report.clone();
        report.hide_rest();
        if let Err(error) = self.options.files.write(&report) {
            tracing::error!(%error, "the report of the regular audit cannot be stored");
        }
        log.record(record(&report), now);
        let found = FindingChanges::between(former.as_deref(), &complete);
        found.record(log, now);
        if let Some(alerts) = log.alerts() {
            found.clear(alerts, now);
            changes::raise(&report, alerts, now);
        }
        self.state().newest = Some(Arc::new(report));
    }

    fn state(&self) -> MutexGuard<'_, RunState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open run; it ends when this is dropped, also after a panic: the next run can start.
struct OpenRun {
    audit: Arc<SelfAudit>,
    log: Audit,
    clock: Arc<dyn Clock>,
    cause: AuditCause,
    /// Why it fails if it ends now.
    failure: Option<String>,
}

impl OpenRun {
    /// The run made a report.
    fn set_complete(&mut self) {
        self.failure = None;
    }
}

impl Drop for OpenRun {
    fn drop(&mut self) {
        let now = self.clock.now();
        if let Some(why) = &self.failure {
            let mut record = Record::new(Code::AuditReport);
            record.outcome = Outcome::Failure;
            record.reason = self.cause.name();
            record.severity = Severity::Warning;
            record.detail = Some(format!("the regular audit failed: {why}"));
            self.log.record(record, now);
        }
        let failure = self.failure.take();
        let mut state = self.audit.state();
        state.failure = failure.map(|why| RunFailure { at: utc(now.unix_ms), why });
        state.is_running = false;
        drop(state);
        self.audit.done.notify_waiters();
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::super::report::tests::report;
    use super::*;

    struct FixedClock;

    impl Clock for FixedClock {
        fn now(&self) -> Now {
            Now { monotonic_ms: 0, unix_ms: 1_790_824_365_000 }
        }
    }

    #[test]
    fn failed_run_is_reported_and_recorded_until_a_run_makes_a_report() {
        let folder = tempfile::tempdir().unwrap();
        let fails = Arc::new(AtomicBool::new(true));
        let examined = Arc::clone(&fails);
        let options = SelfAuditOptions {
            examine: Box::new(move |_, _, _, now| {
                assert!(!examined.load(Ordering::Relaxed), "a fault of a check");
                report(now.unix_ms, &[])
            }),
            files: ReportFiles::new(folder.path().join("reports")),
            accepted: Vec::new(),
            random: Box::new(|| 0),
        };
        let audit = Arc::new(SelfAudit::new(options, &FixedClock));
        let (log, lines) = Audit::memory();
        let run = || {
            let facts = LiveFacts::default();
            let run = audit.spawn(AuditCause::Request, log.clone(), Arc::new(FixedClock), facts);
            run.unwrap().join()
        };
        assert_eq!(audit.failure(), None);
        assert!(run().is_err());
        let failure = audit.failure().unwrap();
        assert_eq!(failure.at, "2026-10-01T03:12:45.000Z");
        assert!(failure.why.starts_with("it ended early"), "{failure:?}");
        assert!(audit.newest().0.is_none() && !audit.newest().1, "the next run can start");
        let recorded = lines.lock().unwrap().concat();
        assert!(recorded.contains("the regular audit failed: it ended early"), "{recorded}");
        fails.store(false, Ordering::Relaxed);
        assert!(run().is_ok());
        assert_eq!(audit.failure(), None);
        assert!(audit.newest().0.is_some());
    }
}
