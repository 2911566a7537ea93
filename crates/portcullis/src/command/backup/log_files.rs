//! Copies the files of the security log into a backup, while the server may write and rotate them.
//! Never: the keys that sign the log; they are in the backup of keys.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use portcullis_audit::{LINE_MAX_BYTES, clock_path, list_log_files};

use super::directory::NewDirectory;
use crate::command::owner_rights::as_owner;
use crate::config::Settings;
use crate::start::files::output_files::{CHAIN_CERTIFICATES, LOG_NUMBERS};

/// The folder of the log in a backup.
pub(crate) const LOG_FOLDER: &str = "log";
/// Attempts to copy all files while they are rotated.
const ATTEMPTS: u32 = 5;

/// Files of the data directory that belong to the log.
pub(crate) const LOG_STATE: [&str; 2] = [CHAIN_CERTIFICATES, LOG_NUMBERS];

/// Copies the log and the time at which the server ran last; nothing if it is not a file.
pub(super) fn copy_log(settings: &Settings, backup: &mut NewDirectory) -> Result<()> {
    backup.folder(LOG_FOLDER)?;
    let data = &settings.storage.data;
    for name in LOG_STATE {
        let path = data.join(name);
        match as_owner(data, || File::open(&path))? {
            Ok(mut file) => backup.copy(name, &mut file)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        }
    }
    let log = &settings.audit.file;
    if log.exists() && !log.is_file() {
        return Ok(());
    }
    for _ in 0..ATTEMPTS {
        let before = names(log)?;
        let copied = before.iter().try_fold(true, |all, path| {
            Ok::<_, anyhow::Error>(all && copy_one(path, path == log, backup, data)?)
        })?;
        if copied && names(log)? == before {
            // Without it, a restored server would trust a wrong clock of its machine.
            copy_one(&clock_path(log), false, backup, data)?;
            return Ok(());
        }
        backup.clear(LOG_FOLDER)?;
    }
    bail!("the security log is rotated all the time: run the backup again")
}

/// The files of the log, oldest first.
fn names(log: &Path) -> Result<Vec<PathBuf>> {
    let files = list_log_files(log);
    let files = files.with_context(|| format!("cannot list the files of {}", log.display()))?;
    Ok(files.into_iter().map(|file| file.path).collect())
}

/// Copies a file; `false` if it was renamed, compressed or removed meanwhile.
fn copy_one(path: &Path, is_open: bool, backup: &mut NewDirectory, data: &Path) -> Result<bool> {
    let mut file = match as_owner(data, || File::open(path))? {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        bail!("{} has no name in UTF-8: rename it", path.display());
    };
    let name = format!("{LOG_FOLDER}/{name}");
    if is_open {
        let end = whole_lines(&mut file);
        let end = end.with_context(|| format!("cannot read {}", path.display()))?;
        backup.copy(&name, &mut file.take(end))?;
    } else {
        backup.copy(&name, &mut file)?;
    }
    Ok(true)
}

/// The bytes up to the end of the last whole line; the file is at its start afterwards.
fn whole_lines(file: &mut File) -> std::io::Result<u64> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(2 * LINE_MAX_BYTES as u64);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    Read::by_ref(file).take(length - from).read_to_end(&mut tail)?;
    file.seek(SeekFrom::Start(0))?;
    let end = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    Ok(from + end as u64)
}
