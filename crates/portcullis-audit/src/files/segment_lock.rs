//! The lock on closed files: one program at a time compresses, removes or rewrites them.
//! Never: held by the thread that writes lines.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::{FlockOperation, flock};

use crate::files::segment::Naming;

/// The lock; released when it is dropped.
#[derive(Debug)]
pub(crate) struct SegmentLock {
    _file: File,
}

impl SegmentLock {
    /// Locks the closed files of a log; `None` while another program has the lock.
    pub(crate) fn try_acquire(naming: &Naming) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(naming.lock())?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
