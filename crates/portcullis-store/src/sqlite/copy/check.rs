//! Checks a copy of the database, and migrates it.
//! Never: the database of a running server.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use portcullis_model::UserId;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::error::StoreError;
use crate::rows::operator::OwnedRooms;
use crate::sqlite::database::connection::open_writer;
use crate::sqlite::database::inspect::check_file;
use crate::sqlite::database::migrations::newest_version;

/// The schema that this version writes.
#[must_use]
pub fn newest_schema() -> u32 {
    newest_version()
}

/// Checks all pages of a copy (`PRAGMA quick_check`); returns its schema.
///
/// # Errors
/// `Damaged` if a page is damaged, `SchemaNewer` if a later version wrote it, `File` if it is not a
/// database.
pub fn check_copy(path: &Path) -> Result<u32, StoreError> {
    let copy = open_copy(path)?;
    let found: String = copy.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found != "ok" {
        return Err(damaged(found));
    }
    Ok(copy.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Objects that no version creates. The type is compared with the text, which SQLite executes.
const FOREIGN_OBJECTS: &str = "
    SELECT type || ' ' || name FROM sqlite_schema WHERE NOT CASE type
        WHEN 'table' THEN ifnull(sql GLOB 'CREATE TABLE *', 0)
        WHEN 'index' THEN ifnull(sql GLOB 'CREATE INDEX *' OR sql GLOB 'CREATE UNIQUE INDEX *', 1)
        ELSE 0 END";
/// Columns that SQLite computes, which no version creates.
const COMPUTED_COLUMNS: &str = "
    SELECT 'column ' || own.name || '.' || inner.name
    FROM sqlite_schema AS own, pragma_table_xinfo(own.name) AS inner
    WHERE own.type = 'table' AND inner.hidden <> 0";

/// Rejects a copy that has more than tables and indexes: SQLite runs triggers, views and computed
/// columns with each change and query, so they would change what a server stores and reads.
///
/// # Errors
/// `Damaged` with the first of them, `SchemaNewer` if a later version wrote it, `File` if it is not
/// a database.
pub fn check_schema(path: &Path) -> Result<(), StoreError> {
    let copy = open_copy(path)?;
    // In this order: virtual tables have columns of unknown programs.
    for foreign in [FOREIGN_OBJECTS, COMPUTED_COLUMNS] {
        let found: Option<String> = copy.query_row(foreign, [], |row| row.get(0)).optional()?;
        if let Some(found) = found {
            return Err(damaged(format!("it has {found:?}, which no server creates")));
        }
    }
    Ok(())
}

fn open_copy(path: &Path) -> Result<Connection, StoreError> {
    check_file(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let copy = Connection::open_with_flags(path, flags)?;
    copy.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")?;
    Ok(copy)
}

fn damaged(found: String) -> StoreError {
    StoreError::Damaged(Arc::from(Box::<dyn Error + Send + Sync>::from(found)))
}

/// Brings the tables of a copy up to date.
///
/// # Errors
/// `SchemaNewer` if a later version wrote it, `Database` if a migration fails.
pub fn migrate_copy(path: &Path) -> Result<(), StoreError> {
    open_writer(path).map(drop)
}

/// Reads the users that were deleted in a database that no server uses, and what became of their
/// rooms.
///
/// # Errors
/// `Damaged` or `Database` if it cannot be read, also if its schema has no deleted users.
pub fn deleted_users(path: &Path) -> Result<Vec<(UserId, OwnedRooms)>, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(path, flags)?;
    let mut statement = database.prepare(
        "SELECT id, EXISTS (SELECT 1 FROM rooms WHERE owner = users.key AND deleted = 0)
         FROM users WHERE deleted_unix_ms <> 0",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    rows.map(|row| {
        let (id, has_rooms) = row?;
        let user = UserId::parse(&id).map_err(|_| StoreError::Corrupt("user id"))?;
        Ok((user, if has_rooms { OwnedRooms::Kept } else { OwnedRooms::Deleted }))
    })
    .collect()
}

#[cfg(test)]
mod tests;
