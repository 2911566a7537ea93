//! Moves the old files aside and the restored ones to their places.
//! Never: an old file deleted; a server that starts in between.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::BEFORE_RESTORE;
use super::mark::{ReplacedFile, RestoreMark, exists, rename, undo};
use super::staging::{StagedFile, Staging};
use crate::command::backup::directory::{copy_file, give_to_owner, open, parent};
use crate::config::StorageSettings;

/// Files that a restored server must not have: secrets that made tokens and cookies before.
const VOIDED: [&str; 4] =
    ["sessions.secret", "token-signing.ring", "token-signing.ed25519.pkcs8", "setup-token.sha256"];
/// Files of SQLite that belong to the old database.
const DATABASE_SUFFIXES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Replaces the files; returns the directory of the old ones, if there were any.
///
/// After an error the old files are at their places again.
pub(super) fn replace(
    storage: &StorageSettings,
    staging: &Staging,
    time: &str,
) -> Result<Option<PathBuf>> {
    let folder = absolute(&storage.data.join(format!("{BEFORE_RESTORE}{time}")))?;
    let files = replaced(storage, staging, &folder)?;
    let replaced = RestoreMark::write(&storage.data, folder.clone(), files)
        .and_then(|mark| move_all(&mark, staging, &storage.data));
    match replaced {
        Ok(moved) => {
            RestoreMark::remove(&storage.data)?;
            Ok(moved.then_some(folder))
        }
        Err(error) => match undo(&storage.data) {
            Ok(_) => Err(error.context("nothing was replaced")),
            Err(undone) => Err(error.context(format!("run the command again: {undone:#}"))),
        },
    }
}

/// Moves all files; returns whether there were old ones.
fn move_all(mark: &RestoreMark, staging: &Staging, data: &Path) -> Result<bool> {
    for (place, aside) in mark.old_files() {
        rename(place, aside)?;
    }
    mark.sync_folders()?;
    for file in &staging.files {
        move_file(file, data)?;
    }
    mark.sync_folders()?;
    Ok(mark.old_files().next().is_some())
}

/// The files that are replaced or removed, with the places of the old ones. The database is moved
/// before the files that belong to it, and moved back after them.
fn replaced(
    storage: &StorageSettings,
    staging: &Staging,
    folder: &Path,
) -> Result<Vec<ReplacedFile>> {
    let voided = VOIDED.iter().map(|name| (storage.data.join(name), ""));
    let staged = staging.files.iter().map(|file| (file.to.clone(), ""));
    let of_database = DATABASE_SUFFIXES.iter().map(|suffix| {
        let mut name = storage.database.as_os_str().to_owned();
        name.push(suffix);
        (PathBuf::from(name), *suffix)
    });
    let all = voided.chain(staged).chain(of_database);
    all.map(|(place, suffix)| replaced_file(&place, suffix, folder)).collect()
}

/// Chooses where an old file is kept: in the folder if that is beside it, and otherwise beside its
/// place, which can be another disk. There it keeps its suffix, so that SQLite finds the files of
/// the old database.
fn replaced_file(place: &Path, suffix: &str, folder: &Path) -> Result<ReplacedFile> {
    let place = absolute(place)?;
    if !exists(&place) {
        return Ok(ReplacedFile { place, aside: None });
    }
    let name = place.file_name().unwrap_or_default();
    let aside = if Some(parent(&place)) == folder.parent() {
        folder.join(name)
    } else {
        let name = name.to_string_lossy();
        let stem = name.strip_suffix(suffix).unwrap_or(&name);
        let time = folder.file_name().unwrap_or_default().to_string_lossy();
        parent(&place).join(format!("{stem}.{time}{suffix}"))
    };
    ensure!(!exists(&aside), "{} exists: move it to another directory", aside.display());
    Ok(ReplacedFile { place, aside: Some(aside) })
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot use {}", path.display()))
}

fn move_file(file: &StagedFile, data: &Path) -> Result<()> {
    let StagedFile { from, to } = file;
    match fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            copy_file(&mut open(from)?, to)?;
            give_to_owner(to, data)
        }
        moved => {
            moved.with_context(|| format!("cannot move {} to {}", from.display(), to.display()))
        }
    }
}
