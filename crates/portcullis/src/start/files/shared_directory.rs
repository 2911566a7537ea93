//! Finds directories in which other users of the machine can replace what is in them.
//! Never: a mode changed.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::getegid;

/// The bits with which the group, and all other users, can write.
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
/// With it, only the owner of a file can rename or delete the file, as in `/tmp`.
const STICKY: u32 = 0o1000;
/// The group of root, which can write everywhere in any case.
const ROOT_GROUP: u32 = 0;

/// A directory in which other users can rename and replace files of this user.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SharedDirectory {
    pub(crate) path: PathBuf,
    mode: u32,
}

impl SharedDirectory {
    /// Finds such a directory among `directory` and all above it, the nearest first; those that
    /// links in the path lead through, and those that they lead to.
    ///
    /// The groups of this process and of the data directory are those of the server itself.
    pub(crate) fn find(directory: &Path, data: &Path) -> Option<Self> {
        let group_of_data = std::fs::metadata(data).map_or(ROOT_GROUP, |facts| facts.gid());
        let own_groups = [ROOT_GROUP, getegid().as_raw(), group_of_data];
        let named = std::path::absolute(directory).ok();
        let real = std::fs::canonicalize(directory).ok();
        let paths = [named, real];
        let all = paths.iter().flatten().flat_map(|path| path.ancestors());
        all.filter_map(|path| Self::of(path, own_groups)).next()
    }

    /// Whether all users of the machine can, and not only a group.
    pub(crate) fn is_open_to_all(&self) -> bool {
        self.mode & OTHERS_WRITE != 0
    }

    /// The directory, if other users can replace files in it.
    fn of(path: &Path, own_groups: [u32; 3]) -> Option<Self> {
        let facts = std::fs::metadata(path).ok()?;
        let mode = facts.mode() & 0o7777;
        let is_shared = facts.is_dir() && is_shared(mode, own_groups.contains(&facts.gid()));
        is_shared.then(|| Self { path: path.to_path_buf(), mode })
    }
}

impl fmt::Display for SharedDirectory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, mode } = self;
        write!(formatter, "other users can write to {} (mode {mode:o})", path.display())
    }
}

/// Whether users other than the owner, its group or all, can replace files.
fn is_shared(mode: u32, has_own_group: bool) -> bool {
    let writers = if has_own_group { OTHERS_WRITE } else { GROUP_WRITES | OTHERS_WRITE };
    mode & writers != 0 && mode & STICKY == 0
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir, create_dir_all, set_permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn directory_is_shared_with_writers_unless_only_owners_can_rename() {
        // The mode, whether it is shared with its own group, and with another one.
        for (mode, own, other) in [
            (0o700, false, false),
            (0o755, false, false),
            (0o775, false, true),
            (0o2770, false, true),
            (0o777, true, true),
            (0o702, true, true),
            (0o2777, true, true),
            (0o1777, false, false),
            (0o1770, false, false),
        ] {
            assert_eq!(is_shared(mode, true), own, "{mode:o}");
            assert_eq!(is_shared(mode, false), other, "{mode:o}");
        }
    }

    #[test]
    fn shared_directory_is_found_above_and_at_both_ends_of_a_link() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        create_dir_all(at("private/inner")).unwrap();
        create_dir_all(at("open/inner")).unwrap();
        create_dir(at("sticky")).unwrap();
        symlink(at("private/inner"), at("open/link")).unwrap();
        symlink(at("open/inner"), at("private/link")).unwrap();
        let change = |name: &str, mode| set_permissions(at(name), Permissions::from_mode(mode));
        change("open", 0o777).unwrap();
        change("open/inner", 0o700).unwrap();
        change("sticky", 0o1777).unwrap();
        for (name, expect) in [
            ("private", None),
            ("private/inner", None),
            ("sticky", None),
            ("missing", None),
            ("open", Some("open")),
            ("open/inner", Some("open")),
            ("open/link", Some("open")),
            ("private/link", Some("open")),
        ] {
            let found = SharedDirectory::find(&at(name), place.path());
            let canonical = expect.map(|name| at(name).canonicalize().unwrap());
            let found_path = found.map(|found| found.path.canonicalize().unwrap());
            assert_eq!(found_path, canonical, "{name}");
        }
        let text = SharedDirectory::find(&at("open"), place.path()).unwrap().to_string();
        assert!(text.ends_with("open (mode 777)"), "{text}");
        for (mode, expect) in [(0o777, true), (0o702, true), (0o2775, false), (0o770, false)] {
            let shared = SharedDirectory { path: PathBuf::new(), mode };
            assert_eq!(shared.is_open_to_all(), expect, "{mode:o}");
        }
    }
}
