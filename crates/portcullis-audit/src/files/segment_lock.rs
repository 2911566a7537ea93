//! The lock on closed files: one program at a time compresses, removes or rewrites them.
//! Never: held by the thread that writes lines.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};

use rustix::fs::{FlockOperation, OFlags, flock};

use crate::files::segment::Naming;

/// Opens no link: the folder of the log belongs to the user of the server, and a command of root
/// must not give that user a file elsewhere.
pub(crate) const NO_LINK: i32 = OFlags::NOFOLLOW.bits().cast_signed();

/// The lock; released when it is dropped.
#[derive(Debug)]
pub(crate) struct SegmentLock {
    _file: File,
}

impl SegmentLock {
    /// Locks the closed files of a log; `None` while another program has the lock.
    pub(crate) fn try_acquire(naming: &Naming) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600).custom_flags(NO_LINK);
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
    // Another name of the file could be that of a file elsewhere.
    if now.nlink() > 1 {
        return Err(io::Error::other("the file has another name: remove it"));
    }
    if (now.uid(), now.gid()) != (other.uid(), other.gid()) {
        // Only the administrator of the machine can give a file away; others keep their own.
        let _unchanged = fchown(file, Some(other.uid()), Some(other.gid()));
    }
    file.set_permissions(other.permissions())
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, hard_link, metadata, remove_file, set_permissions, write};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn other_name_of_a_file_elsewhere_changes_neither_its_owner_nor_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mode = |name: &str| metadata(at(name)).unwrap().permissions().mode() & 0o777;
        for name in ["security.log", "elsewhere"] {
            write(at(name), "x").unwrap();
        }
        set_permissions(at("security.log"), Permissions::from_mode(0o640)).unwrap();
        set_permissions(at("elsewhere"), Permissions::from_mode(0o600)).unwrap();
        let naming = Naming::of(&at("security.log"));
        symlink(at("elsewhere"), at("security.log.lock")).unwrap();
        assert!(SegmentLock::try_acquire(&naming).is_err());
        assert_eq!(mode("elsewhere"), 0o600, "a link");
        remove_file(at("security.log.lock")).unwrap();
        hard_link(at("elsewhere"), at("security.log.lock")).unwrap();
        assert!(SegmentLock::try_acquire(&naming).unwrap().is_some());
        assert_eq!(mode("elsewhere"), 0o600, "a second name");
        remove_file(at("security.log.lock")).unwrap();
        assert!(SegmentLock::try_acquire(&naming).unwrap().is_some());
        assert_eq!(mode("security.log.lock"), 0o640, "a lock of its own");
    }
}
