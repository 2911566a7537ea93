//! What can go wrong underneath the store: a dependency's fault, never the peer's.
//! Never: a message body, a password, or any other stored value in a text, ids apart.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use portcullis_model::Denial;

use crate::health::monitor::{Health, WriteFault};

/// Why the store did not perform a request. Only [`StoreError::Unknown`] may have had an effect.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The queue is full, another program holds the database, or the request's deadline passed
    /// before the change began.
    #[error("the store did not begin the change in time")]
    Busy,
    /// The request's deadline passed while the change was being stored, or the commit failed in a
    /// way that does not tell: the change may be in force.
    #[error("the store did not confirm the change in time")]
    Unknown,
    /// The disk is full, or nearly.
    #[error("the disk of the database is full: free space on it; the store recovers by itself")]
    Full,
    /// The disk did not take a write, or did not give what is stored on it.
    #[error("the disk of the database fails: look at the system's log")]
    Failed(#[source] Arc<dyn Error + Send + Sync>),
    /// The file is not a sound database any more.
    #[error("the database file is damaged: restore it from a backup")]
    Damaged(#[source] Arc<dyn Error + Send + Sync>),
    /// The store was in one of these states before, so nothing was tried.
    #[error("the database is {}: nothing was tried", .0.name())]
    Unwritable(Health),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// The thread that writes has ended by a fault.
    #[error("the thread that writes to the database has ended: restart the server")]
    WriterEnded,
    /// A thread that reads has ended by a fault.
    #[error("a thread that reads the database has ended: restart the server")]
    ReaderEnded,
    /// Another process, or another store in this one, has the database open.
    #[error("{} is in use by another server: stop it, or use another data directory", .0.display())]
    InUse(PathBuf),
    /// The database was written by a later version.
    #[error("the database has schema {seen}, this version knows {known}: install a later version")]
    SchemaNewer {
        /// The version found in the file.
        seen: u32,
        /// The latest version this build knows.
        known: u32,
    },
    /// A stored value breaks the grammar of its kind.
    #[error("the database holds a value that is no {0}: restore it from a backup")]
    Corrupt(&'static str),
    /// A value is sealed and cannot be opened, or is to be sealed and cannot.
    #[error("{record} cannot be opened or sealed: use the key ring it was sealed with")]
    Unsealable {
        /// What it is, and its id.
        record: String,
    },
    /// The database has an older schema than this version writes.
    #[error("the database has schema {seen}, this version writes {known}: start the server once")]
    SchemaOlder {
        /// The version found in the file.
        seen: u32,
        /// The version this build writes.
        known: u32,
    },
    /// The file cannot be created, opened or locked.
    #[error("cannot open {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// The database refused a statement or a commit.
    #[error("the database failed")]
    Database(#[source] Arc<dyn Error + Send + Sync>),
}

impl StoreError {
    /// Turns it into the denial that a client gets; logs an error that a client cannot cause.
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
            | Self::File { .. }
            | Self::Database(_) => Denial::Internal("store"),
        }
    }

    /// What the error says about the disk, where it is a write's.
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
            | Self::File { .. }
            | Self::Database(_) => None,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::SystemIoFailure | ErrorCode::ReadOnly) => Self::Failed(Arc::new(error)),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged(Arc::new(error))
            }
            // The other codes are faults of a statement, and the enum may grow.
            Some(_) | None => Self::Database(Arc::new(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn codes_of_sqlite_say_what_failed() {
        let of =
            |code| StoreError::from(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        assert!(matches!(of(ffi::SQLITE_BUSY), StoreError::Busy));
        assert!(matches!(of(ffi::SQLITE_BUSY_SNAPSHOT), StoreError::Busy));
        assert!(matches!(of(ffi::SQLITE_FULL), StoreError::Full));
        assert!(matches!(of(ffi::SQLITE_IOERR_FSYNC), StoreError::Failed(_)));
        assert!(matches!(of(ffi::SQLITE_CORRUPT_VTAB), StoreError::Damaged(_)));
        assert!(matches!(of(ffi::SQLITE_NOTADB), StoreError::Damaged(_)));
        assert!(matches!(of(ffi::SQLITE_CONSTRAINT), StoreError::Database(_)));
        assert_eq!(of(ffi::SQLITE_FULL).write_fault(), Some(WriteFault::Full));
        assert_eq!(of(ffi::SQLITE_BUSY).write_fault(), None);
    }
}
