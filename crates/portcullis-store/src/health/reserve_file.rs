//! A file that holds space on the database's disk, given up when the disk is full.
//! Never: data; it can be deleted at any time.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

/// Most space the file holds, in bytes: a ban writes about 50 KiB, and the log is used again.
const BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The share of `min_free` that it holds at most.
const DIVISOR: u64 = 8;

/// The file beside the database; one of an earlier run counts as held.
#[derive(Debug)]
pub(crate) struct ReserveFile {
    path: PathBuf,
    bytes: u64,
    /// Whether the space was taken, or could not be, since the disk became well.
    tried: bool,
}

impl ReserveFile {
    /// A file for this reserve; not created yet.
    pub(crate) fn new(path: PathBuf, min_free_bytes: u64) -> Self {
        let bytes = (min_free_bytes / DIVISOR).min(BYTES_MAX);
        Self { path, bytes, tried: false }
    }

    /// Whether so little is free that the file has to go.
    pub(crate) fn is_needed(&self, free_bytes: Option<u64>) -> bool {
        self.length().is_some() && free_bytes.is_some_and(|free| free < self.bytes.max(1))
    }

    /// The length of the file that is there.
    fn length(&self) -> Option<u64> {
        std::fs::symlink_metadata(&self.path).ok().map(|facts| facts.len())
    }

    /// Takes the space, once for each time the disk has become well: it is a help, not a promise.
    pub(crate) fn hold(&mut self) {
        if std::mem::replace(&mut self.tried, true) || self.length() == Some(self.bytes) {
            return;
        }
        // One of another size: the configuration was changed, or an earlier run ended meanwhile.
        self.remove();
        if self.bytes == 0 {
            return;
        }
        if let Err(error) = self.write() {
            tracing::warn!(%error, path = %self.path.display(), "the reserve is not held");
            self.remove();
        }
    }

    /// Notes that the disk is not well: when it is again, the space is taken again.
    pub(crate) fn rest(&mut self) {
        self.tried = false;
    }

    /// Gives the space up.
    pub(crate) fn release(&mut self) {
        self.rest();
        self.remove();
    }

    fn remove(&self) {
        match std::fs::remove_file(&self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                let path = self.path.display();
                tracing::warn!(%error, %path, "the reserve is not given up");
            }
        }
    }

    fn write(&self) -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        options.create_new(true).write(true);
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
    fn reserve_of_an_earlier_run_is_released_when_it_is_needed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db.reserve");
        ReserveFile::new(path.clone(), 8 * 100_000).hold();
        // The server starts again on a full disk, and never holds it itself.
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
        assert!(none.is_needed(Some(0)), "one that is not wanted any more gives space as well");
        none.hold();
        assert!(!path.exists());
    }

    #[test]
    fn reserve_that_cannot_be_held_is_tried_once_until_the_disk_was_not_well() {
        let directory = tempfile::tempdir().unwrap();
        // Nothing can be created under this name, as with a quota that is used up.
        let folder = directory.path().join("full");
        let path = folder.join("x.db.reserve");
        let mut reserve = ReserveFile::new(path.clone(), 8 * 100_000);
        reserve.hold();
        std::fs::create_dir(&folder).unwrap();
        reserve.hold();
        assert!(!path.exists(), "it was not tried again");
        reserve.rest();
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
