//! Inspects a database without opening it: its format, its version, whether a server uses it.
//! Never: a lock that is kept, a file that is created, a database opened that a server uses.

use std::error::Error;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

use crate::error::StoreError;
use crate::sqlite::database::files::{file_error, lock_path, with_suffix};
use crate::sqlite::database::migrations::newest_version;

/// The first bytes of every SQLite database (file format, section 1.3).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const HEADER_BYTES: usize = 100;
/// The offsets of the size of a page, of the counter of changes, of the number of pages, and of the
/// counter at which that number was valid.
const PAGE_BYTES_AT: usize = 16;
const CHANGES_AT: usize = 24;
const PAGES_AT: usize = 28;
const COUNTED_AT: usize = 92;
/// The offset of `user_version` in the header.
const VERSION_AT: usize = 60;

/// Inspects the database of a server; returns whether a running server uses it.
///
/// A missing file is not an error: the server creates it. A database in use is not opened: its
/// server has checked it, and if this process is that server, closing any descriptor of the file
/// would drop the locks of SQLite on it (<https://sqlite.org/howtocorrupt.html>, section 2.2).
/// Another process could then remove the log with commits of the server.
///
/// # Errors
/// `File` if it cannot be read or is not a database, `Damaged` if its end is missing, `SchemaNewer`
/// if a later version wrote it.
pub fn inspect(path: &Path) -> Result<bool, StoreError> {
    if is_locked(path)? {
        return Ok(true);
    }
    check_file(path)?;
    Ok(false)
}

/// Checks the format and the version of a database that no server uses; it can be missing.
pub(crate) fn check_file(path: &Path) -> Result<(), StoreError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(file_error(path, error)),
    };
    let mut header = Vec::with_capacity(HEADER_BYTES);
    let read = Read::by_ref(&mut file).take(HEADER_BYTES as u64).read_to_end(&mut header);
    read.map_err(|error| file_error(path, error))?;
    // An empty file is a database without tables.
    if header.is_empty() {
        return Ok(());
    }
    check_header(path, &header)?;
    let length = file.metadata().map_err(|error| file_error(path, error))?.len();
    match pages_bytes(&header).filter(|expected| length < *expected && !has_wal(path)) {
        Some(expected) => {
            let found = format!("it has {length} bytes instead of {expected}");
            Err(StoreError::Damaged(Arc::from(Box::<dyn Error + Send + Sync>::from(found))))
        }
        None => Ok(()),
    }
}

/// The length of all pages that the header counts; `None` if it does not count them.
fn pages_bytes(header: &[u8]) -> Option<u64> {
    let number = |at: usize, bytes: usize| {
        let digits = header.get(at..at + bytes)?;
        Some(digits.iter().fold(0_u64, |sum, digit| (sum << 8) | u64::from(*digit)))
    };
    // The count is valid if the last writer has kept it (file format, section 1.3.8).
    let is_valid = number(CHANGES_AT, 4)? == number(COUNTED_AT, 4)?;
    let page_bytes = match number(PAGE_BYTES_AT, 2)? {
        1 => 65_536,
        bytes => bytes,
    };
    is_valid.then_some(page_bytes * number(PAGES_AT, 4)?)
}

/// Whether the log of SQLite may have the missing pages.
fn has_wal(path: &Path) -> bool {
    let wal = with_suffix(path, "-wal");
    std::fs::metadata(wal).is_ok_and(|facts| facts.len() > 0)
}

/// The text about another file.
const NOT_A_DATABASE: &str =
    "the file is not a SQLite database: restore it from a backup, or name another file";

fn check_header(path: &Path, header: &[u8]) -> Result<(), StoreError> {
    if !header.starts_with(MAGIC) {
        let why = std::io::Error::new(ErrorKind::InvalidData, NOT_A_DATABASE);
        return Err(file_error(path, why));
    }
    let digits = header.get(VERSION_AT..VERSION_AT + 4).unwrap_or_default();
    let seen = digits.iter().fold(0_u32, |sum, digit| (sum << 8) | u32::from(*digit));
    let known = newest_version();
    if seen > known { Err(StoreError::SchemaNewer { seen, known }) } else { Ok(()) }
}

fn is_locked(path: &Path) -> Result<bool, StoreError> {
    let name = lock_path(path);
    let file = match OpenOptions::new().read(true).open(&name) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(file_error(&name, error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(file_error(&name, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::fixture::SilentFeed;
    use crate::sqlite::options::SqliteOptions;
    use crate::sqlite::store::SqliteStore;

    #[test]
    fn inspection_of_a_database_leaves_no_trace() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        assert!(!inspect(&path).unwrap());
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
        std::fs::write(&path, "").unwrap();
        assert!(!inspect(&path).unwrap());
        std::fs::write(&path, "letters, and not a database").unwrap();
        let error = inspect(&path).unwrap_err();
        assert!(matches!(error, StoreError::File { .. }), "{error}");
        let mut header = [0_u8; HEADER_BYTES];
        header[..16].copy_from_slice(MAGIC);
        header[VERSION_AT + 2] = 1;
        std::fs::write(&path, header).unwrap();
        let error = inspect(&path).unwrap_err();
        assert!(matches!(error, StoreError::SchemaNewer { seen: 256, .. }), "{error}");
        std::fs::remove_file(&path).unwrap();
        let store =
            SqliteStore::open(&path, SqliteOptions::default(), Box::new(SilentFeed)).unwrap();
        assert!(inspect(&path).unwrap(), "a store that is open");
        drop(store);
    }

    #[test]
    fn database_without_its_end_is_damaged_unless_a_log_may_have_the_rest() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let plain = rusqlite::Connection::open(&path).unwrap();
        plain.execute_batch("CREATE TABLE a (b); CREATE TABLE c (d);").unwrap();
        plain.close().unwrap();
        assert!(!inspect(&path).unwrap());
        let length = std::fs::metadata(&path).unwrap().len();
        for cut in [1, length / 2] {
            File::options().write(true).open(&path).unwrap().set_len(length - cut).unwrap();
            let error = inspect(&path).unwrap_err();
            assert!(matches!(error, StoreError::Damaged(_)), "{cut}: {error}");
        }
        // The log may have the rest.
        std::fs::write(directory.path().join("a.db-wal"), "x").unwrap();
        assert!(!inspect(&path).unwrap());
    }
}
