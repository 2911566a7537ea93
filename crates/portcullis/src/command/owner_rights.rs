//! The rights of the owner of the data directory, for a command that root runs.
//! Never: a file of the data directory created, changed or followed with the rights of root.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::process::{Gid, Uid, getegid, geteuid, getgid, getgroups, getuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// Takes the rights of the owner of the data directory, if root runs this command for another user;
/// whether it did.
///
/// The user of the server can put links and other files into the directory, at any time. With the
/// rights of root, a command would follow them, and give that user files of the whole machine. The
/// rights are those of this thread, and of threads that it starts later.
///
/// # Errors
/// The system does not permit it.
pub(crate) fn take(data: &Path) -> Result<bool> {
    let Some(owner) = other_owner(data) else { return Ok(false) };
    enter(owner, data)?;
    Ok(true)
}

/// Makes the rights in force the only ones, before another program starts, which could take those
/// of the caller back.
///
/// # Errors
/// The system does not permit it.
pub(crate) fn give_up() -> Result<()> {
    let (user, group) = (geteuid(), getegid());
    set_thread_res_gid(group, group, group)
        .and_then(|()| set_thread_res_uid(user, user, user))
        .context("cannot give up the rights of root")
}

/// Uses a file of the data directory with the rights of its owner, in a command that keeps those of
/// root.
///
/// # Errors
/// The system does not permit it.
pub(crate) fn as_owner<T>(data: &Path, work: impl FnOnce() -> T) -> Result<T> {
    let Some(owner) = other_owner(data) else { return Ok(work()) };
    let failed = "cannot change the user";
    let (user, group) = (geteuid(), getegid());
    let groups = getgroups().context(failed)?;
    enter(owner, data)?;
    let done = work();
    set_thread_res_uid(None, user, None).context(failed)?;
    set_thread_res_gid(None, group, None).context(failed)?;
    set_thread_groups(&groups).context(failed)?;
    Ok(done)
}

/// The owner of the data directory, if this process has the rights of root, and another user owns
/// the directory.
fn other_owner(data: &Path) -> Option<(Uid, Gid)> {
    let facts = std::fs::metadata(data).ok()?;
    let is_other = geteuid().is_root() && facts.uid() != Uid::ROOT.as_raw();
    is_other.then(|| (Uid::from_raw(facts.uid()), Gid::from_raw(facts.gid())))
}

/// Whether root runs this command for another user, whose data directory it is.
pub(crate) fn is_for_other(data: &Path) -> bool {
    other_owner(data).is_some()
}

fn enter((user, group): (Uid, Gid), data: &Path) -> Result<()> {
    set_thread_groups(&[group])
        .and_then(|()| set_thread_res_gid(None, group, None))
        .and_then(|()| set_thread_res_uid(None, user, None))
        .with_context(|| {
            let (user, data) = (user.as_raw(), data.display());
            format!(
                "root has no right here to work as the owner of {data}: run the command as that \
                 user, such as with sudo -u '#{user}' or docker exec --user {user}"
            )
        })
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
        assert!(!take(&at("missing")).unwrap());
        assert!(!take(directory.path()).unwrap());
        assert_eq!(geteuid(), getuid(), "the owner of the directory, or a missing one");
        if !getuid().is_root() {
            return;
        }
        let owner_of = |path: &Path| std::fs::metadata(path).unwrap().uid();
        std::fs::create_dir(at("data")).unwrap();
        chown(at("data"), Some(65_534), Some(65_533)).unwrap();
        std::fs::write(at("of-root"), "").unwrap();
        std::os::unix::fs::symlink(at("of-root"), at("data").join("link")).unwrap();
        // The rights are those of a thread.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let read = |name: &str| std::fs::read(at("data").join(name)).is_ok();
                assert!(read("link"));
                let open = Permissions::from_mode(0o600);
                std::fs::set_permissions(at("of-root"), open).unwrap();
                let groups = getgroups().unwrap();
                assert!(!as_owner(&at("data"), || read("link")).unwrap());
                assert!(read("link") && geteuid().is_root() && getegid().is_root());
                assert_eq!(getgroups().unwrap(), groups);
                assert!(take(&at("data")).unwrap());
                let followed = std::fs::write(at("data").join("link"), "x");
                assert!(followed.is_err(), "the link leads to a file of root");
                std::fs::write(at("data").join("new"), "x").unwrap();
                assert_eq!(owner_of(&at("data").join("new")), 65_534);
                assert!(std::fs::write(at("report"), "x").is_err());
                as_caller(|| std::fs::write(at("report"), "x")).unwrap().unwrap();
                assert_eq!(owner_of(&at("report")), 0);
                assert_eq!(geteuid().as_raw(), 65_534, "the rights of root have ended again");
                assert!(getuid().is_root());
                give_up().unwrap();
                assert_eq!((getuid().as_raw(), getgid().as_raw()), (65_534, 65_533));
                assert!(set_thread_res_uid(None, Uid::ROOT, None).is_err());
            });
        });
        assert!(geteuid().is_root());
    }
}
