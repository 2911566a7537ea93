//! Errors of the store: faults of the disk, the database, or the configuration.
//! Never: a client's fault; a stored value in a text, except ids.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use portcullis_model::Denial;

use crate::health::monitor::{Health, WriteFault};

/// Why the store did not perform a request. Only [`StoreError::Unknown`] may have had an effect.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The queue is full, another program holds the database, or the request's deadline passed
    /// before the change started.
    #[error("the store did not start the change in time")]
    Busy,
    /// The request's deadline passed while the change was being stored, or the disk failed during
    /// the commit: the change may be in force.
    #[error("the store did not confirm the change in time")]
    Unknown,
    /// The disk is full, or nearly full.
    #[error("the disk of the database is full: free space on it; the store recovers by itself")]
    Full,
    /// The disk failed a write or a read.
    #[error("the disk of the database fails: check the log of the system")]
    Failed(#[source] Arc<dyn Error + Send + Sync>),
    /// The file is not a valid database any more.
    #[error("the database file is damaged: restore it from a backup")]
    Damaged(#[source] Arc<dyn Error + Send + Sync>),
    /// The store was in this state before, so the change was not tried.
    #[error("the database is {}: the change was not tried", .0.name())]
    Unwritable(Health),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// The writer thread has ended because of a fault.
    #[error("the thread that writes to the database has ended: restart the server")]
    WriterEnded,
    /// A reader thread has ended because of a fault.
    #[error("a thread that reads the database has ended: restart the server")]
    ReaderEnded,
    /// Another process, or another store in this one, has the database open.
    #[error("{} is in use by another server: stop it, or use another data directory", .0.display())]
    InUse(PathBuf),
    /// A later version wrote the database.
    #[error("the database has schema {seen}, this version reads {known}: install a later version")]
    SchemaNewer {
        /// The version found in the file.
        seen: u32,
        /// The latest version that this build supports.
        known: u32,
    },
    /// A stored value is invalid for its kind.
    #[error("the database holds an invalid {0}: restore it from a backup")]
    Corrupt(&'static str),
    /// A value cannot be sealed, or a sealed value cannot be opened.
    #[error("{record} cannot be opened or sealed: use the keyring that it was sealed with")]
    Unsealable {
        /// The kind of record, and its id.
        record: String,
    },
    /// Stored values are sealed with keys that the keyring does not have.
    #[error("the database needs the keys {keys} to open sealed values: use the keyring with them")]
    KeysMissing {
        /// The ids of the keys.
        keys: String,
    },
    /// The database has an older schema than this version writes.
    #[error("the database has schema {seen}, this version writes {known}: start the server once")]
    SchemaOlder {
        /// The version found in the file.
        seen: u32,
        /// The version that this build writes.
        known: u32,
    },
    /// The file cannot be created, opened or locked.
    #[error("cannot open {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: Arc<std::io::Error>,
    },
    /// The database rejected a statement or a commit.
    #[error("the database failed")]
    Database(#[source] Arc<dyn Error + Send + Sync>),
}

impl StoreError {
    /// Turns it into the denial that a client gets; logs a cause that the denial does not state.
    #[must_use]
    pub fn into_denial(self) -> Denial {
        let denial = self.denial();
        if matches!(denial, Denial::Internal(_)) {
            tracing::error!(error = &self as &dyn Error, "the store failed");
        }
        denial
    }

    /// The denial that a client gets for it.
    #[must_use]
    pub fn denial(&self) -> Denial {
        match self {
            Self::Busy => Denial::Overloaded,
            Self::Unknown => Denial::OutcomeUnknown,
            Self::Full | Self::Unwritable(Health::Full) => Denial::StorageFull,
            Self::Failed(_)
            | Self::Damaged(_)
            | Self::WriterEnded
            | Self::ReaderEnded
            | Self::Unwritable(Health::Ok | Health::Failing | Health::Corrupt | Health::Moved) => {
                Denial::StorageFailed
            }
            Self::Closed => Denial::Draining,
            Self::InUse(_)
            | Self::SchemaNewer { .. }
            | Self::SchemaOlder { .. }
            | Self::Corrupt(_)
            | Self::Unsealable { .. }
            | Self::KeysMissing { .. }
            | Self::File { .. }
            | Self::Database(_) => Denial::Internal("store"),
        }
    }

    /// The fault of the disk that the error reports, if it does.
    pub(crate) fn write_fault(&self) -> Option<WriteFault> {
        match self {
            Self::Full => Some(WriteFault::Full),
            Self::Failed(_) => Some(WriteFault::Failed),
            Self::Damaged(_) => Some(WriteFault::Damaged),
            Self::Busy
            | Self::Unknown
            | Self::Unwritable(_)
            | Self::Closed
            | Self::WriterEnded
            | Self::ReaderEnded
            | Self::InUse(_)
            | Self::SchemaNewer { .. }
            | Self::SchemaOlder { .. }
            | Self::Corrupt(_)
            | Self::Unsealable { .. }
            | Self::KeysMissing { .. }
            | Self::File { .. }
            | Self::Database(_) => None,
        }
    }
}
