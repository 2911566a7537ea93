//! A copy of a database that no server uses, and the lock that keeps servers away meanwhile.
//! Never: a change of the database.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::error::StoreError;
use crate::sqlite::copy::paged::open_target;
use crate::sqlite::database::connection::BUSY_TIMEOUT;
use crate::sqlite::database::files::lock;
use crate::sqlite::database::inspect::check_file;

/// The database of a stopped server; no server can start until it is dropped.
#[derive(Debug)]
pub struct StoppedDatabase {
    path: PathBuf,
    _lock: File,
}

impl StoppedDatabase {
    /// Locks a database, which can be missing.
    ///
    /// # Errors
    /// `InUse` if a server runs, `File` if the lock cannot be created.
    pub fn lock(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { path: path.to_path_buf(), _lock: lock(path)? })
    }

    /// Copies the database into `target`, a file that does not exist.
    ///
    /// # Errors
    /// `Full` if the disk has no space, `Busy` if another program holds the database, `Damaged`,
    /// `SchemaNewer` if a later version wrote it, `File` if it is not a database.
    pub fn copy(&self, target: &Path) -> Result<(), StoreError> {
        check_file(&self.path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let source = Connection::open_with_flags(&self.path, flags)?;
        source.busy_timeout(BUSY_TIMEOUT)?;
        let (_file, mut target) = open_target(target)?;
        let backup = Backup::new(&source, &mut target)?;
        match backup.step(-1)? {
            StepResult::Done => Ok(()),
            _ => Err(StoreError::Busy),
        }
    }
}
