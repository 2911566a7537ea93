//! The handle that every part of the server records through.
//! Never: waits for the disk.

use std::sync::{Arc, Mutex};
#[cfg(test)]
use std::time::Duration;

use portcullis_model::Now;

use crate::alert::input::subject::Subject;
use crate::alert::run::alerts::Alerts;
use crate::files::disk::{Disk, SystemDisk};
use crate::live_log::{AuditCounts, LiveLog};
use crate::memory_log::MemoryLog;
use crate::options::{AuditError, AuditOptions};
use crate::output::Output;
use crate::record::fields::Record;

/// The handle of the security log. Cheap to clone; dropping the last clone closes the log.
#[derive(Debug, Clone)]
pub struct Audit {
    log: Arc<Log>,
}

#[derive(Debug)]
enum Log {
    Live(Box<LiveLog>),
    Memory(Box<MemoryLog>),
    Silent,
}

impl Audit {
    /// Opens the log and starts its threads. Numbers continue after those of an existing log.
    ///
    /// # Errors
    /// [`AuditError`] when the file cannot be opened or a thread cannot be started.
    pub fn open(options: AuditOptions) -> Result<Self, AuditError> {
        let stdout = options.stdout.then(Output::stdout).transpose();
        let output = stdout.map_err(AuditError::Thread)?;
        Self::open_on(options, output, Arc::new(SystemDisk))
    }

    /// Opens the log with a disk and an output that a test can choose.
    pub(crate) fn open_on(
        options: AuditOptions,
        output: Option<Output>,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, AuditError> {
        Ok(Self::new(Log::Live(Box::new(LiveLog::open(&options, output, &disk)?))))
    }

    /// A log that drops all records; for tests.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(Log::Silent)
    }

    /// A log that keeps its lines in memory, immediately and without sampling; for tests.
    #[must_use]
    pub fn memory() -> (Self, Arc<Mutex<Vec<String>>>) {
        let (memory, lines) = MemoryLog::new();
        (Self::new(Log::Memory(Box::new(memory))), lines)
    }

    fn new(log: Log) -> Self {
        Self { log: Arc::new(log) }
    }

    /// Records an event; never waits for the disk and never fails.
    ///
    /// For rejected requests, five records per minute of each rule and source are written, within
    /// a budget of bytes; the others are counted. Operations are always written, as long as their
    /// queue has room.
    pub fn record(&self, record: Record, now: Now) {
        match &*self.log {
            Log::Live(live) => live.record(record, now),
            Log::Memory(memory) => memory.record(record, now),
            Log::Silent => {}
        }
    }

    /// Records an event; `fill` adds its texts, and is called only for a record that is kept.
    ///
    /// `record` needs the fields that sampling and alert rules read: code, outcome, rule, reason,
    /// severity, client, user, connection, limit. `subject` has the texts that alert rules read.
    pub fn record_with(
        &self,
        mut record: Record,
        subject: &Subject<'_>,
        now: Now,
        fill: impl FnOnce(&mut Record),
    ) {
        match &*self.log {
            Log::Live(live) => live.record_with(record, subject, now, fill),
            Log::Memory(memory) => {
                fill(&mut record);
                memory.record(record, now);
            }
            Log::Silent => {}
        }
    }

    /// The alert engine; none when [`AuditOptions`] has no rules, or in tests.
    #[must_use]
    pub fn alerts(&self) -> Option<&Alerts> {
        match &*self.log {
            Log::Live(live) => live.alerts(),
            Log::Memory(_) | Log::Silent => None,
        }
    }

    /// Queues the summaries that are due, and wakes the writer to check the file.
    ///
    /// The server calls it once a second.
    pub fn tick(&self, now: Now) {
        if let Log::Live(live) = &*self.log {
            live.tick(now);
        }
    }

    /// Continues in a new file after the operator rotated the old one (SIGHUP).
    pub fn reopen(&self, now: Now) {
        if let Log::Live(live) = &*self.log {
            live.reopen(now);
        }
    }

    /// Reduces the work of the log while the server is overloaded.
    ///
    /// One rejected request per minute of each kind and source is written instead of five, and
    /// closed files are not compressed. Counts stay exact.
    pub fn set_overloaded(&self, overloaded: bool) {
        if let Log::Live(live) = &*self.log {
            live.set_overloaded(overloaded);
        }
    }

    /// The text of the newest signed note; none without a hash chain.
    #[must_use]
    pub fn newest_note(&self) -> Option<String> {
        match &*self.log {
            Log::Live(live) => live.newest_note(),
            Log::Memory(_) | Log::Silent => None,
        }
    }

    /// The counters and the state of the log, for metrics and the private listener.
    #[must_use]
    pub fn counts(&self) -> AuditCounts {
        match &*self.log {
            Log::Live(live) => live.counts(),
            Log::Memory(_) | Log::Silent => AuditCounts::default(),
        }
    }

    /// Writes the queued records and ends the threads; later records count as lost.
    ///
    /// Takes at most eight seconds, even when the disk or the reader of standard output hangs.
    pub fn close(&self) {
        if let Log::Live(live) = &*self.log {
            live.close();
        }
    }

    /// Closes the log with another timeout.
    #[cfg(test)]
    pub(crate) fn close_within(&self, timeout: Duration) {
        if let Log::Live(live) = &*self.log {
            live.close_within(timeout);
        }
    }

    /// Waits until every requested sync has finished.
    #[cfg(test)]
    pub(crate) fn wait_synced(&self) {
        if let Log::Live(live) = &*self.log {
            live.wait_synced();
        }
    }

    /// Waits until the retention rules were applied.
    #[cfg(test)]
    pub(crate) fn wait_retention(&self) {
        if let Log::Live(live) = &*self.log {
            live.wait_retention();
        }
    }

    /// Waits until the writer has no work.
    #[cfg(test)]
    pub(crate) fn wait_idle(&self) {
        if let Log::Live(live) = &*self.log {
            live.wait_idle();
        }
    }
}
