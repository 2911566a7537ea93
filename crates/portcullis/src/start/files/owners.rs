//! Finds files of the server that its user cannot use, or could not after a start as root.
//! Never: a file opened or changed.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};

use crate::config::{ConfigError, Settings};
use crate::output::shell_path;
use crate::start::files::output_files::server_files;

/// Files that an error names; the command for all of them is in the documentation.
const NAMED_MAX: usize = 8;

/// The user id of root.
const ROOT: u32 = 0;

/// A file of another user.
struct ForeignFile {
    path: PathBuf,
    owner: u32,
}

/// Rejects files that this user, who owns the data directory, cannot use.
///
/// A command that ran as root in an earlier version has left such files.
///
/// # Errors
/// [`ConfigError`] with the files, their owner, and the command that corrects it.
pub(crate) fn inspect_owners(settings: &Settings) -> Result<(), ConfigError> {
    let data = &settings.storage.data;
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    // Another user has no access at all, and has an error that says so.
    if !std::fs::metadata(data).is_ok_and(|facts| facts.uid() == user) {
        return Ok(());
    }
    let files = server_files(settings);
    let foreign: Vec<_> = files.iter().filter_map(|path| foreign_file(path, user)).collect();
    match fault(data, &foreign, (user, group)) {
        Some(fault) => Err(fault),
        None => Ok(()),
    }
}

/// The fault of a start as root with the data directory of another user: its log and its keys would
/// belong to root, so the server of that user could not start any more.
///
/// A container that runs as root has a directory of root.
pub(crate) fn root_fault(settings: &Settings) -> Option<ConfigError> {
    let data = &settings.storage.data;
    let owner = std::fs::metadata(data).ok()?.uid();
    fault_of_root(data, geteuid().as_raw(), owner)
}

fn fault_of_root(data: &Path, user: u32, owner: u32) -> Option<ConfigError> {
    if user != ROOT || owner == ROOT {
        return None;
    }
    let why = format!(
        "it belongs to uid {owner}, and root would leave files in it that a server of this user \
         cannot read"
    );
    let mend = format!(
        "start the server as this user: systemctl start portcullis, sudo -u '#{owner}' \
         portcullis, or {owner} as the user of the container. If root is to run it from now on, \
         run: chown -R 0:0 {}",
        shell_path(data)
    );
    Some(ConfigError::file("the data directory", data, why, &mend))
}

/// The file, if another user owns it and this one cannot read it.
///
/// A link is none: the user of the server can make one to any file, which root must not give away.
fn foreign_file(path: &Path, user: u32) -> Option<ForeignFile> {
    let owner = std::fs::symlink_metadata(path).as_ref().map(Metadata::uid).ok()?;
    // With the rights in force: a command of root can have given its own up.
    let is_denied = match accessat(CWD, path, Access::READ_OK, AtFlags::EACCESS) {
        Ok(()) | Err(Errno::NOSYS) => false,
        Err(_) => true,
    };
    (owner != user && is_denied).then(|| ForeignFile { path: path.to_path_buf(), owner })
}

/// The error about files of other users.
fn fault(data: &Path, foreign: &[ForeignFile], (user, group): (u32, u32)) -> Option<ConfigError> {
    let first = foreign.first()?;
    let named: Vec<_> = foreign.iter().take(NAMED_MAX).map(|file| shell_path(&file.path)).collect();
    let named = named.join(" ");
    let owner = match first.owner {
        0 => String::from("root (uid 0)"),
        owner => format!("uid {owner}"),
    };
    let why = format!(
        "the user of the server (uid {user}) cannot read files in it that belong to {owner}, as \
         after a command that ran as root: {named}"
    );
    let mend = format!("run as root: chown -h {user}:{group} {named}");
    Some(ConfigError::file("the data directory", data, why, &mend))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_of_another_user_is_named_with_its_owner_and_the_command() {
        let file = |name: &str, owner: u32| ForeignFile { path: PathBuf::from(name), owner };
        let text = |foreign: &[ForeignFile]| {
            fault(Path::new("/d"), foreign, (998, 997)).map(|fault| fault.to_string())
        };
        assert_eq!(text(&[]), None);
        let one = text(&[file("/d/sessions.secret", 0)]).unwrap();
        assert_eq!(
            one,
            "the data directory is /d: the user of the server (uid 998) cannot read files in it \
             that belong to root (uid 0), as after a command that ran as root: \
             /d/sessions.secret; run as root: chown -h 998:997 /d/sessions.secret"
        );
        let two = text(&[file("/d/a", 1000), file("/d/b", 0)]).unwrap();
        assert!(two.contains("uid 1000") && two.ends_with("chown -h 998:997 /d/a /d/b"), "{two}");
        let quoted = text(&[file("/d d/a", 0)]).unwrap();
        assert!(quoted.ends_with("chown -h 998:997 '/d d/a'"), "{quoted}");
    }

    #[test]
    fn root_is_rejected_with_the_directory_of_another_user_only() {
        let text = |user, owner| {
            fault_of_root(Path::new("/d"), user, owner).map(|fault| fault.to_string())
        };
        for (user, owner) in [(0, 0), (998, 998), (998, 0), (998, 1000)] {
            assert_eq!(text(user, owner), None, "{user} {owner}");
        }
        assert_eq!(
            text(0, 998).unwrap(),
            "the data directory is /d: it belongs to uid 998, and root would leave files in it \
             that a server of this user cannot read; start the server as this user: systemctl \
             start portcullis, sudo -u '#998' portcullis, or 998 as the user of the container. If \
             root is to run it from now on, run: chown -R 0:0 /d"
        );
    }

    #[test]
    fn own_file_is_not_foreign_whatever_its_mode() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let user = std::fs::metadata(file.path()).unwrap().uid();
        assert!(foreign_file(file.path(), user).is_none());
        assert!(foreign_file(Path::new("/nonexistent"), user).is_none());
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("sessions.secret");
        std::os::unix::fs::symlink("/etc/shadow", &link).unwrap();
        assert!(foreign_file(&link, user).is_none(), "a link to a file of root");
        // Root can read each file, so none of them is foreign for root.
        assert_eq!(foreign_file(Path::new("/etc/shadow"), 1).is_some(), user != 0);
    }
}
