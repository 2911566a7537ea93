//! Where records go, how many may wait, and how long files are kept.
//! Never: a limit that is missing; every queue, file and folder has one.

use std::path::PathBuf;

use portcullis_model::Secret;

/// Where records go, and how many may wait.
#[derive(Debug, Clone)]
pub struct AuditOptions {
    /// The file lines are appended to; created with mode 0640.
    pub file: Option<PathBuf>,
    /// A small file that keeps the last number, so that numbers go on when the log is moved. It
    /// belongs elsewhere than the log. Without it numbers begin anew then.
    pub sequence_file: Option<PathBuf>,
    /// Whether lines also go to standard output.
    pub stdout: bool,
    /// Most records that wait in the lane of signed-in users (usually below 1 KiB each, at most
    /// about 4 KiB). A quarter as many of unauthenticated clients may wait.
    pub queue_max: usize,
    /// Most operations and faults of the server that wait, in a lane of their own; also while
    /// the disk is full.
    pub reserved_max: usize,
    /// Most (rule, source prefix) pairs sampled apart (about 200 bytes each).
    pub sources_max: usize,
    /// Bytes that records of unauthenticated clients may take in a day. Rejected requests of
    /// signed-in users may take twice as much.
    pub unauthenticated_day_bytes: u64,
    /// The file is closed and renamed when it has this many bytes, and at midnight UTC.
    pub segment_bytes: u64,
    /// Closed files are removed after so many days.
    pub keep_days: u32,
    /// The oldest closed files are removed when all files together need more bytes.
    pub keep_total_bytes: u64,
    /// Whether closed files are compressed (gzip).
    pub compress: bool,
    /// Bytes set aside on the disk for the reserved lane, used when the disk is full.
    pub reserve_bytes: u64,
    /// The key of the hashes that stand for session ids (32 bytes). Records of one session can be
    /// told apart from others only with the same key; without one it is random for each process.
    pub session_key: Option<Secret<Vec<u8>>>,
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
            keep_total_bytes: 2_048 * MIB,
            compress: true,
            reserve_bytes: 8 * MIB,
            session_key: None,
            service_name: String::from("portcullis"),
            service_version: String::new(),
            node_name: String::new(),
        }
    }
}

/// Why the log cannot be opened.
#[derive(thiserror::Error)]
pub enum AuditError {
    /// The file cannot be created or opened for appending.
    #[error("cannot append to the security log {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A thread of the log cannot be started.
    #[error("cannot start the security log's threads")]
    Thread(#[source] std::io::Error),
}

portcullis_model::debug_as_sentence!(AuditError);
