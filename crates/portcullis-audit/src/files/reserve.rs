//! A file that holds room on the disk, given to the reserved lane when the disk is full.
//! Never: shrunk while there is room.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::files::disk::Disk;

/// On a small disk the reserve is at most this part of it.
const DISK_PART: u64 = 16;
/// The reserve gives room in steps, so that no other program takes all of it at once.
const STEP_BYTES: u64 = 128 * 1024;
/// So much has to be free beside the reserve before it is filled again.
const MARGIN_BYTES: u64 = 256 * 1024;

/// The reserve.
#[derive(Debug)]
pub(crate) struct Reserve {
    file: File,
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    /// Bytes it has when it is whole.
    whole_bytes: u64,
    bytes: u64,
}

impl Reserve {
    /// Opens the reserve beside the log, and fills it if there is room.
    pub(crate) fn open(log: &Path, wanted: u64, disk: Arc<dyn Disk>) -> io::Result<Self> {
        let mut path = log.as_os_str().to_owned();
        path.push(".reserve");
        let folder = folder_of(log);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(PathBuf::from(path))?;
        let whole_bytes = wanted.min(disk.space(&folder)?.total / DISK_PART);
        let bytes = file.metadata()?.len().min(whole_bytes);
        disk.shrink(&file, bytes)?;
        let mut reserve = Self { file, folder, disk, whole_bytes, bytes };
        reserve.fill();
        Ok(reserve)
    }

    /// Gives room for `bytes` more; `false` when nothing is left.
    pub(crate) fn give(&mut self, bytes: u64) -> bool {
        if self.bytes == 0 {
            return false;
        }
        let left = self.bytes.saturating_sub(bytes.max(STEP_BYTES));
        if self.disk.shrink(&self.file, left).is_err() {
            return false;
        }
        self.bytes = left;
        true
    }

    /// Sets all of its room aside again; `false` while the disk has too little.
    pub(crate) fn fill(&mut self) -> bool {
        let missing = self.whole_bytes - self.bytes;
        if missing == 0 {
            return true;
        }
        let enough = |free| free >= missing + MARGIN_BYTES.min(self.whole_bytes);
        if !self.disk.space(&self.folder).is_ok_and(|space| enough(space.free)) {
            return false;
        }
        if self.disk.allocate(&self.file, self.whole_bytes).is_err() {
            let _kept = self.disk.shrink(&self.file, self.bytes);
            return false;
        }
        self.bytes = self.whole_bytes;
        true
    }

    /// Bytes it still holds.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// The folder a file is in.
pub(crate) fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        Some(_) | None => PathBuf::from("."),
    }
}
