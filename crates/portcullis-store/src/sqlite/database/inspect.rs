//! What can be said of a database without opening it: whether it is one, its version, its user.
//! Never: a lock that is kept, a file that is made, a page that is written.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::error::StoreError;
use crate::sqlite::database::files::file_error;
use crate::sqlite::database::migrations::newest_version;

/// How every database of SQLite begins (file format, section 1.3).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const HEADER_BYTES: usize = 100;
/// Where `user_version` stands in the header.
const VERSION_AT: usize = 60;

/// Inspects the file of a database that a server is to use; one that is not there is made later.
///
/// Gives whether a running server uses it.
///
/// # Errors
/// `File` when it cannot be read or is not a database, `SchemaNewer` when a later version wrote it.
pub fn inspect(path: &Path) -> Result<bool, StoreError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(file_error(path, error)),
    };
    let mut header = Vec::with_capacity(HEADER_BYTES);
    let read = Read::by_ref(&mut file).take(HEADER_BYTES as u64).read_to_end(&mut header);
    read.map_err(|error| file_error(path, error))?;
    // An empty file is a database without tables.
    if !header.is_empty() {
        check_header(path, &header)?;
    }
    is_locked(path)
}

fn check_header(path: &Path, header: &[u8]) -> Result<(), StoreError> {
    if !header.starts_with(MAGIC) {
        let why = std::io::Error::new(ErrorKind::InvalidData, "it is not a SQLite database");
        return Err(file_error(path, why));
    }
    let digits = header.get(VERSION_AT..VERSION_AT + 4).unwrap_or_default();
    let seen = digits.iter().fold(0_u32, |sum, digit| (sum << 8) | u32::from(*digit));
    let known = newest_version();
    if seen > known { Err(StoreError::SchemaNewer { seen, known }) } else { Ok(()) }
}

fn is_locked(path: &Path) -> Result<bool, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
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
    use crate::changes::Change;
    use crate::sqlite::store::{SqliteOptions, SqliteStore};
    use crate::store::CommitFeed;

    struct NoFeed;

    impl CommitFeed for NoFeed {
        fn committed(&mut self, _changes: &[Change]) {}
    }

    #[test]
    fn database_is_inspected_without_a_trace() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        assert!(!inspect(&path).unwrap());
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
        std::fs::write(&path, "").unwrap();
        assert!(!inspect(&path).unwrap());
        std::fs::write(&path, "letters, and no database at all").unwrap();
        let error = inspect(&path).unwrap_err();
        assert!(matches!(error, StoreError::File { .. }), "{error}");
        let mut header = [0_u8; HEADER_BYTES];
        header[..16].copy_from_slice(MAGIC);
        header[VERSION_AT + 2] = 1;
        std::fs::write(&path, header).unwrap();
        let error = inspect(&path).unwrap_err();
        assert!(matches!(error, StoreError::SchemaNewer { seen: 256, .. }), "{error}");
        std::fs::remove_file(&path).unwrap();
        let store = SqliteStore::open(&path, SqliteOptions::default(), Box::new(NoFeed)).unwrap();
        assert!(inspect(&path).unwrap(), "a store that is open");
        drop(store);
    }
}
