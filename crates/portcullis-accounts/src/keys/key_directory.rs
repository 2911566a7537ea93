//! The directory of keys: its lock against other processes, names of temporary files.
//! Never: the content of a key file; `private_file` of the seal crate reads it.

use std::fs::{File, TryLockError};
use std::path::Path;

use portcullis_seal::private_file::PrivateFileError;
use portcullis_server::random_id;

use super::error::KeyError;

/// Locks the directory of keys against other processes that change keys.
///
/// The lock ends when the file is closed, at the latest with this process.
pub(crate) fn lock(path: &Path) -> Result<File, KeyError> {
    let at = |source| PrivateFileError::File { path: path.to_path_buf(), source };
    let directory = File::open(path).map_err(at)?;
    match directory.try_lock() {
        Ok(()) => Ok(directory),
        Err(TryLockError::WouldBlock) => Err(KeyError::Busy(path.to_path_buf())),
        Err(TryLockError::Error(source)) => Err(at(source).into()),
    }
}

/// A random suffix for the name of a temporary file.
pub(crate) fn temporary_suffix() -> Result<String, KeyError> {
    random_id::<8>().map_err(|_| KeyError::Generate)
}
