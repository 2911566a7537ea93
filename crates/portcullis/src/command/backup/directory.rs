//! A directory that gets its name when it is complete, and files that are copied into it.
//! Never: a file written through a link, or one that other users can read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use portcullis_seal::private_file;
use portcullis_server::random_id;
use portcullis_store::write_out;
use rustix::fs::OFlags;

use super::manifest::{Digest, MANIFEST, Manifest, ManifestFile};
use crate::output::{errln, shell_path};
use crate::start::files::shared_directory::SharedDirectory;

/// The part of the name of a directory that is not complete.
pub(crate) const PARTIAL: &str = ".partial-";
/// Opens no link.
const NO_LINK: i32 = OFlags::NOFOLLOW.bits().cast_signed();
/// Opens no link, and waits for no writer of a pipe.
const PLAIN: i32 = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits().cast_signed();
/// Bytes that are copied at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// A directory under a temporary name beside its final one.
///
/// It is removed when it is dropped before its end.
pub(crate) struct NewDirectory {
    /// Its final names: the first one that is free at the end.
    targets: Vec<PathBuf>,
    partial: PathBuf,
    files: Vec<ManifestFile>,
    is_finished: bool,
}

impl NewDirectory {
    /// Creates the directory; the final name must be free, or that of an empty directory.
    pub(crate) fn create(target: &Path) -> Result<Self> {
        let shown = target.display();
        let name = target.file_name().with_context(|| format!("{shown} names no directory"))?;
        match fs::symlink_metadata(target) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot use {shown}")),
            Ok(facts) => {
                ensure!(facts.is_dir(), "{shown} exists and is not a directory: name a new one");
                let mut entries =
                    fs::read_dir(target).with_context(|| format!("cannot read {shown}"))?;
                ensure!(entries.next().is_none(), "{shown} is not empty: name a new directory");
            }
        }
        let suffix = random_id::<8>().ok().context("the system returned no random bytes")?;
        let partial = parent(target).join(format!(".{}{PARTIAL}{suffix}", name.to_string_lossy()));
        let created = DirBuilder::new().mode(0o700).create(&partial);
        created.with_context(|| {
            let parent = parent(target);
            format!("cannot create a directory in {}: this user has to own it", parent.display())
        })?;
        let targets = vec![target.to_path_buf()];
        Ok(Self { targets, partial, files: Vec::new(), is_finished: false })
    }

    /// Adds names in the same directory, for the case that the first one is taken meanwhile.
    pub(crate) fn with_further_names(mut self, names: impl IntoIterator<Item = PathBuf>) -> Self {
        self.targets.extend(names);
        self
    }

    /// The path of a file until the end.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.partial.join(name)
    }

    /// Creates a directory inside.
    pub(crate) fn folder(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        let created = DirBuilder::new().mode(0o700).create(&path);
        created.with_context(|| format!("cannot create {}", path.display()))
    }

    /// Copies bytes into a new file.
    pub(crate) fn copy(&mut self, name: &str, from: &mut impl Read) -> Result<()> {
        let (bytes, sha256) = copy_file(from, &self.path(name))?;
        self.files.push(ManifestFile { name: String::from(name), bytes, sha256, source: None });
        Ok(())
    }

    /// Copies a file of another place into a new file, and notes the place.
    pub(crate) fn copy_from(&mut self, name: &str, source: &Path) -> Result<()> {
        self.copy(name, &mut open(source)?)?;
        let shown = std::path::absolute(source).unwrap_or_else(|_| source.to_path_buf());
        if let Some(file) = self.files.last_mut() {
            file.source = Some(shown.to_string_lossy().into_owned());
        }
        Ok(())
    }

    /// Adds a file that another function has written inside.
    pub(crate) fn add(&mut self, name: &str) -> Result<()> {
        let path = self.path(name);
        let mut file = open(&path)?;
        file.sync_all().map_err(|error| write_error(error, &path))?;
        let (bytes, sha256) = hash_file(&mut file, &path)?;
        self.files.push(ManifestFile { name: String::from(name), bytes, sha256, source: None });
        Ok(())
    }

    /// Removes the files of a folder inside, to copy them again.
    pub(crate) fn clear(&mut self, folder: &str) -> Result<()> {
        let start = format!("{folder}/");
        for file in self.files.iter().filter(|file| file.name.starts_with(&start)) {
            let path = self.partial.join(&file.name);
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        self.files.retain(|file| !file.name.starts_with(&start));
        Ok(())
    }

    /// Writes the manifest, and gives the directory its name; returns both.
    pub(crate) fn finish(mut self, manifest: Manifest) -> Result<(Manifest, PathBuf)> {
        let mut manifest = manifest;
        manifest.files = std::mem::take(&mut self.files);
        let text = manifest.to_text()?;
        copy_file(&mut text.as_bytes(), &self.path(MANIFEST))?;
        for file in &manifest.files {
            if let Some((folder, _)) = file.name.split_once('/') {
                sync_directory(&self.path(folder))?;
            }
        }
        sync_directory(&self.partial)?;
        let target = self.rename()?;
        self.is_finished = true;
        sync_directory(parent(&target))?;
        Ok((manifest, target))
    }

    /// Renames the directory to the first of its names that is free.
    fn rename(&self) -> Result<PathBuf> {
        let mut targets = self.targets.iter().peekable();
        while let Some(target) = targets.next() {
            match fs::rename(&self.partial, target) {
                Ok(()) => return Ok(target.clone()),
                Err(error) if is_taken(&error) && targets.peek().is_some() => {}
                Err(error) => {
                    let shown = target.display();
                    return Err(error).with_context(|| {
                        format!("cannot rename the complete directory to {shown}")
                    });
                }
            }
        }
        bail!("the directory has no name")
    }
}

impl Drop for NewDirectory {
    fn drop(&mut self) {
        if !self.is_finished {
            let _left_behind = fs::remove_dir_all(&self.partial);
        }
    }
}

/// Whether a file or a directory that is not empty has the name.
fn is_taken(error: &io::Error) -> bool {
    use ErrorKind::{AlreadyExists, DirectoryNotEmpty, NotADirectory};
    matches!(error.kind(), AlreadyExists | DirectoryNotEmpty | NotADirectory)
}

/// Gives a file or directory of root to the owner of the data directory, the user of the server.
pub(crate) fn give_to_owner(created: &Path, data: &Path) -> Result<()> {
    let opened = OpenOptions::new().read(true).custom_flags(NO_LINK).open(created);
    opened
        .and_then(|file| private_file::give_to_owner(&file, data))
        .with_context(|| format!("cannot give {} to the user of the server", created.display()))
}

/// Copies bytes into a new file, which is synced; returns its size and digest.
pub(crate) fn copy_file(from: &mut impl Read, path: &Path) -> Result<(u64, String)> {
    let mut options = OpenOptions::new();
    let created = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = created.map_err(|error| write_error(error, path))?;
    let (mut digest, mut bytes) = (Digest::new(), 0_u64);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = match from.read(&mut chunk) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read what goes into {}", path.display()));
            }
        };
        let Some(part) = chunk.get(..read).filter(|part| !part.is_empty()) else { break };
        digest.update(part);
        file.write_all(part).map_err(|error| write_error(error, path))?;
        write_out(&file);
        bytes = bytes.saturating_add(read as u64);
    }
    file.sync_all().map_err(|error| write_error(error, path))?;
    Ok((bytes, digest.finish()))
}

/// The size and the digest of a file.
pub(crate) fn hash_file(file: &mut impl Read, path: &Path) -> Result<(u64, String)> {
    let (mut digest, mut bytes) = (Digest::new(), 0_u64);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = file.read(&mut chunk);
        let read = read.with_context(|| format!("cannot read {}", path.display()))?;
        let Some(part) = chunk.get(..read).filter(|part| !part.is_empty()) else { break };
        digest.update(part);
        bytes = bytes.saturating_add(read as u64);
    }
    Ok((bytes, digest.finish()))
}

/// Opens a file for reading; links are followed.
pub(crate) fn open(path: &Path) -> Result<File> {
    File::open(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Opens a file for reading; `None` for a link, a pipe, a device or a directory.
pub(crate) fn open_plain(path: &Path) -> io::Result<Option<File>> {
    // Before it is opened, which can have effects on a device.
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(None);
    }
    let opened = OpenOptions::new().read(true).custom_flags(PLAIN).open(path)?;
    Ok(opened.metadata()?.is_file().then_some(opened))
}

/// Syncs a directory, so that names in it survive a loss of power.
pub(crate) fn sync_directory(path: &Path) -> Result<()> {
    let synced = File::open(path).and_then(|opened| opened.sync_all());
    synced.with_context(|| format!("cannot sync {}", path.display()))
}

/// The directory that contains a path.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// An error of writing a file, which names a full disk.
fn write_error(error: io::Error, path: &Path) -> anyhow::Error {
    let folder = parent(path).display().to_string();
    let is_full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    let why = if is_full {
        format!("the disk of {folder} is full: free space on it, or name another directory")
    } else {
        format!("cannot write {}", path.display())
    };
    anyhow::Error::from(error).context(why)
}

/// Rejects a directory that is not complete.
pub(crate) fn check_complete(directory: &Path) -> Result<()> {
    let name = directory.file_name().map(|name| name.to_string_lossy().into_owned());
    if name.is_some_and(|name| name.contains(PARTIAL)) {
        bail!("{} is the rest of a backup that was interrupted: delete it", directory.display());
    }
    Ok(())
}

/// Rejects directories that a backup cannot have: one in the data directory, which the server and
/// a restore use, and one in the other.
pub(crate) fn check_targets(target: &Path, keys: Option<&Path>, data: &Path) -> Result<()> {
    let data = resolve(data);
    for path in std::iter::once(target).chain(keys) {
        let shown = path.display();
        ensure!(
            !resolve(path).starts_with(&data),
            "{shown} is in the data directory {}, which a backup must survive: name another one",
            data.display()
        );
    }
    let Some(keys) = keys else { return Ok(()) };
    let (one, other) = (resolve(target), resolve(keys));
    ensure!(
        !one.starts_with(&other) && !other.starts_with(&one),
        "{} and {} are the same directory, or one is in the other: name another one for the keys, \
         and keep it apart from the backup",
        target.display(),
        keys.display()
    );
    Ok(())
}

/// Rejects a directory of keys in which all users could replace them. Warns of one in which a group
/// could, and of such directories for the backup: a daily backup must not stop for it.
pub(crate) fn check_writers(target: &Path, keys: Option<&Path>, data: &Path) -> Result<()> {
    if let Some(shared) = keys.and_then(|keys| SharedDirectory::find(parent(keys), data)) {
        let path = shell_path(&shared.path);
        let found = format!(
            "{shared}, and could replace the keys: run chmod go-w {path}, mount it with \
             umask=077, or name another directory with --keys"
        );
        ensure!(!shared.is_open_to_all(), "{found}");
        errln!("warning: {found}");
    }
    if let Some(shared) = SharedDirectory::find(parent(target), data) {
        let path = shell_path(&shared.path);
        errln!(
            "warning: {shared}, and could replace the backup: run chmod go-w {path}, or name \
             another directory"
        );
    }
    Ok(())
}

/// The absolute path without links; a path whose directory does not exist stays as it is named.
fn resolve(path: &Path) -> PathBuf {
    let by_parent = || {
        let folder = fs::canonicalize(parent(path)).ok()?;
        Some(folder.join(path.file_name()?))
    };
    let found = fs::canonicalize(path).ok().or_else(by_parent);
    found.or_else(|| std::path::absolute(path).ok()).unwrap_or_else(|| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::super::manifest::Content;
    use super::*;

    #[test]
    fn directory_in_the_data_directory_or_in_the_other_is_rejected() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        for name in ["data", "data/backups", "backups"] {
            fs::create_dir(at(name)).unwrap();
        }
        std::os::unix::fs::symlink(at("data"), at("link")).unwrap();
        let (in_data, in_other) = (Some("is in the data directory"), Some("one is in the other"));
        for (target, keys, expect) in [
            ("backups/one", None, None),
            ("backups/one", Some("backups/two"), None),
            ("backups/one", Some("backups/one-keys"), None),
            ("data", None, in_data),
            ("data/one", None, in_data),
            ("data/backups/one", None, in_data),
            ("link/one", None, in_data),
            ("backups/../data/one", None, in_data),
            ("backups/one", Some("data/keys"), in_data),
            ("data-of-others", None, None),
            ("backups/one", Some("backups/one"), in_other),
            ("backups/one", Some("backups/../backups/one"), in_other),
            ("backups", Some("backups/keys"), in_other),
            ("backups/one", Some("backups"), in_other),
        ] {
            let keys = keys.map(at);
            let checked = check_targets(&at(target), keys.as_deref(), &at("data"));
            let error = checked.err().map(|error| error.to_string());
            match expect {
                None => assert_eq!(error, None, "{target} {keys:?}"),
                Some(part) => assert!(error.unwrap().contains(part), "{target} {keys:?}"),
            }
        }
    }

    #[test]
    fn complete_directory_gets_the_next_name_that_is_free() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let manifest = || Manifest::new(Content::Keys, 1, "2026-11-30T00:00:00Z", &[]);
        let new = || {
            let new = NewDirectory::create(&at("one")).unwrap();
            new.with_further_names([at("one-2"), at("one-3")])
        };
        // All start before the first one has its name.
        let four = [new(), new(), new(), new()];
        let finished = four.map(|new| new.finish(manifest()).map(|(_, target)| target));
        let [one, two, three, four] = finished;
        let named = [one, two, three].map(Result::unwrap);
        assert_eq!(named, [at("one"), at("one-2"), at("one-3")]);
        assert!(four.unwrap_err().to_string().contains("cannot rename"));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 3, "the fourth is removed");
    }
}
