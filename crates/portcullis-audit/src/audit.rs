//! The handle everyone records through.
//! Never: waits for the disk.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_model::Now;

use crate::files::disk::{Disk, SystemDisk};
use crate::files::log_file::LogFile;
use crate::files::reserve::Reserve;
use crate::files::segment::Naming;
use crate::files::sequence::SequenceFile;
use crate::files::sync::{Keeping, Syncer};
use crate::options::{AuditError, AuditOptions};
use crate::output::Output;
use crate::queue::{LaneLimits, Queue};
use crate::record::encode::encode;
use crate::record::fields::Record;
use crate::record::group::Lane;
use crate::record::service::Service;
use crate::sampling::sampler::{Sampler, Summaries};
use crate::writer::monitor::Watch;
use crate::writer::thread::{LogState, Status, Writer};

/// At the end the writer, the sync and the printing may take so long, each.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// How the log is doing; for metrics and the private listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditCounts {
    /// Lines written.
    pub written: u64,
    /// Records a summary stands for.
    pub sampled: u64,
    /// Records that wait to be written, and how many may.
    pub waiting: (usize, usize),
    /// Records that are not in the file: their lane was full, or the log was closed.
    pub lost: u64,
    /// Lines that standard output did not take.
    pub stdout_lost: u64,
    /// How the file does.
    pub state: LogState,
    /// Bytes set aside on the disk for operations.
    pub reserve_bytes: u64,
}

/// The handle everyone records through. Cheap to clone; the last one dropped closes the log.
#[derive(Debug, Clone)]
pub struct Audit {
    log: Arc<Log>,
}

#[derive(Debug)]
enum Log {
    Live(Box<Live>),
    Memory(Box<Memory>),
    Silent,
}

#[derive(Debug)]
struct Live {
    sampler: Sampler,
    queue: Arc<Queue>,
    status: Arc<Status>,
    syncer: Option<Syncer>,
    output: Option<Output>,
    service: Service,
    sampled: AtomicU64,
    closed: AtomicBool,
    /// Disconnected when the writer has ended.
    writer: Mutex<Receiver<()>>,
}

#[derive(Debug)]
struct Memory {
    lines: Arc<Mutex<Vec<String>>>,
    service: Service,
}

impl Audit {
    /// Opens the log and starts its threads. Numbers go on where an old file ends.
    ///
    /// # Errors
    /// [`AuditError`] when the file cannot be opened or a thread not be started.
    pub fn open(options: AuditOptions) -> Result<Self, AuditError> {
        let stdout = options.stdout.then(Output::stdout).transpose();
        let output = stdout.map_err(AuditError::Thread)?;
        Self::open_on(options, output, Arc::new(SystemDisk))
    }

    /// Opens the log on a disk that tests choose.
    pub(crate) fn open_on(
        options: AuditOptions,
        output: Option<Output>,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, AuditError> {
        let queue = Arc::new(Queue::new(LaneLimits {
            reserved: options.reserved_max,
            user: options.queue_max,
            unauthenticated: options.queue_max / 4,
        }));
        let status = Arc::new(Status::default());
        let mut writer = Writer {
            file: None,
            naming: None,
            output: output.clone(),
            reserve: None,
            numbers: None,
            syncer: None,
            segment_bytes: options.segment_bytes,
            service: Service::new(&options),
            status: Arc::clone(&status),
            queue: Arc::clone(&queue),
            sequence: 0,
            fault: None,
            watch: Watch::default(),
            now: Now::default(),
        };
        if let Some(path) = &options.file {
            open_file(&mut writer, path, &options, &disk)?;
        }
        writer.show_reserve();
        let syncer = writer.syncer.clone();
        let (running, ended) = sync_channel::<()>(1);
        let run = move || {
            writer.run();
            drop(running);
        };
        let thread = std::thread::Builder::new().name(String::from("audit-writer"));
        thread.spawn(run).map_err(AuditError::Thread)?;
        Ok(Self::over(Log::Live(Box::new(Live {
            sampler: Sampler::new(options.sources_max, options.unauthenticated_day_bytes),
            queue,
            status,
            syncer,
            output,
            service: Service::new(&options),
            sampled: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            writer: Mutex::new(ended),
        }))))
    }

    /// A log that keeps nothing; for tests.
    #[must_use]
    pub fn silent() -> Self {
        Self::over(Log::Silent)
    }

    /// A log that keeps its lines in memory, unsampled and at once; for tests.
    #[must_use]
    pub fn memory() -> (Self, Arc<Mutex<Vec<String>>>) {
        let lines = Arc::default();
        let service = Service::new(&AuditOptions::default());
        let memory = Box::new(Memory { lines: Arc::clone(&lines), service });
        let audit = Self::over(Log::Memory(memory));
        (audit, lines)
    }

    fn over(log: Log) -> Self {
        Self { log: Arc::new(log) }
    }

    /// Records; never waits for the disk and never fails.
    ///
    /// Rejected requests of one rule and one source are written five times a minute and within a
    /// budget of bytes, then counted. Operations are always written, as long as their queue has
    /// room.
    pub fn record(&self, record: Record, now: Now) {
        self.record_with(record, now, |_| ());
    }

    /// Records what happened; its texts are made only for a record that is kept.
    ///
    /// `record` has what sampling looks at: code, outcome, rule, severity, client, user.
    pub fn record_with(&self, mut record: Record, now: Now, fill: impl FnOnce(&mut Record)) {
        match &*self.log {
            Log::Live(live) => live.record_with(record, now, fill),
            Log::Memory(memory) => {
                fill(&mut record);
                memory.record(record, now);
            }
            Log::Silent => {}
        }
    }

    /// Writes the summaries that are due, and looks after the file; for a timer, once a second.
    pub fn tick(&self, now: Now) {
        if let Log::Live(live) = &*self.log {
            let mut summaries = Vec::new();
            live.sampler.sweep(now, &mut summaries);
            live.push_all(summaries, now);
            live.queue.tick(now);
        }
    }

    /// The operator rotated the file: the log goes on in a new one (SIGHUP).
    pub fn reopen(&self, now: Now) {
        if let Log::Live(live) = &*self.log {
            live.queue.reopen(now);
        }
    }

    /// While the server is overloaded, one rejected request of a kind and source is kept in a
    /// minute, not five, and old files are not compressed. Counts stay exact.
    pub fn set_loaded(&self, loaded: bool) {
        if let Log::Live(live) = &*self.log {
            live.sampler.set_loaded(loaded);
            if let Some(syncer) = &live.syncer {
                syncer.set_loaded(loaded);
            }
        }
    }

    /// Closes the log with another patience.
    #[cfg(test)]
    pub(crate) fn close_within(&self, patience: Duration) {
        if let Log::Live(live) = &*self.log {
            live.close(patience);
        }
    }

    /// Waits until every sync asked for is done.
    #[cfg(test)]
    pub(crate) fn wait_synced(&self) {
        if let Log::Live(live) = &*self.log
            && let Some(syncer) = &live.syncer
        {
            syncer.wait_synced();
        }
    }

    /// Waits until the writer has done all there is to do.
    #[cfg(test)]
    pub(crate) fn wait_idle(&self) {
        if let Log::Live(live) = &*self.log {
            live.queue.wait_idle();
        }
    }

    /// How the log is doing.
    #[must_use]
    pub fn counts(&self) -> AuditCounts {
        match &*self.log {
            Log::Live(live) => AuditCounts {
                written: live.status.lines.load(Ordering::Relaxed),
                sampled: live.sampled.load(Ordering::Relaxed),
                waiting: live.queue.waiting(),
                lost: live.queue.lost() + live.status.unwritten.load(Ordering::Relaxed),
                stdout_lost: live.output.as_ref().map_or(0, Output::lost),
                state: live.status.state(live.queue.now()),
                reserve_bytes: live.status.reserve_bytes.load(Ordering::Relaxed),
            },
            Log::Memory(_) | Log::Silent => AuditCounts::default(),
        }
    }

    /// Writes what waits and ends the threads; later records are counted as lost.
    ///
    /// Takes six seconds at most, also when the disk or the reader of standard output hangs.
    pub fn close(&self) {
        if let Log::Live(live) = &*self.log {
            live.close(CLOSE_PATIENCE);
        }
    }
}

fn open_file(
    writer: &mut Writer,
    path: &Path,
    options: &AuditOptions,
    disk: &Arc<dyn Disk>,
) -> Result<(), AuditError> {
    let opened = LogFile::open(path, Arc::clone(disk));
    let (file, sequence) =
        opened.map_err(|source| AuditError::File { path: path.to_owned(), source })?;
    writer.numbers = options.sequence_file.as_deref().and_then(|path| {
        SequenceFile::open(path)
            .inspect_err(|error| tracing::warn!(%error, "the last number of the log is not kept"))
            .ok()
    });
    let numbers = writer.numbers.as_ref();
    writer.sequence = numbers.map_or(sequence, |numbers| numbers.go_on(sequence, file.place()));
    if file.is_regular() {
        let naming = Naming::of(path);
        let keeping = Keeping {
            naming: naming.clone(),
            days: options.keep_days,
            room_bytes: options.keep_total_bytes.saturating_sub(options.segment_bytes),
            compress: options.compress,
        };
        let syncer = Syncer::start(Arc::clone(&writer.queue), Arc::clone(disk), keeping);
        writer.syncer = Some(syncer.map_err(AuditError::Thread)?);
        writer.naming = Some(naming);
        if options.reserve_bytes > 0 {
            writer.reserve = Reserve::open(path, options.reserve_bytes, Arc::clone(disk))
                .inspect_err(|error| tracing::warn!(%error, "the log has no reserve on the disk"))
                .ok();
        }
    }
    writer.file = Some(file);
    Ok(())
}

impl Live {
    fn record_with(&self, mut record: Record, now: Now, fill: impl FnOnce(&mut Record)) {
        let lane = Lane::of(&record);
        if !self.sampler.keep(&record, lane, now) {
            self.sampled.fetch_add(1, Ordering::Relaxed);
            return;
        }
        fill(&mut record);
        record.cut();
        if Sampler::is_charged(&record, lane) {
            let mut line = String::new();
            encode(&mut line, &record, now, Some(u64::MAX), &self.service);
            self.sampler.charge(&record, lane, line.len() as u64, now);
        }
        self.queue.push(record, lane, now);
    }

    fn push_all(&self, summaries: Summaries, now: Now) {
        for (record, lane) in summaries {
            self.queue.push(record, lane, now);
        }
    }

    fn close(&self, patience: Duration) {
        if self.closed.swap(true, Ordering::Relaxed) {
            return;
        }
        let now = self.queue.now();
        let mut summaries = Vec::new();
        self.sampler.finish(now, &mut summaries);
        self.push_all(summaries, now);
        self.queue.close();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            tracing::error!("the security log's disk hangs: its newest records are not written");
        }
        if !self.syncer.as_ref().is_none_or(|syncer| syncer.wait_ended(patience)) {
            tracing::error!("the security log may not have reached the disk");
        }
        if !self.output.as_ref().is_none_or(|output| output.flush(patience)) {
            tracing::error!("standard output is not read: its newest lines are not printed");
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.close(CLOSE_PATIENCE);
    }
}

impl Memory {
    fn record(&self, mut record: Record, now: Now) {
        record.cut();
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let sequence = lines.len() as u64 + 1;
        let mut line = String::new();
        encode(&mut line, &record, now, Some(sequence), &self.service);
        lines.push(line.trim_end().to_owned());
    }
}
