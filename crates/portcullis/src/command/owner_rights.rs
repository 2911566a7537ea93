//! The rights of the owner of the data directory, for a command that root runs.
//! Never: a file of the data directory created, changed or followed with the rights of root.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::process::{Gid, Uid, getegid, geteuid, getgid, getuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::start::files::output_files::CHAIN_STATE;

/// Takes the rights of the owner of the data directory, if root runs this command for another user.
///
/// The user of the server can put links and other files into the directory, at any time. With the
/// rights of root, a command would follow them, and give that user files of the whole machine. The
/// rights are those of this thread, and of threads that it starts later.
///
/// # Errors
/// The system does not permit it.
pub(crate) fn take(data: &Path) -> Result<()> {
    let Ok(facts) = std::fs::metadata(data) else { return Ok(()) };
    let is_of_root = facts.uid() == Uid::ROOT.as_raw() || is_server_of_root(data);
    if !geteuid().is_root() || is_of_root {
        return Ok(());
    }
    let (user, group) = (Uid::from_raw(facts.uid()), Gid::from_raw(facts.gid()));
    set_thread_groups(&[group])
        .and_then(|()| set_thread_res_gid(None, group, None))
        .and_then(|()| set_thread_res_uid(None, user, None))
        .with_context(|| format!("cannot work as the owner of {}", data.display()))
}

/// Uses a file that the caller names, and that is not in the data directory, with the rights of the
/// caller.
///
/// # Errors
/// The system does not permit it.
pub(crate) fn as_caller<T>(work: impl FnOnce() -> T) -> Result<T> {
    let (owner, group) = (geteuid(), getegid());
    if getuid() == owner {
        return Ok(work());
    }
    let failed = "cannot change the user";
    set_thread_res_uid(None, getuid(), None).context(failed)?;
    set_thread_res_gid(None, getgid(), None).context(failed)?;
    let done = work();
    set_thread_res_gid(None, group, None).context(failed)?;
    set_thread_res_uid(None, owner, None).context(failed)?;
    Ok(done)
}

/// Whether the server itself runs as root, in a directory of another user, such as a volume of a
/// container. Only the server writes this file, and the owner could not use it.
fn is_server_of_root(data: &Path) -> bool {
    let facts = std::fs::symlink_metadata(data.join(CHAIN_STATE));
    facts.is_ok_and(|facts| {
        facts.is_file() && facts.uid() == Uid::ROOT.as_raw() && facts.nlink() == 1
    })
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, chown};

    use super::*;

    // Only root has rights to give up.
    #[test]
    fn root_works_in_a_directory_of_another_user_with_the_rights_of_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o711)).unwrap();
        take(&at("missing")).unwrap();
        take(directory.path()).unwrap();
        assert_eq!(geteuid(), getuid(), "the owner of the directory, or a missing one");
        if !getuid().is_root() {
            return;
        }
        // The server runs as root, and the directory is a volume of another user.
        std::fs::create_dir(at("volume")).unwrap();
        std::fs::write(at("volume").join(CHAIN_STATE), "").unwrap();
        chown(at("volume"), Some(65_534), Some(65_533)).unwrap();
        take(&at("volume")).unwrap();
        assert!(geteuid().is_root());
        let owner_of = |path: &Path| std::fs::metadata(path).unwrap().uid();
        std::fs::create_dir(at("data")).unwrap();
        chown(at("data"), Some(65_534), Some(65_533)).unwrap();
        std::fs::write(at("of-root"), "").unwrap();
        std::os::unix::fs::symlink(at("of-root"), at("data").join("link")).unwrap();
        // The rights are those of a thread.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                take(&at("data")).unwrap();
                let followed = std::fs::write(at("data").join("link"), "x");
                assert!(followed.is_err(), "the link leads to a file of root");
                std::fs::write(at("data").join("new"), "x").unwrap();
                assert_eq!(owner_of(&at("data").join("new")), 65_534);
                assert!(std::fs::write(at("report"), "x").is_err());
                as_caller(|| std::fs::write(at("report"), "x")).unwrap().unwrap();
                assert_eq!(owner_of(&at("report")), 0);
                assert_eq!(geteuid().as_raw(), 65_534, "the rights of root have ended again");
            });
        });
        assert!(geteuid().is_root());
    }
}
