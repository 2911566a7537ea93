//! A directory that gets its name when it is complete, and files that are copied into it.
//! Never: a file written through a link, or one that other users can read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use portcullis_server::random_id;
use portcullis_store::write_out;

use super::manifest::{Digest, MANIFEST, Manifest, ManifestFile};

/// The part of the name of a directory that is not complete.
pub(crate) const PARTIAL: &str = ".partial-";
/// Bytes that are copied at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// A directory under a temporary name beside its final one.
///
/// It is removed when it is dropped before its end.
pub(crate) struct NewDirectory {
    target: PathBuf,
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
        Ok(Self { target: target.to_path_buf(), partial, files: Vec::new(), is_finished: false })
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

    /// Writes the manifest, and gives the directory its name.
    pub(crate) fn finish(mut self, manifest: Manifest) -> Result<Manifest> {
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
        let shown = self.target.display();
        fs::rename(&self.partial, &self.target)
            .with_context(|| format!("cannot rename the complete directory to {shown}"))?;
        self.is_finished = true;
        sync_directory(parent(&self.target))?;
        Ok(manifest)
    }
}

impl Drop for NewDirectory {
    fn drop(&mut self) {
        if !self.is_finished {
            let _left_behind = fs::remove_dir_all(&self.partial);
        }
    }
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
