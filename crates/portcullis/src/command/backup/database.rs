//! Copies the database into a backup: through the running server, or from a stopped one.
//! Never: the live file opened beside its server.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use portcullis_model::Moment;
use portcullis_store::{StoppedDatabase, check_copy, inspect, missing_keys_of_copy};
use serde_json::{Value, json};

use super::directory::{NewDirectory, copy_file, open};
use crate::command::installation::Installation;
use crate::command::owner_rights::as_owner;
use crate::command::running::private_request::operate;
use crate::needed_keys::missing_fault;
use crate::sealing::sealing_key;
use crate::start::files::output_files::BACKUP_STAGING;
use crate::start::private_routes::backups::COPY_NAME;

/// The name of the database in a backup.
pub(crate) const DATABASE: &str = "portcullis.db";
/// Time between two requests for the state of the copy.
const AGAIN: Duration = Duration::from_millis(100);
/// Time between two requests while the copy moves to another file system. The server removes a copy
/// whose command requests nothing for a minute.
const KEEP_AGAIN: Duration = Duration::from_secs(10);

/// Copies the database and checks the copy; returns its schema.
pub(super) fn copy_database(installation: &Installation, backup: &mut NewDirectory) -> Result<u32> {
    let database = &installation.settings.storage.database;
    if !database.exists() {
        bail!("{} does not exist: start the server once", database.display());
    }
    let copy = backup.path(DATABASE);
    check_readable(installation)?;
    if inspect(database)? {
        copy_running(installation, backup)?;
    } else {
        let stopped = StoppedDatabase::lock(database)?;
        let copied = stopped.copy(&copy);
        copied.with_context(|| format!("cannot copy the database to {}", copy.display()))?;
    }
    let facts = fs::symlink_metadata(&copy);
    let is_file = facts.is_ok_and(|facts| facts.is_file());
    ensure!(is_file, "{} is not a file", copy.display());
    let schema = check_copy(&copy)
        .with_context(|| format!("the copy of {} is not a valid database", database.display()))?;
    check_field_keys(installation, &copy)?;
    backup.add(DATABASE)?;
    Ok(schema)
}

/// Rejects a link to a file that the owner of the data directory cannot read: it would become a
/// part of the backup.
pub(super) fn check_readable(installation: &Installation) -> Result<()> {
    let storage = &installation.settings.storage;
    let shown = storage.database.display();
    match as_owner(&storage.data, || File::open(&storage.database))? {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot read {shown}"))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Rejects a copy whose values need keys that are not there: a restore could not open it.
fn check_field_keys(installation: &Installation, copy: &Path) -> Result<()> {
    let ring = installation.field_keys()?;
    let missing = missing_keys_of_copy(copy, &|sealed| sealing_key(ring.as_ref(), sealed))
        .context("cannot read the field keys of the copy")?;
    match missing_fault(&installation.settings, ring.as_ref(), &missing) {
        Some(fault) => Err(fault.into()),
        None => Ok(()),
    }
}

/// Discards the copy in the data directory, also after an error.
struct StagedCopy<'a> {
    installation: &'a Installation,
    id: String,
}

impl StagedCopy<'_> {
    fn ask(&self, operation: &str) -> Result<Value> {
        operate(self.installation, operation, &json!({ "id": self.id }))
    }
}

impl Drop for StagedCopy<'_> {
    fn drop(&mut self) {
        // The server removes it at its next start or backup in any case.
        let _discarded = self.ask("backup/discard");
    }
}

/// A copy in the data directory that is read for long: the server keeps it meanwhile.
struct UsedCopy<'a> {
    staged: &'a StagedCopy<'a>,
    file: File,
    requested: Moment,
}

impl<'a> UsedCopy<'a> {
    fn open(staged: &'a StagedCopy<'a>, path: &Path) -> Result<Self> {
        let data = &staged.installation.settings.storage.data;
        let file = as_owner(data, || open(path))??;
        Ok(Self { staged, file, requested: Moment::now() })
    }
}

impl Read for UsedCopy<'_> {
    fn read(&mut self, chunk: &mut [u8]) -> std::io::Result<usize> {
        if Moment::now().since(self.requested) >= KEEP_AGAIN {
            // The open file stays complete even if the server does not answer.
            let _status = self.staged.ask("backup/status");
            self.requested = Moment::now();
        }
        self.file.read(chunk)
    }
}

/// The server copies into its data directory, which alone it can write to; then it is moved.
fn copy_running(installation: &Installation, backup: &NewDirectory) -> Result<()> {
    let started = operate(installation, "backup/start", &json!({}))
        .context("the running server cannot copy its database")?;
    let id = started.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let names_folder = !id.is_empty() && !id.contains(['/', '.']);
    ensure!(names_folder, "the server reports the id {id:?} of the copy: is it of this version?");
    let staged_copy = StagedCopy { installation, id };
    loop {
        let status = staged_copy.ask("backup/status")?;
        match status.get("state").and_then(Value::as_str) {
            Some("complete") => break,
            Some("running") => thread::sleep(AGAIN),
            other => bail!("the server reports the state {other:?} of the copy"),
        }
    }
    let folder = installation.settings.storage.data.join(BACKUP_STAGING).join(&staged_copy.id);
    let path = folder.join(COPY_NAME);
    let copy = backup.path(DATABASE);
    match fs::rename(&path, &copy) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            copy_file(&mut UsedCopy::open(&staged_copy, &path)?, &copy).map(drop)
        }
        Err(error) => Err(error)
            .with_context(|| format!("cannot move {} to {}", path.display(), copy.display())),
    }
}
