//! Writes a new configuration file, at once and as a whole.
//! Never: replaces a file, unless the operator has consented; a file that other users can read.

use std::fs::{OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::config::ConfigError;

/// The owner changes the file, and the group of the service reads it.
const MODE: u32 = 0o640;

/// Whether a file that exists is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    Kept,
    Replaced,
}

/// Fails if there is a file that has to be kept.
pub(super) fn check_absent(file: &Path, existing: Existing) -> Result<(), ConfigError> {
    if existing == Existing::Kept && file.symlink_metadata().is_ok() {
        return Err(exists(file));
    }
    Ok(())
}

/// Writes the file: complete, or not at all.
///
/// If root writes it, it gets the group of its folder: in the folder of the Debian package, that
/// is the group of the service.
pub(super) fn write(file: &Path, text: &str, existing: Existing) -> Result<(), ConfigError> {
    let fault = |error: std::io::Error| {
        let why = format!("it cannot be written ({error})");
        let mend = "name a file in a folder that exists and that you can write to";
        ConfigError::file("the file", file, why, mend)
    };
    // A link stays, and the file that it names is replaced.
    let target = match existing {
        Existing::Replaced => std::fs::canonicalize(file).ok(),
        Existing::Kept => None,
    };
    let file = target.as_deref().unwrap_or(file);
    if file.metadata().is_ok_and(|facts| !facts.is_file()) {
        let mend = "name a file";
        return Err(ConfigError::file("the file", file, "it is not a regular file", mend));
    }
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    let new = temporary(file, folder);
    let written = write_new(&new, folder, text).and_then(|()| match existing {
        Existing::Replaced => std::fs::rename(&new, file),
        // Unlike a rename, a link never replaces a file.
        Existing::Kept => std::fs::hard_link(&new, file),
    });
    let _renamed = std::fs::remove_file(&new);
    match written {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(exists(file)),
        other => other.map_err(fault)?,
    }
    // The name of the file reaches the disk with its folder.
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(fault)
}

fn write_new(new: &Path, folder: &Path, text: &str) -> std::io::Result<()> {
    // Left over from a process of the same number that was killed.
    let _absent = std::fs::remove_file(new);
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(new)?;
    if rustix::process::geteuid().is_root() {
        fchown(&file, None, Some(std::fs::metadata(folder)?.gid()))?;
    }
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn temporary(file: &Path, folder: &Path) -> PathBuf {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_else(|| String::from("portcullis.toml"));
    folder.join(format!(".{name}.{}.new", std::process::id()))
}

fn exists(file: &Path) -> ConfigError {
    let why = "this file exists, and init replaces a file only with your consent";
    ConfigError::file("the file", file, why, "add --force, or name another file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_is_complete_private_and_replaced_only_with_consent() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("portcullis.toml");
        for (existing, text, expect) in [
            (Existing::Kept, "a", Ok("a")),
            (Existing::Kept, "b", Err("a")),
            (Existing::Replaced, "c", Ok("c")),
        ] {
            let outcome = write(&file, text, existing);
            let seen = std::fs::read_to_string(&file).unwrap();
            assert_eq!(outcome.is_ok().then_some(seen.as_str()).ok_or(seen.as_str()), expect);
            let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o640);
            assert!(check_absent(&file, Existing::Replaced).is_ok());
            assert!(check_absent(&file, Existing::Kept).is_err());
            // Nothing is left beside it.
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn link_stays_and_device_or_directory_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a.toml"), folder.path().join("link.toml"));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink("a.toml", &link).unwrap();
        write(&link, "new", Existing::Replaced).unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        for other in [folder.path(), Path::new("/dev/null")] {
            let error = write(other, "new", Existing::Replaced).unwrap_err().to_string();
            assert!(error.contains("not a regular file"), "{error}");
        }
    }

    #[test]
    fn link_to_nothing_is_kept_and_missing_folder_is_explained() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("portcullis.toml");
        std::os::unix::fs::symlink("/nonexistent/target", &file).unwrap();
        assert!(check_absent(&file, Existing::Kept).is_err());
        assert!(write(&file, "a", Existing::Kept).is_err());
        let missing = folder.path().join("none/portcullis.toml");
        let error = write(&missing, "a", Existing::Kept).unwrap_err().to_string();
        assert!(error.contains("a folder that exists"), "{error}");
    }
}
