//! The log on the disk: samples and queues records, and owns the threads that write them.
//! Never: waits for the disk, except at most eight seconds when it is closed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_model::Now;

use crate::alert::input::subject::Subject;
use crate::alert::run::alerts::Alerts;
use crate::chain::line::INTEGRITY_BYTES;
use crate::chain::runtime::NewestNote;
use crate::files::disk::Disk;
use crate::files::sync::Syncer;
use crate::options::{AuditError, AuditOptions};
use crate::output::Output;
use crate::queue::{Queue, QueueLimits};
use crate::record::encode::encode;
use crate::record::fields::Record;
use crate::record::group::RecordGroup;
use crate::record::service::Service;
use crate::sampling::sampler::Sampler;
use crate::sampling::source_table::Summaries;
use crate::writer::status::{LogState, WriterStatus};
use crate::writer::storage::Storage;
use crate::writer::thread::Writer;

/// Timeout on close for the writer, for the sync thread, and for standard output, each.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Timeout on close for the alert engine, and for its state file, each.
const ALERTS_TIMEOUT: Duration = Duration::from_secs(1);

/// The counters and the state of the log, for metrics and the private listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditCounts {
    /// Lines written.
    pub written: u64,
    /// Records that are only counted in a summary.
    pub sampled: u64,
    /// The number of queued records, and the maximum.
    pub waiting: (usize, usize),
    /// Records that are not in the file: their queue was full, or the log was closed.
    pub lost: u64,
    /// Lines that standard output did not take.
    pub stdout_lost: u64,
    /// The state of the file.
    pub state: LogState,
    /// Bytes that are reserved on the disk for operations.
    pub reserve_bytes: u64,
}

/// The log on the disk. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct LiveLog {
    sampler: Sampler,
    alerts: Option<Alerts>,
    queue: Arc<Queue>,
    status: Arc<WriterStatus>,
    syncer: Option<Syncer>,
    newest_note: NewestNote,
    /// Bytes that the chain adds to each line.
    integrity_bytes: u64,
    output: Option<Output>,
    service: Service,
    sampled: AtomicU64,
    closed: AtomicBool,
    /// Disconnected when the writer thread has ended.
    writer: Mutex<Receiver<()>>,
}

impl LiveLog {
    /// Opens the files and starts the threads.
    pub(crate) fn open(
        options: &AuditOptions,
        output: Option<Output>,
        disk: &Arc<dyn Disk>,
    ) -> Result<Self, AuditError> {
        let queue = Arc::new(Queue::new(QueueLimits {
            reserved: options.reserved_max,
            user: options.queue_max,
            unauthenticated: options.queue_max / 4,
        }));
        let status = Arc::new(WriterStatus::default());
        let newest_note = NewestNote::default();
        let opened = Storage::open(options, disk, &queue, &newest_note)?;
        let syncer = opened.storage.syncer().cloned();
        let alerts = options.alert.clone();
        let alerts = alerts.map(|alert| Alerts::start(alert, Arc::clone(&queue))).transpose();
        let alerts = alerts.map_err(AuditError::Thread)?;
        if let Some(alerts) = alerts.as_ref().filter(|_| options.chain.is_some()) {
            alerts.expect_notes();
        }
        let writer = Writer::new(
            opened,
            output.clone(),
            Service::new(options),
            Arc::clone(&status),
            Arc::clone(&queue),
            alerts.clone(),
        );
        let (running, ended) = sync_channel::<()>(1);
        let run = move || {
            writer.run();
            drop(running);
        };
        let thread = std::thread::Builder::new().name(String::from("audit-writer"));
        thread.spawn(run).map_err(AuditError::Thread)?;
        Ok(Self {
            sampler: Sampler::new(options.sources_max, options.unauthenticated_day_bytes),
            alerts,
            queue,
            status,
            syncer,
            newest_note,
            integrity_bytes: if options.chain.is_some() { INTEGRITY_BYTES } else { 0 },
            output,
            service: Service::new(options),
            sampled: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            writer: Mutex::new(ended),
        })
    }

    /// Shows a complete record to the alert rules, samples and queues it.
    pub(crate) fn record(&self, record: Record, now: Now) {
        let group = RecordGroup::of(&record);
        if let Some(alerts) = &self.alerts {
            alerts.note(&record, &Subject::of(&record), group, now);
        }
        self.sample(record, group, now, |_| ());
    }

    /// Shows a record to the alert rules, samples, completes and queues it.
    pub(crate) fn record_with(
        &self,
        record: Record,
        subject: &Subject<'_>,
        now: Now,
        fill: impl FnOnce(&mut Record),
    ) {
        let group = RecordGroup::of(&record);
        if let Some(alerts) = &self.alerts {
            alerts.note(&record, subject, group, now);
        }
        self.sample(record, group, now, fill);
    }

    /// The text of the newest signed note.
    pub(crate) fn newest_note(&self) -> Option<String> {
        self.newest_note.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The alert engine, if the log has one.
    pub(crate) fn alerts(&self) -> Option<&Alerts> {
        self.alerts.as_ref()
    }

    fn sample(
        &self,
        mut record: Record,
        group: RecordGroup,
        now: Now,
        fill: impl FnOnce(&mut Record),
    ) {
        if !self.sampler.keep(&record, group, now) {
            self.sampled.fetch_add(1, Ordering::Relaxed);
            return;
        }
        fill(&mut record);
        record.sanitize();
        if Sampler::is_charged(&record, group) {
            let mut line = String::new();
            encode(&mut line, &record, now, Some(u64::MAX), &self.service);
            let bytes = line.len() as u64 + self.integrity_bytes;
            self.sampler.charge(&record, group, bytes, now);
        }
        self.queue.push(record, group, now);
    }

    /// Queues the summaries that are due, and wakes the writer.
    pub(crate) fn tick(&self, now: Now) {
        let mut summaries = Vec::new();
        self.sampler.sweep(now, &mut summaries);
        self.push_all(summaries, now);
        if let (Some(alerts), Some(output)) = (&self.alerts, &self.output) {
            alerts.set_stdout_lost(output.lost());
        }
        self.queue.tick(now);
    }

    /// Notifies the writer that the operator rotated the file.
    pub(crate) fn reopen(&self, now: Now) {
        self.queue.reopen(now);
    }

    /// Samples more strictly and stops compression while the server is overloaded.
    pub(crate) fn set_overloaded(&self, overloaded: bool) {
        self.sampler.set_overloaded(overloaded);
        if let Some(syncer) = &self.syncer {
            syncer.set_overloaded(overloaded);
        }
    }

    /// The counters and the state of the log.
    pub(crate) fn counts(&self) -> AuditCounts {
        AuditCounts {
            written: self.status.lines.load(Ordering::Relaxed),
            sampled: self.sampled.load(Ordering::Relaxed),
            waiting: self.queue.waiting(),
            lost: self.queue.lost() + self.status.unwritten.load(Ordering::Relaxed),
            stdout_lost: self.output.as_ref().map_or(0, Output::lost),
            state: self.status.state(self.queue.now()),
            reserve_bytes: self.status.reserve_bytes.load(Ordering::Relaxed),
        }
    }

    /// Writes the queued records and ends the threads.
    pub(crate) fn close(&self) {
        self.close_within(CLOSE_TIMEOUT);
    }

    pub(crate) fn close_within(&self, timeout: Duration) {
        if self.closed.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(alerts) = &self.alerts {
            alerts.close(timeout.min(ALERTS_TIMEOUT));
        }
        let now = self.queue.now();
        let mut summaries = Vec::new();
        self.sampler.finish(now, &mut summaries);
        self.push_all(summaries, now);
        self.queue.close();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.recv_timeout(timeout) == Err(RecvTimeoutError::Timeout) {
            tracing::error!(
                "the disk of the security log hangs: the newest records are not written"
            );
        }
        if !self.syncer.as_ref().is_none_or(|syncer| syncer.wait_ended(timeout)) {
            tracing::error!("the last sync of the security log did not finish in time");
        }
        if !self.output.as_ref().is_none_or(|output| output.flush(timeout)) {
            tracing::error!("standard output is not read: its newest lines are not printed");
        }
    }

    fn push_all(&self, summaries: Summaries, now: Now) {
        for (record, group) in summaries {
            self.queue.push(record, group, now);
        }
    }

    #[cfg(test)]
    pub(crate) fn wait_synced(&self) {
        if let Some(syncer) = &self.syncer {
            syncer.wait_synced();
        }
    }

    #[cfg(test)]
    pub(crate) fn wait_retention(&self) {
        if let Some(syncer) = &self.syncer {
            syncer.wait_retention();
        }
    }

    #[cfg(test)]
    pub(crate) fn wait_idle(&self) {
        self.queue.wait_idle();
    }
}

impl Drop for LiveLog {
    fn drop(&mut self) {
        self.close();
    }
}
