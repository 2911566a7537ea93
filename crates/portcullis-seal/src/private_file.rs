//! Small files of the server that only their owner can read: keys, the hash of the set-up token.
//! Never: an incomplete or readable file under the final name; a file that an operator provides.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use portcullis_model::Secret;

/// The largest file that is read: a certificate with 100 long names, and its chain.
const SIZE_MAX_BYTES: u64 = 256 * 1024;
/// The bits that let other users read, write or run a file.
const OTHERS: u32 = 0o077;

/// The user id of root.
const ROOT: u32 = 0;

/// Why a private file was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// Other users can read it.
    #[error("{} can be read by others (mode {mode:o}): run chmod 600 on it", path.display())]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is larger than every valid file.
    #[error("{} is larger than {SIZE_MAX_BYTES} bytes: not a file of this server", .0.display())]
    TooLarge(PathBuf),
    /// The system reported an error.
    #[error("cannot use {}", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

/// Creates a directory that only its owner can enter; an existing one is not changed.
///
/// # Errors
/// [`PrivateFileError::File`] if the system reports an error.
pub fn create_directory(path: &Path) -> Result<(), PrivateFileError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path))
}

/// Reads a file; `None` if it does not exist.
///
/// # Errors
/// [`PrivateFileError`] if other users can read it, it is too large, or there is a system error.
pub fn read(path: &Path) -> Result<Option<Secret<Vec<u8>>>, PrivateFileError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(path)(error)),
    };
    let facts = file.metadata().map_err(at(path))?;
    let mode = facts.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(PrivateFileError::Readable { path: path.to_path_buf(), mode });
    }
    if facts.len() > SIZE_MAX_BYTES {
        return Err(PrivateFileError::TooLarge(path.to_path_buf()));
    }
    // The whole capacity at once, so that no smaller copy is left behind by growing.
    let mut bytes = Vec::with_capacity(SIZE_MAX_BYTES as usize + 1);
    file.take(SIZE_MAX_BYTES + 1).read_to_end(&mut bytes).map_err(at(path))?;
    Ok(Some(Secret::new(bytes)))
}

/// Creates a file; false if it exists already.
///
/// `suffix` names the draft: random, so that two processes never write the same one.
///
/// # Errors
/// [`PrivateFileError::File`] if the system reports an error.
pub fn create(path: &Path, bytes: &[u8], suffix: &str) -> Result<bool, PrivateFileError> {
    let draft = write_draft(path, bytes, suffix)?;
    // A hard link, unlike a rename, never replaces a file that another process created meanwhile.
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft).map_err(at(&draft))?;
    match linked {
        Ok(()) => sync_directory(path).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(at(path)(error)),
    }
}

/// Creates or replaces a file; `suffix` as in [`create`].
///
/// # Errors
/// [`PrivateFileError::File`] if the system reports an error.
pub fn replace(path: &Path, bytes: &[u8], suffix: &str) -> Result<(), PrivateFileError> {
    let draft = write_draft(path, bytes, suffix)?;
    fs::rename(&draft, path).map_err(at(path))?;
    sync_directory(path)
}

/// Removes a file; a missing file is not an error.
///
/// # Errors
/// [`PrivateFileError::File`] if the system reports an error.
pub fn remove(path: &Path) -> Result<(), PrivateFileError> {
    match fs::remove_file(path) {
        Ok(()) => sync_directory(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(at(path)(error)),
    }
}

/// Gives a file that root has created to the owner of its data directory; others stay as they are.
///
/// Without it, the server could not read what an operator's command writes as root.
///
/// # Errors
/// The error of the system.
pub fn give_to_owner(created: &File, directory: &Path) -> io::Result<()> {
    let (file, directory) = (created.metadata()?, fs::metadata(directory)?);
    // Another name of the file could be that of a file outside of the data directory.
    let is_own = file.is_dir() || file.nlink() == 1;
    match new_owner(file.uid(), (directory.uid(), directory.gid())).filter(|_| is_own) {
        Some((user, group)) => fchown(created, Some(user), Some(group)),
        None => Ok(()),
    }
}

/// The owner and group that a new file gets, if they are not those of its creator.
fn new_owner(creator: u32, directory: (u32, u32)) -> Option<(u32, u32)> {
    (creator == ROOT && directory.0 != ROOT).then_some(directory)
}

/// Writes a complete draft in the same directory, under a unique name.
fn write_draft(path: &Path, bytes: &[u8], suffix: &str) -> Result<PathBuf, PrivateFileError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    let draft = PathBuf::from(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .map_err(at(&draft))?;
    let written = give_to_owner(&file, folder_of(path))
        .and_then(|()| file.write_all(bytes))
        .and_then(|()| file.sync_all());
    if let Err(error) = written {
        let _left_behind = fs::remove_file(&draft);
        return Err(at(&draft)(error));
    }
    Ok(draft)
}

/// Syncs the directory, so that a changed name survives a loss of power.
fn sync_directory(path: &Path) -> Result<(), PrivateFileError> {
    let directory = folder_of(path);
    File::open(directory).and_then(|opened| opened.sync_all()).map_err(at(directory))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> PrivateFileError {
    let path = path.to_path_buf();
    move |source| PrivateFileError::File { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn existing_file_is_not_created_again_and_no_draft_remains() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        assert!(read(&path).unwrap().is_none());
        assert!(create(&path, b"one", "a").unwrap());
        assert!(!create(&path, b"two", "b").unwrap());
        assert_eq!(read(&path).unwrap().unwrap().expose(), b"one");
        replace(&path, b"three", "c").unwrap();
        assert_eq!(read(&path).unwrap().unwrap().expose(), b"three");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(directory.path()), ["key"]);
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn file_that_other_users_can_read_is_rejected() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        replace(&path, b"one", "a").unwrap();
        for (mode, fine) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).is_ok(), fine, "{mode:o}");
        }
    }

    #[test]
    fn file_of_root_gets_the_owner_of_its_directory() {
        for (creator, directory, expect) in [
            (0, (998, 997), Some((998, 997))),
            (0, (0, 0), None),
            (0, (0, 997), None),
            (998, (998, 997), None),
            (1000, (998, 997), None),
        ] {
            assert_eq!(new_owner(creator, directory), expect, "{creator} {directory:?}");
        }
    }

    // Only root can change the owner of the directory; others have the test above.
    #[test]
    fn file_that_root_replaces_keeps_the_owner_of_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        if fs::metadata(directory.path()).unwrap().uid() != ROOT {
            return;
        }
        let owned = |path: &Path| {
            let facts = fs::symlink_metadata(path).unwrap();
            (facts.uid(), facts.gid())
        };
        std::os::unix::fs::chown(directory.path(), Some(65_534), Some(65_533)).unwrap();
        let path = directory.path().join("key");
        fs::write(&path, "of root").unwrap();
        replace(&path, b"one", "a").unwrap();
        assert_eq!(owned(&path), (65_534, 65_533));
        let new = directory.path().join("new");
        create(&new, b"one", "b").unwrap();
        assert_eq!(owned(&new), (65_534, 65_533));
        // A second name of a file elsewhere does not change its owner.
        let outside = tempfile::NamedTempFile::new().unwrap();
        let link = directory.path().join("link");
        fs::hard_link(outside.path(), &link).unwrap();
        give_to_owner(&File::open(&link).unwrap(), directory.path()).unwrap();
        assert_eq!(owned(outside.path()).0, ROOT);
    }

    #[test]
    fn file_over_the_size_limit_is_rejected() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        replace(&path, &vec![0; SIZE_MAX_BYTES as usize + 1], "a").unwrap();
        assert!(matches!(read(&path), Err(PrivateFileError::TooLarge(_))));
    }
}
