//! The directories that a restore reads: their manifests, and files with checked digests.
//! Never: a file that differs from its manifest, or a link.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use portcullis_store::{StoreError, newest_schema};

use crate::command::backup::directory::{check_complete, copy_file, hash_file, open_plain, parent};
use crate::command::backup::manifest::{Content, Manifest, ManifestFile};
use crate::command::owner_rights::as_caller;

/// A directory of a backup, or of its keys.
pub(super) struct BackupSource {
    directory: PathBuf,
    pub(super) manifest: Manifest,
}

impl BackupSource {
    /// Reads the manifest; the content must be the expected one.
    ///
    /// The directory can be one that only the caller of the command can read.
    pub(super) fn open(directory: &Path, content: Content) -> Result<Self> {
        check_complete(directory)?;
        let manifest = as_caller(|| Manifest::read(directory))??;
        let found = manifest.content;
        if found != content {
            let (shown, found, expect) = (directory.display(), found.name(), content.name());
            bail!("{shown} is a backup of {found}, and one of {expect} belongs here");
        }
        let (seen, known) = (manifest.schema, newest_schema());
        if seen > known {
            return Err(StoreError::SchemaNewer { seen, known })
                .with_context(|| format!("{} was made by a later version", directory.display()));
        }
        Ok(Self { directory: directory.to_path_buf(), manifest })
    }

    /// The path of a file.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Copies a file to a path that does not exist, and compares it with the manifest.
    pub(super) fn copy(&self, file: &ManifestFile, to: &Path) -> Result<()> {
        let copied = copy_file(&mut self.open_file(file)?, to)?;
        self.compare(file, copied)
    }

    /// Compares a file that is not copied with the manifest.
    pub(super) fn check(&self, file: &ManifestFile) -> Result<()> {
        let path = self.path(&file.name);
        let found = hash_file(&mut self.open_file(file)?, &path)?;
        self.compare(file, found)
    }

    /// Opens a file, of which at most one byte more is read than its manifest says.
    fn open_file(&self, file: &ManifestFile) -> Result<impl Read> {
        let opened = as_caller(|| self.open_in_folder(&self.path(&file.name)))??;
        Ok(opened.take(file.bytes.saturating_add(1)))
    }

    fn open_in_folder(&self, path: &Path) -> Result<File> {
        let shown = path.display();
        let unreadable = || format!("{shown} cannot be read: use another backup");
        let folder = parent(path);
        if folder != self.directory {
            let facts = fs::symlink_metadata(folder).with_context(unreadable)?;
            let shown = folder.display();
            ensure!(facts.is_dir(), "{shown} is not a directory: use another backup");
        }
        let opened = open_plain(path).with_context(unreadable)?;
        opened.with_context(|| format!("{shown} is not a file: use another backup"))
    }

    fn compare(&self, file: &ManifestFile, (bytes, sha256): (u64, String)) -> Result<()> {
        let shown = self.path(&file.name).display().to_string();
        let expect = file.bytes;
        if bytes > expect {
            bail!("{shown} is damaged: it has more than {expect} bytes: use another backup");
        }
        if bytes != expect {
            bail!("{shown} is damaged: it has {bytes} bytes, and had {expect}: use another backup");
        }
        if sha256 != file.sha256 {
            bail!("{shown} is damaged: its content has changed: use another backup");
        }
        Ok(())
    }
}
