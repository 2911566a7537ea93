//! The lock on closed files: one program at a time compresses, removes or rewrites them.
//! Never: held by the thread that writes lines.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};

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
        // An operator may be another user than the server, which needs the lock as well.
        if let Ok(log) = std::fs::metadata(naming.open()) {
            // A lock of another user stays as it is.
            let _unchanged = keep_owner(&file, &log);
        }
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Gives a new file the owner, the group and the mode of another one, as far as the system permits.
///
/// # Errors
/// When the mode cannot be set.
pub(crate) fn keep_owner(file: &File, other: &Metadata) -> io::Result<()> {
    let now = file.metadata()?;
    if (now.uid(), now.gid()) != (other.uid(), other.gid()) {
        // Only the administrator of the machine can give a file away; others keep their own.
        let _unchanged = fchown(file, Some(other.uid()), Some(other.gid()));
    }
    file.set_permissions(other.permissions())
}
