//! The disk operations of the log; tests replace them with faults.
//! Never: a decision about records.

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Bytes of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) total: u64,
    /// Bytes this process may still take.
    pub(crate) free: u64,
}

/// A disk.
pub(crate) trait Disk: Send + Sync + Debug {
    /// Appends some of the bytes; says how many.
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<usize>;
    /// Waits until the file is on the disk.
    fn sync(&self, file: &File) -> io::Result<()>;
    /// Sets aside blocks for a file of `length` bytes.
    fn allocate(&self, file: &File, length: u64) -> io::Result<()>;
    /// Gives back the blocks behind `length` bytes.
    fn shrink(&self, file: &File, length: u64) -> io::Result<()>;
    /// How much room there is.
    fn space(&self, folder: &Path) -> io::Result<Space>;
}

/// The machine's own.
#[derive(Debug)]
pub(crate) struct SystemDisk;

impl Disk for SystemDisk {
    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn allocate(&self, file: &File, length: u64) -> io::Result<()> {
        let flags = rustix::fs::FallocateFlags::empty();
        Ok(rustix::fs::fallocate(file, flags, 0, length)?)
    }

    fn shrink(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    fn space(&self, folder: &Path) -> io::Result<Space> {
        let facts = rustix::fs::statvfs(folder)?;
        Ok(Space {
            total: facts.f_blocks.saturating_mul(facts.f_frsize),
            free: facts.f_bavail.saturating_mul(facts.f_frsize),
        })
    }
}

/// Whether an error means that the disk, or the user's share of it, is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
