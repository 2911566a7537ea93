//! Moves the old files aside and the restored ones to their places.
//! Never: an old file deleted; a server that starts in between.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::mark::{ReplacedFile, RestoreMark};
use super::staging::{StagedFile, Staging};
use crate::command::backup::directory::{copy_file, open, parent};
use crate::config::StorageSettings;

/// Files that a restored server must not have: secrets that made tokens and cookies before.
const VOIDED: [&str; 4] =
    ["sessions.secret", "token-signing.ring", "token-signing.ed25519.pkcs8", "setup-token.sha256"];
/// Files of SQLite that belong to the old database.
const DATABASE_SUFFIXES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Replaces the files; returns the directory of the old ones, if there were any.
pub(super) fn replace(
    storage: &StorageSettings,
    staging: &Staging,
    time: &str,
) -> Result<Option<PathBuf>> {
    let aside = storage.data.join(format!("before-restore-{time}"));
    let mark = RestoreMark::write(&storage.data, replaced(storage, staging, &aside)?)?;
    let old: Vec<(&Path, &Path)> = mark.old_files().collect();
    if old.iter().any(|(_, kept)| kept.starts_with(&aside)) {
        let created = DirBuilder::new().mode(0o700).create(&aside);
        created.with_context(|| format!("cannot create {}", aside.display()))?;
    }
    for (place, kept) in &old {
        let cannot = || format!("cannot move {} to {}", place.display(), kept.display());
        fs::rename(place, kept).with_context(cannot)?;
    }
    for file in &staging.files {
        move_file(file)?;
    }
    mark.sync_folders()?;
    RestoreMark::remove(&storage.data)?;
    Ok((!old.is_empty()).then_some(aside))
}

/// The files that are replaced or removed, with the places of the old ones.
fn replaced(
    storage: &StorageSettings,
    staging: &Staging,
    aside: &Path,
) -> Result<Vec<ReplacedFile>> {
    let with_suffix = |path: &Path, suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let facts = fs::metadata(&storage.data);
    let disk = facts.with_context(|| format!("cannot read {}", storage.data.display()))?.dev();
    let aside = absolute(aside)?;
    let old_file = |place, suffix| old_file(place, &aside, disk, suffix);
    let mut files = Vec::new();
    for place in VOIDED.iter().map(|name| storage.data.join(name)) {
        files.push(old_file(place, "")?);
    }
    for suffix in DATABASE_SUFFIXES {
        files.push(old_file(with_suffix(&storage.database, suffix), suffix)?);
    }
    for file in &staging.files {
        files.push(old_file(file.to.clone(), "")?);
    }
    Ok(files)
}

/// Chooses where an old file is kept. On another disk it stays beside its place, and keeps its
/// suffix, so that SQLite finds the files of the old database.
fn old_file(place: PathBuf, aside: &Path, disk: u64, suffix: &str) -> Result<ReplacedFile> {
    let Ok(facts) = fs::symlink_metadata(&place) else {
        return Ok(ReplacedFile { place: absolute(&place)?, aside: None });
    };
    let name = place.file_name().unwrap_or_default();
    let kept = if facts.dev() == disk {
        aside.join(name)
    } else {
        let name = name.to_string_lossy();
        let stem = name.strip_suffix(suffix).unwrap_or(&name);
        let mut beside = OsString::from(stem);
        beside.push(".");
        beside.push(aside.file_name().unwrap_or_default());
        beside.push(suffix);
        parent(&place).join(beside)
    };
    let exists = fs::symlink_metadata(&kept).is_ok();
    ensure!(!exists, "{} exists: move it to another directory", kept.display());
    Ok(ReplacedFile { place: absolute(&place)?, aside: Some(absolute(&kept)?) })
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot use {}", path.display()))
}

fn move_file(file: &StagedFile) -> Result<()> {
    let StagedFile { from, to } = file;
    match fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            copy_file(&mut open(from)?, to).map(drop)
        }
        moved => {
            moved.with_context(|| format!("cannot move {} to {}", from.display(), to.display()))
        }
    }
}
