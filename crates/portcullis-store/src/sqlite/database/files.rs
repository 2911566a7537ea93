//! The database's files: their lock, their permissions, their paths.
//! Never: a file that other users of the machine can read.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::StoreError;

/// Takes the lock file beside the database; released when the file is dropped.
pub(crate) fn lock(path: &Path) -> Result<File, StoreError> {
    let lock_path = lock_path(path);
    let file = private_file(&lock_path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(path.to_path_buf())),
        Err(TryLockError::Error(error)) => Err(file_error(&lock_path, error)),
    }
}

/// Creates a file that only its owner can read, if it is missing; SQLite's logs get the same mode.
pub(crate) fn private_file(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| file_error(path, error))
}

/// Creates a file that only its owner can read; it must not exist, also not as a link.
pub(crate) fn new_private_file(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| file_error(path, error))
}

/// An error of the system about a file.
pub(crate) fn file_error(path: &Path, error: std::io::Error) -> StoreError {
    StoreError::File { path: path.to_path_buf(), source: Arc::new(error) }
}

/// The path of the lock file.
pub(super) fn lock_path(database: &Path) -> PathBuf {
    with_suffix(database, ".lock")
}

/// The database, its log, and the log's index. Without any of them confirmed writes are lost.
pub(crate) fn data_paths(database: &Path) -> [PathBuf; 3] {
    // If the path is a link, SQLite keeps the log beside the target.
    let target = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    [database.to_owned(), with_suffix(&target, "-wal"), with_suffix(&target, "-shm")]
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
