//! Connections to the database, and their settings.
//! Never: a connection that other users of the machine can open.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::StoreError;
use crate::sqlite::database::migrations::{migrate, newest_version};

/// How long a connection waits for another program's lock (a backup, an operator's shell).
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens a connection of an operator's command, beside a running server.
///
/// # Errors
/// `SchemaOlder` or `SchemaNewer` unless the database is exactly of this version.
pub(crate) fn open_operator(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Values that are sealed again are overwritten in place.
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA secure_delete = ON;",
    )?;
    let known = newest_version();
    let seen: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match seen.cmp(&known) {
        std::cmp::Ordering::Less => Err(StoreError::SchemaOlder { seen, known }),
        std::cmp::Ordering::Equal => Ok(connection),
        std::cmp::Ordering::Greater => Err(StoreError::SchemaNewer { seen, known }),
    }
}

/// Opens the writer's connection and brings the tables up to date.
///
/// Worst-case memory: 32 MiB of page cache.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // FULL makes a commit in WAL mode wait for the disk, so that confirmed changes are durable. The
    // `fullfsync` lines do the same on macOS, where plain fsync stops at the drive's cache.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -32768;
         PRAGMA journal_size_limit = 67108864;",
    )?;
    connection.set_prepared_statement_cache_capacity(64);
    migrate(&mut connection)?;
    Ok(connection)
}

/// Opens a connection that cannot write.
///
/// Worst-case memory: 8 MiB of page cache.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.execute_batch(
        "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -8192;",
    )?;
    Ok(connection)
}
