//! `portcullis backup`: database, security log and configuration, and apart from them the keys.
//! Never: a directory under its final name before it is complete and checked.

pub(crate) mod manifest; // version, time, files and digests of a backup
pub(crate) mod directory; // a directory that gets its name when it is complete
pub(crate) mod database; // the copy of the database
pub(crate) mod log_files; // the copy of the security log
pub(crate) mod keys; // the copy of the keys
pub(crate) mod keep; // deletes old backups

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, value_parser};
use portcullis_audit::{root_keys, utc};
use portcullis_seal::private_file;
use portcullis_server::random_id;
use portcullis_store::OperatorActionKind;

use self::database::{check_readable, copy_database};
use self::directory::{NewDirectory, check_targets, check_writers};
use self::keep::{NAME_START, keep_newest};
use self::keys::{check_unchanged, copy_chain_state, copy_keys, key_ids};
use self::log_files::copy_log;
use self::manifest::{Content, Manifest};
use super::installation::Installation;
use super::owner_rights::as_owner;
use super::restore::mark::check_finished;
use crate::needed_keys::inspect_field_keys;
use crate::output::{counted, errln, outln};
use crate::start::files::output_files::{CHAIN_CERTIFICATES, LAST_BACKUP};

/// The name of the configuration file in a backup.
pub(crate) const CONFIGURATION: &str = "portcullis.toml";

/// The arguments of `portcullis backup`.
#[derive(Debug, Args)]
pub(crate) struct BackupArguments {
    /// The directory of the backup: new or empty.
    #[arg(value_name = "DIR", required_unless_present = "into", conflicts_with = "into")]
    directory: Option<PathBuf>,
    /// Makes a directory in this one, with the time in its name.
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// Deletes older backups in the directory of `--into`, and keeps so many.
    #[arg(long, value_name = "N", requires = "into", value_parser = value_parser!(u16).range(1..))]
    keep: Option<u16>,
    /// Copies the keys as well, into this directory: new or empty. Keep it apart from the backup.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
}

/// Writes a backup.
pub(super) fn run(installation: &Installation, arguments: &BackupArguments) -> Result<()> {
    check_finished(&installation.settings.storage.data)?;
    check_readable(installation)?;
    installation.check_started()?;
    let time = seconds(installation);
    let settings = &installation.settings;
    let (target, further) = target(arguments, &time)?;
    check_targets(&target, arguments.keys.as_deref(), &settings.storage.data)?;
    check_writers(&target, arguments.keys.as_deref(), &settings.storage.data)?;
    leave_processor_to_the_server();
    let mut backup = NewDirectory::create(&target)?.with_further_names(further);
    let mut keys = arguments.keys.as_deref().map(NewDirectory::create).transpose()?;
    if let Some(keys) = &mut keys {
        copy_chain_state(settings, keys)?;
    }
    copy_log(settings, &mut backup)?;
    if let Some(file) = &settings.file {
        backup.copy(CONFIGURATION, &mut file.text.as_bytes())?;
    }
    // A sample at first, because the copy takes long.
    let ids = key_ids(inspect_field_keys(settings)?.as_ref());
    let schema = copy_database(installation, &mut backup)?;
    let time = seconds(installation);
    check_unchanged(&ids, &key_ids(installation.field_keys()?.as_ref()))?;
    if let Some(mut keys) = keys {
        copy_keys(settings, &mut keys)?;
        keys.finish(Manifest::new(Content::Keys, schema, &time, &ids))?;
    }
    let server = first_log_key(&settings.storage.data)?;
    let manifest = Manifest::new(Content::Data, schema, &time, &ids).of_server(server);
    let (manifest, target) = backup.finish(manifest)?;
    note(installation, &time)?;
    record(installation, &manifest);
    print(&target, arguments, &manifest)?;
    if let (Some(into), Some(keep)) = (&arguments.into, arguments.keep) {
        keep_newest(into, usize::from(keep), &target, &manifest.server)?;
    }
    Ok(())
}

/// The directory of the backup, and its names if another backup takes the first one meanwhile.
fn target(arguments: &BackupArguments, time: &str) -> Result<(PathBuf, Vec<PathBuf>)> {
    match (&arguments.directory, &arguments.into) {
        (Some(directory), _) => Ok((directory.clone(), Vec::new())),
        (None, Some(into)) => {
            check_folder(into)?;
            let mut names = names(into, time).skip_while(|path| path.exists());
            let first = names.next().with_context(|| {
                format!("{} has several backups of this second: run it again", into.display())
            })?;
            Ok((first, names.collect()))
        }
        (None, None) => bail!("name the directory of the backup"),
    }
}

/// Lowers the priority of this process; a system that forbids it has set one for it.
fn leave_processor_to_the_server() {
    let _forbidden = rustix::process::nice(10);
}

/// Checks that the directory of the backups exists.
fn check_folder(into: &Path) -> Result<()> {
    let shown = into.display();
    match std::fs::metadata(into) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("{shown} does not exist: make it with install -d -m 700 {shown}")
        }
        Err(error) => Err(error).with_context(|| format!("cannot use {shown}")),
        Ok(facts) => {
            ensure!(facts.is_dir(), "{shown} is not a directory: name another one");
            Ok(())
        }
    }
}

/// Names with the time, the first one without a number.
fn names(into: &Path, time: &str) -> impl Iterator<Item = PathBuf> {
    let name = format!("{NAME_START}{}", time.replace([':', '-'], ""));
    let first = into.join(&name);
    let numbered = (2..10).map(move |number| into.join(format!("{name}-{number}")));
    std::iter::once(first).chain(numbered)
}

/// The time in UTC, in whole seconds.
fn seconds(installation: &Installation) -> String {
    let time = utc(installation.now().unix_ms);
    format!("{}Z", time.get(..19).unwrap_or_default())
}

/// The first key of the security log, which tells servers apart; empty if there is none.
fn first_log_key(data: &Path) -> Result<String> {
    let path = data.join(CHAIN_CERTIFICATES);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        read => read.with_context(|| format!("cannot read {}", path.display()))?,
    };
    Ok(root_keys(&text).first().map(ToString::to_string).unwrap_or_default())
}

/// Notes the time for the regular audit and for the metric.
fn note(installation: &Installation, time: &str) -> Result<()> {
    let path = installation.settings.storage.data.join(LAST_BACKUP);
    let suffix = random_id::<8>().ok().context("the system returned no random bytes")?;
    private_file::replace(&path, format!("{time}\n").as_bytes(), &suffix)?;
    Ok(())
}

/// Stores a record for the server. The backup is complete in any case.
fn record(installation: &Installation, manifest: &Manifest) {
    let files = counted(manifest.files.len() as u64, "file");
    let what = format!("a backup was written: {files}, {} bytes", manifest.bytes());
    let store = || {
        let (beside, _) = installation.open()?;
        anyhow::Ok(beside.note(OperatorActionKind::Backup, &what)?)
    };
    let stored = as_owner(&installation.settings.storage.data, store);
    if let Err(error) = stored.and_then(|stored| stored) {
        errln!("warning: the security log will have no record of the backup: {error:#}");
    }
}

fn print(target: &Path, arguments: &BackupArguments, manifest: &Manifest) -> Result<()> {
    let files = counted(manifest.files.len() as u64, "file");
    outln!("backup    {}, {files}, {} bytes, checked", target.display(), manifest.bytes())?;
    match &arguments.keys {
        Some(keys) => outln!("keys      {}; keep it apart from the backup", keys.display())?,
        None if manifest.field_keys.is_empty() => {}
        None => outln!(
            "keys      not in it: to restore it, you need field-keys.ring with the keys {}. \
             --keys DIR copies them",
            manifest.field_keys.join(", ")
        )?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_directory_of_backups_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check_folder(folder.path()).is_ok());
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        for (into, expect) in [
            (folder.path().join("missing"), "does not exist: make it with install -d -m 700"),
            (file.join("below"), "cannot use"),
            (file, "is not a directory"),
        ] {
            let error = check_folder(&into).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        }
    }
}
