//! A file that holds space on the database's disk, released when the disk is full.
//! Never: data; the file can be deleted at any time.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

/// Most space that the file holds, in bytes. A ban writes about 50 KiB, and the log is reused.
const BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The file holds at most this fraction of `min_free`.
const DIVISOR: u64 = 8;

/// The file beside the database; a file of an earlier run is taken over.
#[derive(Debug)]
pub(crate) struct ReserveFile {
    path: PathBuf,
    bytes: u64,
    /// Whether the space was allocated, or could not be, since the disk became healthy.
    was_tried: bool,
}

impl ReserveFile {
    /// A file for this reserve; not created yet.
    pub(crate) fn new(path: PathBuf, min_free_bytes: u64) -> Self {
        let bytes = (min_free_bytes / DIVISOR).min(BYTES_MAX);
        Self { path, bytes, was_tried: false }
    }

    /// Whether so little space is free that the file must be removed.
    pub(crate) fn is_needed(&self, free_bytes: Option<u64>) -> bool {
        self.length().is_some() && free_bytes.is_some_and(|free| free < self.bytes.max(1))
    }

    /// The length of the file, if it exists.
    fn length(&self) -> Option<u64> {
        std::fs::symlink_metadata(&self.path).ok().map(|facts| facts.len())
    }

    /// Allocates the space, once each time the disk becomes healthy; a failure is only logged.
    pub(crate) fn hold(&mut self) {
        if std::mem::replace(&mut self.was_tried, true) || self.length() == Some(self.bytes) {
            return;
        }
        // A file of another size: the configuration has changed, or an earlier run was interrupted.
        self.remove();
        if self.bytes == 0 {
            return;
        }
        if let Err(error) = self.write() {
            tracing::warn!(%error, path = %self.path.display(), "cannot allocate the reserve");
            self.remove();
        }
    }

    /// Records that the disk is not healthy: the space is allocated again when it is.
    pub(crate) fn allow_retry(&mut self) {
        self.was_tried = false;
    }

    /// Releases the space.
    pub(crate) fn release(&mut self) {
        self.allow_retry();
        self.remove();
    }

    fn remove(&self) {
        match std::fs::remove_file(&self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                let path = self.path.display();
                tracing::warn!(%error, %path, "cannot release the reserve");
            }
        }
    }

    fn write(&self) -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        options.create_new(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file: File = options.open(&self.path)?;
        // Written, not only allocated: some file systems reserve nothing for a hole.
        let block = [0_u8; 64 * 1024];
        let mut left = self.bytes;
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(block.len()).min(block.len());
            file.write_all(block.get(..length).unwrap_or_default())?;
            left -= length as u64;
        }
        file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserve_is_kept_until_it_is_needed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db.reserve");
        let mut reserve = ReserveFile::new(path.clone(), 8 * 100_000);
        assert!(!reserve.is_needed(Some(0)), "it has no space yet");
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
    fn reserve_of_an_earlier_run_is_released_when_it_is_needed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db.reserve");
        ReserveFile::new(path.clone(), 8 * 100_000).hold();
        // The server starts again on a full disk, and never allocates it.
        let mut reserve = ReserveFile::new(path.clone(), 8 * 100_000);
        assert!(reserve.is_needed(Some(99_999)));
        reserve.release();
        assert!(!path.exists() && !reserve.is_needed(Some(0)));
    }

    #[test]
    fn reserve_of_another_length_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db.reserve");
        std::fs::write(&path, "cut off").unwrap();
        ReserveFile::new(path.clone(), 8 * 100_000).hold();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 100_000);
        let mut none = ReserveFile::new(path.clone(), 0);
        assert!(
            none.is_needed(Some(0)),
            "a file that is not configured any more also releases space"
        );
        none.hold();
        assert!(!path.exists());
    }

    #[test]
    fn failed_allocation_is_not_retried_before_the_disk_was_unhealthy() {
        let directory = tempfile::tempdir().unwrap();
        // No file can be created at this path, as with an exhausted quota.
        let folder = directory.path().join("full");
        let path = folder.join("x.db.reserve");
        let mut reserve = ReserveFile::new(path.clone(), 8 * 100_000);
        reserve.hold();
        std::fs::create_dir(&folder).unwrap();
        reserve.hold();
        assert!(!path.exists(), "it was not tried again");
        reserve.allow_retry();
        reserve.hold();
        assert!(path.exists());
    }

    #[test]
    fn empty_reserve_creates_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db.reserve");
        let mut reserve = ReserveFile::new(path.clone(), 0);
        reserve.hold();
        reserve.release();
        assert!(!path.exists());
    }
}
