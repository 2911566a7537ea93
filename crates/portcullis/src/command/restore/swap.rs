//! Moves the old files aside and the restored ones to their places.
//! Never: an old file deleted; a server that starts in between.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use portcullis_seal::private_file;
use portcullis_server::random_id;

use super::staging::{StagedFile, Staging};
use crate::command::backup::directory::{copy_file, open, parent, sync_directory};
use crate::config::StorageSettings;
use crate::start::output_files::RESTORE_MARK;

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
    let mark = storage.data.join(RESTORE_MARK);
    let suffix = random_id::<8>().ok().context("the system returned no random bytes")?;
    let text = "A restore has not ended. Run portcullis restore again, with --replace.\n";
    private_file::replace(&mark, text.as_bytes(), &suffix)?;

    let aside = storage.data.join(format!("before-restore-{time}"));
    let mut moved = false;
    let with_suffix = |suffix: &str| {
        let mut name = storage.database.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let old = VOIDED.iter().map(|name| storage.data.join(name));
    let old = old.chain(DATABASE_SUFFIXES.iter().map(|suffix| with_suffix(suffix)));
    for path in old.chain(staging.files.iter().map(|file| file.to.clone())) {
        moved |= set_aside(&path, &aside)?;
    }
    for file in &staging.files {
        move_file(file)?;
    }
    sync_directory(parent(&storage.database))?;
    sync_directory(&storage.data)?;
    private_file::remove(&mark)?;
    Ok(moved.then_some(aside))
}

/// Moves an old file into the directory; `false` if it does not exist.
fn set_aside(path: &Path, aside: &Path) -> Result<bool> {
    if fs::symlink_metadata(path).is_err() {
        return Ok(false);
    }
    match DirBuilder::new().mode(0o700).create(aside) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(error).with_context(|| format!("cannot create {}", aside.display()));
        }
        Ok(()) | Err(_) => {}
    }
    let name = path.file_name().unwrap_or_default();
    let cannot_move = || format!("cannot move {} to {}", path.display(), aside.display());
    match fs::rename(path, aside.join(name)) {
        // On another disk it stays beside its place.
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            let mut beside = path.as_os_str().to_owned();
            beside.push(".");
            beside.push(aside.file_name().unwrap_or_default());
            fs::rename(path, beside).with_context(cannot_move)?;
        }
        moved => moved.with_context(cannot_move)?,
    }
    Ok(true)
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
