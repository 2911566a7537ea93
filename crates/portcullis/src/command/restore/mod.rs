//! `portcullis restore`: replaces the data of a stopped server by a backup.
//! Never: a session or token of before; a file that is replaced without being kept aside.

mod source; // manifests and checked files
mod log_names; // files that are put back beside the security log
mod staging; // the files before they are moved
pub(super) mod mark; // files that an interrupted restore has moved, and the way back
mod swap; // old files aside, restored ones into place

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use portcullis_audit::utc;
use portcullis_store::{LogOutSummary, StoppedDatabase};

use self::source::BackupSource;
use self::staging::{STAGING, Staging};
use super::backup::CONFIGURATION;
use super::backup::manifest::Content;
use super::installation::Installation;
use crate::config::StorageSettings;
use crate::output::{counted, errln, outln};
use crate::start::files::shared_directory::SharedDirectory;
use crate::start::preparation::prepare_directory;

/// Names that an empty data directory may have.
const IGNORED: [&str; 2] = ["lost+found", STAGING];
/// Directories with files that were replaced begin with it.
const BEFORE_RESTORE: &str = "before-restore-";
/// Entries that an error names.
const NAMED_MAX: usize = 3;

/// The arguments of `portcullis restore`.
#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    /// The directory of the backup.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The directory of the keys that belong to it.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// Restores into a data directory that is not empty; replaced files are kept aside.
    #[arg(long)]
    replace: bool,
}

/// Restores a backup.
pub(super) fn run(installation: &Installation, arguments: &RestoreArguments) -> Result<()> {
    let backup = BackupSource::open(&arguments.directory, Content::Data)?;
    let keys = arguments.keys.as_deref();
    let keys = keys.map(|keys| BackupSource::open(keys, Content::Keys)).transpose()?;
    let storage = &installation.settings.storage;
    warn_of_writers(arguments, &storage.data);
    prepare_directory(&storage.data)?;
    // Until the end, no server can start.
    let _stopped = StoppedDatabase::lock(&storage.database)?;
    if mark::undo(&storage.data)? {
        outln!("undone    an interrupted restore: the old files are at their places again")?;
    }
    if !arguments.replace {
        check_empty(storage)?;
    }
    let staging = Staging::fill(installation, &backup, keys.as_ref())?;
    let summary = staging.prepare_database(installation, &backup)?;
    let time = utc(installation.now().unix_ms).replace([':', '-', '.'], "");
    let aside = swap::replace(storage, &staging, &time)?;
    print(&backup, storage, &summary)?;
    if staging.keeps_log {
        outln!("kept      the security log, which continues; that of the backup is not used")?;
    }
    if let Some(aside) = aside {
        outln!("aside     replaced files are in {}; delete them later", aside.display())?;
    }
    print_rest(&backup, keys.as_ref())
}

/// Warns of directories in which other users could have replaced what is restored.
fn warn_of_writers(arguments: &RestoreArguments, data: &Path) {
    for directory in std::iter::once(&arguments.directory).chain(&arguments.keys) {
        if let Some(shared) = SharedDirectory::find(directory, data) {
            errln!(
                "warning: {shared}, and could have replaced {}: compare it with a copy that only \
                 you can change",
                directory.display()
            );
        }
    }
}

/// Rejects a data directory with files, so that no data are replaced by mistake.
fn check_empty(storage: &StorageSettings) -> Result<()> {
    let lock = storage.database.file_name().unwrap_or_default().to_string_lossy();
    let lock = format!("{lock}.lock");
    let shown = storage.data.display();
    let mut names = Vec::new();
    let entries = fs::read_dir(&storage.data);
    for entry in entries.with_context(|| format!("cannot read {shown}"))? {
        let name = entry.with_context(|| format!("cannot read {shown}"))?.file_name();
        let name = name.to_string_lossy().into_owned();
        let is_kept = name.starts_with(BEFORE_RESTORE);
        if name != lock && !is_kept && !IGNORED.contains(&name.as_str()) {
            names.push(name);
        }
    }
    if names.is_empty() && storage.database.exists() {
        names.push(storage.database.display().to_string());
    }
    names.sort();
    if names.is_empty() {
        return Ok(());
    }
    let more = if names.len() > NAMED_MAX { ", …" } else { "" };
    names.truncate(NAMED_MAX);
    bail!(
        "the data directory {shown} is not empty ({}{more}): name an empty one with --data, or add \
         --replace, which keeps replaced files aside",
        names.join(", ")
    )
}

fn print(backup: &BackupSource, storage: &StorageSettings, ended: &LogOutSummary) -> Result<()> {
    let manifest = &backup.manifest;
    outln!("restored  the backup of {} into {}", manifest.time, storage.data.display())?;
    let sessions = counted(ended.sessions as u64, "session");
    outln!("ended     {sessions}, and all tokens; new keys will sign: every user logs in again")?;
    let time = &manifest.time;
    outln!("gone      accounts, rooms and messages made after {time}")?;
    outln!("check     accounts deleted, roles removed and bans set after {time}: they are undone")?;
    Ok(())
}

/// Files that the operator has to put into their places.
fn print_rest(backup: &BackupSource, keys: Option<&BackupSource>) -> Result<()> {
    if backup.manifest.files.iter().any(|file| file.name == CONFIGURATION) {
        let path = backup.path(CONFIGURATION);
        outln!("by hand   the configuration of the backup is {}", path.display())?;
    }
    let files = keys.iter().flat_map(|keys| keys.manifest.files.iter().map(|file| (*keys, file)));
    for (keys, file) in files {
        if let Some(source) = &file.source {
            let path = keys.path(&file.name);
            outln!("by hand   {} was {}", path.display(), source.replace('\n', "\\n"))?;
        }
    }
    Ok(())
}
