//! Identifies an open file, independent of its path.
//! Never: the identity of a file on another machine.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// Device and inode number of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl FileId {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}
