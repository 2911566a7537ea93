//! A file that holds space on the database's disk, given up when the disk is full.
//! Never: data; it can be deleted at any time.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

/// Most space the file holds, in bytes: a ban writes about 50 KiB, and the log is used again.
const BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The share of `min_free` that it holds at most.
const DIVISOR: u64 = 8;

/// The file beside the database.
#[derive(Debug)]
pub(crate) struct ReserveFile {
    path: PathBuf,
    bytes: u64,
    held: bool,
}

impl ReserveFile {
    /// A file for this reserve; not created yet.
    pub(crate) fn new(path: PathBuf, min_free_bytes: u64) -> Self {
        let bytes = (min_free_bytes / DIVISOR).min(BYTES_MAX);
        Self { path, bytes, held: false }
    }

    /// Whether so little is free that the file has to go.
    pub(crate) fn is_needed(&self, free_bytes: Option<u64>) -> bool {
        self.held && free_bytes.is_some_and(|free| free < self.bytes)
    }

    /// Takes the space, if it is not taken.
    pub(crate) fn hold(&mut self) {
        if self.held || self.bytes == 0 {
            return;
        }
        // One try for each time the disk has become free: it is a help, not a promise.
        self.held = true;
        if let Err(error) = self.write() {
            tracing::warn!(%error, path = %self.path.display(), "the reserve is not held");
            self.release();
        }
    }

    fn write(&self) -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file: File = options.open(&self.path)?;
        // Written, not only allocated: some file systems count a hole as nothing.
        let block = [0_u8; 64 * 1024];
        let mut left = self.bytes;
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(block.len()).min(block.len());
            file.write_all(block.get(..length).unwrap_or_default())?;
            left -= length as u64;
        }
        file.sync_data()
    }

    /// Gives the space up.
    pub(crate) fn release(&mut self) {
        if std::mem::take(&mut self.held)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "the reserve is not given up");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserve_is_held_until_it_is_needed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db.reserve");
        let mut reserve = ReserveFile::new(path.clone(), 8 * 100_000);
        assert!(!reserve.is_needed(Some(0)), "it holds nothing yet");
        reserve.hold();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 100_000);
        assert!(!reserve.is_needed(Some(100_000)) && !reserve.is_needed(None));
        assert!(reserve.is_needed(Some(99_999)));
        reserve.release();
        assert!(!path.exists());
        reserve.hold();
        assert!(path.exists());
    }

    #[test]
    fn no_reserve_means_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db.reserve");
        let mut reserve = ReserveFile::new(path.clone(), 0);
        reserve.hold();
        reserve.release();
        assert!(!path.exists());
    }
}
