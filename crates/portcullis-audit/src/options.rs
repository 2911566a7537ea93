//! The options of the log: its files, the limits of its queues, the retention.
//! Never: an unlimited queue, file or folder.

use std::path::PathBuf;

use portcullis_model::{LaterFormat, Secret};

use crate::alert::options::AlertOptions;
use crate::chain::start::ChainOptions;
use crate::record::address::AddressForm;

/// The options of the security log.
#[derive(Debug, Clone)]
pub struct AuditOptions {
    /// The file that lines are appended to; created with mode 0640.
    pub file: Option<PathBuf>,
    /// A small file with the last sequence number, so that numbers continue when the log is moved.
    /// Use another folder than that of the log. Without it, a moved log starts again at 1.
    pub sequence_file: Option<PathBuf>,
    /// Whether lines are also printed on standard output.
    pub stdout: bool,
    /// Maximum number of queued records of signed-in users (usually less than 1 KiB each, at most
    /// about 4 KiB). The queue of unauthenticated clients has a quarter of it.
    pub queue_max: usize,
    /// Maximum number of queued operations and server faults, which have a queue of their own;
    /// also while the disk is full.
    pub reserved_max: usize,
    /// Maximum number of (rule, source prefix) pairs that are sampled separately (about 200 bytes
    /// each).
    pub sources_max: usize,
    /// Bytes per day for records of unauthenticated clients. Rejected requests of signed-in users
    /// have twice as much.
    pub unauthenticated_day_bytes: u64,
    /// The size in bytes at which the file is closed and renamed. Midnight UTC closes it too.
    pub segment_bytes: u64,
    /// Closed files are removed after this many days.
    pub keep_days: u32,
    /// The oldest closed files are removed when all files together have more bytes.
    pub keep_total_bytes: u64,
    /// Personal parts of closed files are erased after this many days.
    pub personal_days: u32,
    /// The form in which addresses of clients are recorded.
    pub addresses: AddressForm,
    /// Whether closed files are compressed (gzip).
    pub compress: bool,
    /// Bytes that are reserved on the disk for operations, and used when the disk is full.
    pub reserve_bytes: u64,
    /// The key of session hashes (32 bytes). Equal hashes mean the same session only under the same
    /// key. Without a key, each process uses a random one.
    pub session_key: Option<Secret<Vec<u8>>>,
    /// The hash chain of the log; none for a log without one.
    pub chain: Option<ChainOptions>,
    /// The rules that alert administrators; none for a log without alerts.
    pub alert: Option<AlertOptions>,
    /// `service.name` of every line.
    pub service_name: String,
    /// `service.version` of every line.
    pub service_version: String,
    /// `service.node.name` of every line; "" leaves it out.
    pub node_name: String,
}

/// One mebibyte.
const MIB: u64 = 1024 * 1024;

impl Default for AuditOptions {
    fn default() -> Self {
        Self {
            file: None,
            sequence_file: None,
            stdout: false,
            queue_max: 8_192,
            reserved_max: 10_000,
            sources_max: 8_192,
            unauthenticated_day_bytes: 256 * MIB,
            segment_bytes: 64 * MIB,
            keep_days: 90,
            personal_days: 90,
            addresses: AddressForm::Full,
            keep_total_bytes: 2_048 * MIB,
            compress: true,
            reserve_bytes: 8 * MIB,
            session_key: None,
            chain: None,
            alert: None,
            service_name: String::from("portcullis"),
            service_version: String::new(),
            node_name: String::new(),
        }
    }
}

/// The log cannot be opened.
#[derive(thiserror::Error)]
pub enum AuditError {
    /// The file cannot be created or opened for appending.
    #[error("cannot append to the security log {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The state of the hash chain cannot be read or made.
    #[error("cannot continue the hash chain of the security log with {}", path.display())]
    Chain {
        /// The file of the state.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A later version wrote the state of the hash chain, with the keys of the log.
    #[error("{} has {format}", path.display())]
    ChainLater {
        /// The file of the state.
        path: PathBuf,
        /// Its format.
        format: LaterFormat,
    },
    /// A thread of the log cannot be started.
    #[error("cannot start the security log's threads")]
    Thread(#[source] std::io::Error),
}

portcullis_model::debug_as_sentence!(AuditError);
