//! The database's files: their lock and their permissions.
//! Never: a file that others can read.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::StoreError;

/// Takes the lock file beside the database; released when the file is dropped.
pub(crate) fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let file = private_file(&lock_path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(path.to_path_buf())),
        Err(TryLockError::Error(error)) => Err(file_error(&lock_path, error)),
    }
}

/// Creates a file only its owner can read, if it is not there; SQLite's log files take its mode.
pub(crate) fn private_file(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| file_error(path, error))
}

/// The system's error about a file.
pub(crate) fn file_error(path: &Path, error: std::io::Error) -> StoreError {
    StoreError::File { path: path.to_path_buf(), source: Arc::new(error) }
}
