//! The database's files: their lock, their permissions, their paths.
//! Never: a file that other users of the machine can read.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::StoreError;

/// Takes the lock file beside the database; released when the file is dropped.
///
/// # Errors
/// `File` if it is a link: the directory can belong to another user than root, for whom a command
/// of root must not create a file elsewhere.
pub(crate) fn lock(path: &Path) -> Result<File, StoreError> {
    let lock_path = lock_path(path);
    let file = open_lock(&lock_path).map_err(|error| file_error(&lock_path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(path.to_path_buf())),
        Err(TryLockError::Error(error)) => Err(file_error(&lock_path, error)),
    }
}

fn open_lock(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    }
    let file = options.open(path)?;
    give_to_owner(&file, path).map(|()| file)
}

/// Creates a file that only its owner can read, if it is missing; SQLite's logs get the same mode.
pub(crate) fn private_file(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.create_new(true).read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let opened = match options.open(path) {
        Ok(file) => give_to_owner(&file, path).map(|()| file),
        // Again with `create`, for a link to a missing file.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            options.create_new(false).create(true).truncate(false).open(path)
        }
        Err(error) => Err(error),
    };
    opened.map_err(|error| file_error(path, error))
}

/// Gives a file of root to the owner of its directory, so that the server can use it after a
/// command that ran as root.
#[cfg(unix)]
fn give_to_owner(created: &File, path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let owner = std::fs::metadata(folder.unwrap_or(Path::new(".")))?;
    let facts = created.metadata()?;
    // Another name of the file could be that of a file elsewhere.
    if facts.uid() != 0 || owner.uid() == 0 || facts.nlink() > 1 {
        return Ok(());
    }
    fchown(created, Some(owner.uid()), Some(owner.gid()))
}

#[cfg(not(unix))]
fn give_to_owner(_created: &File, _path: &Path) -> std::io::Result<()> {
    Ok(())
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

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn lock_that_is_a_link_is_rejected_and_creates_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        symlink(at("elsewhere"), at("a.db.lock")).unwrap();
        for _ in 0..2 {
            assert!(matches!(lock(&at("a.db")), Err(StoreError::File { .. })));
            assert!(!at("elsewhere").exists());
        }
        std::fs::remove_file(at("a.db.lock")).unwrap();
        let held = lock(&at("a.db")).unwrap();
        assert!(matches!(lock(&at("a.db")), Err(StoreError::InUse(_))));
        drop(held);
    }
}
