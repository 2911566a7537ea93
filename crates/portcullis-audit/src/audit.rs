//! The handle everyone records through.
//! Never: waits for the disk.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use portcullis_model::Now;

use crate::encode::{Service, encode};
use crate::queue::Queue;
use crate::record::Record;
use crate::sampling::Sampler;
use crate::writer::{LogFile, Writer, Written};

/// Where records go, and how many may wait.
#[derive(Debug, Clone)]
pub struct AuditOptions {
    /// The file lines are appended to; created with mode 0640.
    pub file: Option<PathBuf>,
    /// Whether lines also go to standard output.
    pub stdout: bool,
    /// Most ordinary records that wait (usually below 1 KiB each, at most about 4 KiB).
    pub queue_max: usize,
    /// Most critical records that wait, in a lane of their own.
    pub critical_max: usize,
    /// Most (rule, source prefix) pairs sampled apart (about 120 bytes each).
    pub sources_max: usize,
    /// `service.name` of every line.
    pub service_name: String,
    /// `service.version` of every line.
    pub service_version: String,
    /// `service.node.name` of every line; "" leaves it out.
    pub node_name: String,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self {
            file: None,
            stdout: false,
            queue_max: 8192,
            critical_max: 512,
            sources_max: 8192,
            service_name: String::from("portcullis"),
            service_version: String::new(),
            node_name: String::new(),
        }
    }
}

/// Why the log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The file cannot be created or opened for appending.
    #[error("cannot append to the security log {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The writer's thread cannot be started.
    #[error("cannot start the security log's thread")]
    Thread(#[source] std::io::Error),
}

/// How the log is doing; for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditCounts {
    /// Lines written.
    pub written: u64,
    /// Records a summary stands for.
    pub sampled: u64,
    /// Records that wait to be written, and how many may.
    pub waiting: (usize, usize),
    /// Records that found their lane full.
    pub dropped: u64,
    /// Lines the file or standard output did not take.
    pub failed: u64,
}

/// The handle everyone records through. Cheap to clone; the last one dropped closes the log.
#[derive(Debug, Clone)]
pub struct Audit {
    log: Arc<Log>,
}

#[derive(Debug)]
enum Log {
    Live(Live),
    Memory(Memory),
    Silent,
}

#[derive(Debug)]
struct Live {
    sampler: Sampler,
    queue: Arc<Queue>,
    written: Arc<Written>,
    sampled: AtomicU64,
    dropped: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Memory {
    lines: Arc<Mutex<Vec<String>>>,
    service: Service,
}

impl Audit {
    /// Opens the log and starts its thread. Numbers go on where an old file ends.
    ///
    /// # Errors
    /// [`AuditError`] when the file cannot be opened or the thread not be started.
    pub fn open(options: AuditOptions) -> Result<Self, AuditError> {
        let (file, sequence) = match &options.file {
            None => (None, 0),
            Some(path) => {
                let opened = LogFile::open(path);
                let (file, sequence) =
                    opened.map_err(|source| AuditError::File { path: path.clone(), source })?;
                (Some(file), sequence)
            }
        };
        let queue = Arc::new(Queue::new(options.queue_max, options.critical_max));
        let written = Arc::new(Written::default());
        let writer = Writer {
            file,
            stdout: options.stdout,
            service: Service::new(&options),
            written: Arc::clone(&written),
            sequence,
        };
        let taken_from = Arc::clone(&queue);
        let thread = std::thread::Builder::new()
            .name(String::from("audit-writer"))
            .spawn(move || writer.run(&taken_from))
            .map_err(AuditError::Thread)?;
        Ok(Self::over(Log::Live(Live {
            sampler: Sampler::new(options.sources_max),
            queue,
            written,
            sampled: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            thread: Mutex::new(Some(thread)),
        })))
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
        let audit = Self::over(Log::Memory(Memory { lines: Arc::clone(&lines), service }));
        (audit, lines)
    }

    fn over(log: Log) -> Self {
        Self { log: Arc::new(log) }
    }

    /// Records; never waits for the disk and never fails.
    ///
    /// Refusals and failures of one rule and one source are written five times a minute, then
    /// counted; what was done is always written, as long as the queue has room.
    pub fn record(&self, record: Record, now: Now) {
        match &*self.log {
            Log::Live(live) => live.record(record, now),
            Log::Memory(memory) => memory.record(record, now),
            Log::Silent => {}
        }
    }

    /// Records what happened; its texts are made only for a record that is kept.
    ///
    /// `record` has what sampling looks at: event, rule, severity, client.
    pub fn record_with(&self, record: Record, now: Now, fill: impl FnOnce(&mut Record)) {
        match &*self.log {
            Log::Live(live) => live.record_with(record, now, fill),
            Log::Memory(memory) => {
                let mut record = record;
                fill(&mut record);
                memory.record(record, now);
            }
            Log::Silent => {}
        }
    }

    /// Writes the summaries that are due, also when nothing else happens; for a timer.
    pub fn tick(&self, now: Now) {
        if let Log::Live(live) = &*self.log {
            let mut summaries = Vec::new();
            live.sampler.sweep(now, &mut summaries);
            live.push_all(summaries, now);
        }
    }

    /// While the server is pressed, one refusal of a kind and source is kept in a minute, not five;
    /// the others are counted as ever.
    pub fn spare(&self, pressed: bool) {
        if let Log::Live(live) = &*self.log {
            live.sampler.spare(pressed);
        }
    }

    /// How the log is doing.
    #[must_use]
    pub fn counts(&self) -> AuditCounts {
        match &*self.log {
            Log::Live(live) => AuditCounts {
                written: live.written.lines.load(Ordering::Relaxed),
                sampled: live.sampled.load(Ordering::Relaxed),
                waiting: live.queue.waiting(),
                dropped: live.dropped.load(Ordering::Relaxed),
                failed: live.written.failed.load(Ordering::Relaxed),
            },
            Log::Memory(_) | Log::Silent => AuditCounts::default(),
        }
    }

    /// Writes what waits and ends the thread; later records are counted as dropped.
    pub fn close(&self) {
        if let Log::Live(live) = &*self.log {
            live.close();
        }
    }
}

impl Live {
    fn record(&self, record: Record, now: Now) {
        self.record_with(record, now, |_| ());
    }

    fn record_with(&self, mut record: Record, now: Now, fill: impl FnOnce(&mut Record)) {
        let mut summaries = Vec::new();
        let keep = self.sampler.keep(&record, now, &mut summaries);
        self.push_all(summaries, now);
        if keep {
            fill(&mut record);
            record.cut();
            self.push(record, now);
        } else {
            self.sampled.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn push_all(&self, records: Vec<Record>, now: Now) {
        for record in records {
            self.push(record, now);
        }
    }

    fn push(&self, record: Record, now: Now) {
        if !self.queue.push(record, now) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn close(&self) {
        let mut summaries = Vec::new();
        self.sampler.finish(&mut summaries);
        self.push_all(summaries, self.queue.latest());
        self.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the security log's thread ended early");
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.close();
    }
}

impl Memory {
    fn record(&self, mut record: Record, now: Now) {
        record.cut();
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let sequence = lines.len() as u64 + 1;
        let mut line = String::new();
        encode(&mut line, &record, now, sequence, &self.service);
        lines.push(line.trim_end().to_owned());
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use portcullis_model::Code;
    use serde_json::Value;

    use super::*;
    use crate::record::Outcome;

    fn open(path: &Path) -> Audit {
        Audit::open(AuditOptions { file: Some(path.to_owned()), ..AuditOptions::default() })
            .unwrap()
    }

    fn at(monotonic_ms: u64) -> Now {
        Now { monotonic_ms, unix_ms: 1_000 }
    }

    fn refusal() -> Record {
        Record {
            outcome: Outcome::Failure,
            rule: "origin",
            client: "192.0.2.1".parse().ok(),
            ..Record::new(Code::MaliciousCsrf)
        }
    }

    /// The number, code and count of each line.
    fn lines(path: &Path) -> Vec<(u64, String, String)> {
        let text = std::fs::read_to_string(path).unwrap();
        let line = |line: &str| {
            let read: Value = serde_json::from_str(line).unwrap();
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let sequence = read["event"]["sequence"].as_u64().unwrap();
            (sequence, word(&read["event"]["code"]), word(&read["labels"]["suppressed"]))
        };
        text.lines().map(line).collect()
    }

    #[test]
    fn lines_are_numbered_without_a_gap_also_over_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("security.log");
        let audit = open(&path);
        audit.record(Record::new(Code::SysStartup), at(0));
        for _ in 0..20 {
            audit.record(refusal(), at(1));
        }
        audit.close();
        audit.record(refusal(), at(2));
        audit.close();
        assert_eq!(audit.counts().written, 7);
        assert_eq!((audit.counts().sampled, audit.counts().dropped), (15, 1));
        // A line broken off by a crash is left as it is, on a line of its own.
        let mut torn = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        std::io::Write::write_all(&mut torn, b"{\"event\":{\"sequence\":99").unwrap();
        let again = open(&path);
        again.record(Record::new(Code::SysStartup), at(0));
        drop(again);

        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("{\"event\":{\"sequence\":99\n", "")).unwrap();
        let read = lines(&path);
        assert_eq!(read.iter().map(|line| line.0).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!((&*read[6].1, &*read[6].2), ("log_suppressed", "15"));
        assert_eq!(read[7].1, "sys_startup");
    }

    #[test]
    fn a_summary_comes_with_the_timer_when_the_noise_has_stopped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("security.log");
        let audit = open(&path);
        for _ in 0..8 {
            audit.record(refusal(), at(0));
        }
        audit.tick(at(59_999));
        audit.tick(at(60_000));
        audit.tick(at(200_000));
        audit.close();
        let read = lines(&path);
        assert_eq!(read.len(), 6);
        assert_eq!((&*read[5].1, &*read[5].2), ("log_suppressed", "3"));
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_for_its_owner_and_group() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("security.log");
        open(&path).close();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777 & !0o640, 0, "{mode:o}");
        let missing = AuditOptions {
            file: Some(directory.path().join("missing").join("x")),
            ..AuditOptions::default()
        };
        assert!(matches!(Audit::open(missing), Err(AuditError::File { .. })));
    }

    // T-165
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_counted_and_blocks_nobody() {
        let audit = open(Path::new("/dev/full"));
        for _ in 0..3 {
            audit.record(Record::new(Code::SysStartup), at(0));
        }
        audit.close();
        assert_eq!((audit.counts().written, audit.counts().failed), (0, 3));
    }

    #[test]
    fn memory_keeps_every_line_at_once() {
        let (audit, lines) = Audit::memory();
        for _ in 0..9 {
            audit.clone().record(refusal(), at(0));
        }
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), 9);
        assert!(lines[8].contains("\"sequence\":9") && !lines[8].ends_with('\n'));
    }
}
