//! What can go wrong underneath the store: a dependency's fault, never the peer's.
//! Never: a message body, a password, or any other stored value in a text, ids apart.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

/// Why the store did not do what it was asked. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The queue is full; the caller had better come back later.
    #[error("the store's queue is full")]
    Busy,
    /// The store is closed, or its thread is gone.
    #[error("the store is closed")]
    Closed,
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

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}
