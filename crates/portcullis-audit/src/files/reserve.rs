//! A file that reserves disk space, released for operations when the disk is full.
//! Never: released while the disk has free space.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::files::disk::Disk;
use crate::files::path::{folder_of, with_suffix};

/// The reserve is at most the size of the disk divided by this number.
const DISK_PART: u64 = 16;
/// Space is released in steps, so that another program cannot take all of it at once.
const STEP_BYTES: u64 = 128 * 1024;
/// Bytes that must be free in addition before the reserve is filled again.
const MARGIN_BYTES: u64 = 256 * 1024;

/// The file that reserves disk space.
#[derive(Debug)]
pub(crate) struct Reserve {
    file: File,
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    /// The size of the full reserve.
    max_bytes: u64,
    bytes: u64,
}

impl Reserve {
    /// Opens the reserve in the folder of the log, and fills it if the disk has free space.
    pub(crate) fn open(log: &Path, wanted_bytes: u64, disk: Arc<dyn Disk>) -> io::Result<Self> {
        let folder = folder_of(log);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(with_suffix(log, ".reserve"))?;
        let max_bytes = wanted_bytes.min(disk.space(&folder)?.total / DISK_PART);
        let bytes = file.metadata()?.len().min(max_bytes);
        disk.shrink(&file, bytes)?;
        let mut reserve = Self { file, folder, disk, max_bytes, bytes };
        reserve.fill();
        Ok(reserve)
    }

    /// Releases space for `bytes` more; `false` when none is left.
    pub(crate) fn release(&mut self, bytes: u64) -> bool {
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

    /// Reserves its full size again; `false` while the disk has too little free space.
    pub(crate) fn fill(&mut self) -> bool {
        let missing = self.max_bytes - self.bytes;
        if missing == 0 {
            return true;
        }
        let is_enough = |free| free >= missing + MARGIN_BYTES.min(self.max_bytes);
        if !self.disk.space(&self.folder).is_ok_and(|space| is_enough(space.free)) {
            return false;
        }
        if self.disk.allocate(&self.file, self.max_bytes).is_err() {
            let _unchanged = self.disk.shrink(&self.file, self.bytes);
            return false;
        }
        self.bytes = self.max_bytes;
        true
    }

    /// Bytes that are still reserved.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}
