//! The directories that a restore reads: their manifests, and files with checked digests.
//! Never: a file that differs from its manifest, or a link.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use portcullis_store::{StoreError, newest_schema};

use crate::command::backup::directory::{check_complete, copy_file, hash_file};
use crate::command::backup::manifest::{Content, Manifest, ManifestFile};

/// A directory of a backup, or of its keys.
pub(super) struct BackupSource {
    directory: PathBuf,
    pub(super) manifest: Manifest,
}

impl BackupSource {
    /// Reads the manifest; the content must be the expected one.
    pub(super) fn open(directory: &Path, content: Content) -> Result<Self> {
        check_complete(directory)?;
        let manifest = Manifest::read(directory)?;
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
        let mut from = self.open_file(file)?;
        let copied = copy_file(&mut from, to)?;
        self.compare(file, copied)
    }

    /// Compares a file that is not copied with the manifest.
    pub(super) fn check(&self, file: &ManifestFile) -> Result<()> {
        let path = self.path(&file.name);
        let found = hash_file(&mut self.open_file(file)?, &path)?;
        self.compare(file, found)
    }

    fn open_file(&self, file: &ManifestFile) -> Result<File> {
        let path = self.path(&file.name);
        let shown = path.display();
        let facts = fs::symlink_metadata(&path);
        let facts = facts.with_context(|| format!("{shown} cannot be read: use another backup"))?;
        ensure!(facts.is_file(), "{shown} is not a file: use another backup");
        File::open(&path).with_context(|| format!("{shown} cannot be read"))
    }

    fn compare(&self, file: &ManifestFile, (bytes, sha256): (u64, String)) -> Result<()> {
        let shown = self.path(&file.name).display().to_string();
        if bytes != file.bytes {
            let expect = file.bytes;
            bail!("{shown} is damaged: it has {bytes} bytes, and had {expect}: use another backup");
        }
        if sha256 != file.sha256 {
            bail!("{shown} is damaged: its content has changed: use another backup");
        }
        Ok(())
    }
}
