//! The disk operations of the log; tests replace them with faults.
//! Never: decides about records.

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Bytes of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) total: u64,
    /// Bytes that this process can still use.
    pub(crate) free: u64,
}

/// The operations of a disk.
pub(crate) trait Disk: Send + Sync + Debug {
    /// Appends some of the bytes; returns how many.
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<usize>;
    /// Waits until the file is on the disk.
    fn sync(&self, file: &File) -> io::Result<()>;
    /// Allocates blocks for a file of `length` bytes.
    fn allocate(&self, file: &File, length: u64) -> io::Result<()>;
    /// Releases the blocks after `length` bytes.
    fn shrink(&self, file: &File, length: u64) -> io::Result<()>;
    /// The size and the free space of the disk.
    fn space(&self, folder: &Path) -> io::Result<Space>;
}

/// The disk of this machine.
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
        let stats = rustix::fs::statvfs(folder)?;
        Ok(Space {
            total: stats.f_blocks.saturating_mul(stats.f_frsize),
            free: stats.f_bavail.saturating_mul(stats.f_frsize),
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
