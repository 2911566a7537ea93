//! Prepares the files of a restore in a directory inside of the data directory.
//! Never: a change of the files that a server uses; that is `swap.rs`.

use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use portcullis_audit::{AuditError, clock_path, later_chain_format};
use portcullis_model::Now;
use portcullis_seal::Keyring;
use portcullis_store::{
    DeleteUserOutcome, DeleteUserRequest, LogOutSummary, OperatorActionKind, SqliteOperatorStore,
    check_copy, check_schema, deleted_users, migrate_copy, missing_keys_of_copy,
};

use super::log_names;
use super::source::BackupSource;
use crate::command::backup::CONFIGURATION;
use crate::command::backup::database::DATABASE;
use crate::command::backup::directory::{give_to_owner, parent};
use crate::command::backup::keys::{FIELD_KEYS, KEY_FILES, key_ids};
use crate::command::backup::log_files::{LOG_FOLDER, LOG_STATE};
use crate::command::installation::{Installation, operator};
use crate::command::owner_rights::as_caller;
use crate::output::errln;
use crate::sealing::sealing_key;
use crate::start::files::output_files::CHAIN_STATE;

/// The directory, in the data directory.
pub(super) const STAGING: &str = "restore-staging";
/// Files of the log can be read by their group, as the server creates them.
const LOG_MODE: u32 = 0o640;

/// A file that is ready to be moved to its place.
pub(super) struct StagedFile {
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
}

/// The files of a restore; removed with their directory when it is dropped.
pub(super) struct Staging {
    directory: PathBuf,
    pub(super) files: Vec<StagedFile>,
    /// Whether the data directory has a security log, which stays.
    pub(super) keeps_log: bool,
    /// The keys of sealed fields, if they are restored.
    ring: Option<Keyring>,
}

impl Staging {
    /// Copies all files and compares them with their manifests.
    pub(super) fn fill(
        installation: &Installation,
        backup: &BackupSource,
        keys: Option<&BackupSource>,
    ) -> Result<Self> {
        let storage = &installation.settings.storage;
        let directory = storage.data.join(STAGING);
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error)
                    .with_context(|| format!("cannot remove {}", directory.display()));
            }
            Ok(()) | Err(_) => {}
        }
        let created = DirBuilder::new().mode(0o700).create(&directory);
        created.with_context(|| format!("cannot create {}", directory.display()))?;
        let keeps_log = fs::symlink_metadata(&installation.settings.audit.file).is_ok();
        let mut staging = Self { directory, files: Vec::new(), keeps_log, ring: None };
        if !keeps_log {
            log_names::check(&installation.settings, &backup.manifest)?;
        }
        for file in &backup.manifest.files {
            match staging.target(installation, &file.name) {
                Some(to) => {
                    let is_clock = to == clock_path(&installation.settings.audit.file);
                    let from = staging.add(to);
                    backup.copy(file, &from)?;
                    give_to_owner(&from, &storage.data)?;
                    if file.name.starts_with(LOG_FOLDER) && !is_clock {
                        let set = fs::set_permissions(&from, Permissions::from_mode(LOG_MODE));
                        set.with_context(|| format!("cannot use {}", from.display()))?;
                    }
                }
                None => backup.check(file)?,
            }
        }
        if let Some(keys) = keys {
            staging.add_keys(keys, &storage.data)?;
        }
        staging.check_folders()?;
        Ok(staging)
    }

    /// Copies the keys. Those with a format are read, whether the database needs them or not: with
    /// keys of a later version, the server would not start.
    fn add_keys(&mut self, keys: &BackupSource, data: &Path) -> Result<()> {
        for file in &keys.manifest.files {
            let is_used = KEY_FILES.contains(&file.name.as_str())
                && !(self.keeps_log && file.name == CHAIN_STATE);
            if !is_used {
                keys.check(file)?;
                continue;
            }
            let from = self.add(data.join(&file.name));
            keys.copy(file, &from)?;
            give_to_owner(&from, data)?;
            match file.name.as_str() {
                CHAIN_STATE => as_caller(|| check_chain_state(keys))??,
                FIELD_KEYS => self.ring = self.read_ring(&from)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads the copied keys of sealed fields, from a directory of their own, under their name.
    fn read_ring(&self, staged: &Path) -> Result<Option<Keyring>> {
        let folder = self.directory.join("ring");
        let created = DirBuilder::new().mode(0o700).create(&folder);
        created
            .and_then(|()| fs::hard_link(staged, folder.join(FIELD_KEYS)))
            .with_context(|| format!("cannot use {}", folder.display()))?;
        Keyring::find(&folder).context("the keys in --keys cannot be used")
    }

    /// Checks that the places outside of the data directory exist, before anything is replaced.
    fn check_folders(&self) -> Result<()> {
        for file in &self.files {
            let folder = parent(&file.to);
            ensure!(
                folder.is_dir(),
                "{} does not exist: create it, for this user",
                folder.display()
            );
        }
        Ok(())
    }

    /// The place of a file; none if it is only checked.
    fn target(&self, installation: &Installation, name: &str) -> Option<PathBuf> {
        let settings = &installation.settings;
        let is_log = LOG_STATE.contains(&name) || name.starts_with(LOG_FOLDER);
        if name == DATABASE {
            Some(settings.storage.database.clone())
        } else if name == CONFIGURATION || (is_log && self.keeps_log) {
            None
        } else if let Some((LOG_FOLDER, file)) = name.split_once('/') {
            log_target(&settings.audit.file, file)
        } else {
            LOG_STATE.contains(&name).then(|| settings.storage.data.join(name))
        }
    }

    fn add(&mut self, to: PathBuf) -> PathBuf {
        let from = self.directory.join(self.files.len().to_string());
        self.files.push(StagedFile { from: from.clone(), to });
        from
    }

    /// The copy of the file that goes to a place.
    fn staged(&self, to: &Path) -> Option<&Path> {
        self.files.iter().find(|file| file.to == to).map(|file| file.from.as_path())
    }

    /// Checks, migrates and voids the database; returns how many sessions it ended.
    pub(super) fn prepare_database(
        &self,
        installation: &Installation,
        backup: &BackupSource,
    ) -> Result<LogOutSummary> {
        let database = self.staged(&installation.settings.storage.database);
        let database = database.context("the backup has no database: use another backup")?;
        let shown = backup.path(DATABASE);
        let unusable = || format!("{} cannot be used: use another backup", shown.display());
        check_schema(database).with_context(unusable)?;
        let schema = check_copy(database).with_context(unusable)?;
        let noted = backup.manifest.schema;
        ensure!(schema == noted, "{}: schema {schema}, not {noted}", unusable());
        migrate_copy(database).with_context(unusable)?;
        let store =
            SqliteOperatorStore::open(database, None, &operator()).with_context(unusable)?;
        self.check_keys(installation, backup, database)?;
        let summary = store.log_out_all(installation.now().unix_ms).with_context(unusable)?;
        delete_again(&store, &installation.settings.storage.database, installation.now());
        let what = format!("the backup of {} was restored", backup.manifest.time);
        store.note(OperatorActionKind::Restored, &what).with_context(unusable)?;
        Ok(summary)
    }

    /// Checks that the keys which the database needs will be there.
    ///
    /// An application can have sealed values elsewhere, so the keys of the manifest are needed as
    /// well. A manifest without a key of the database lists those of another server.
    fn check_keys(
        &self,
        installation: &Installation,
        backup: &BackupSource,
        database: &Path,
    ) -> Result<()> {
        let mut needed = missing_keys_of_copy(database, &|sealed| sealing_key(None, sealed))?;
        if needed.is_empty() {
            return Ok(());
        }
        let kept = match self.ring {
            Some(_) => None,
            None => Keyring::find(&installation.settings.storage.data)?,
        };
        let ring = self.ring.as_ref().or(kept.as_ref()).with_context(|| {
            format!(
                "the backup has sealed texts or second factors, and {FIELD_KEYS} is neither in \
                 the data directory nor in --keys: name the directory of the keys with --keys"
            )
        })?;
        let noted = &backup.manifest.field_keys;
        if needed.iter().all(|id| noted.contains(id)) {
            needed.clone_from(noted);
        }
        let known = key_ids(Some(ring));
        for id in needed {
            ensure!(
                known.contains(&id),
                "{FIELD_KEYS} does not have the key {id}, with which the backup is sealed: name \
                 the keys of that time with --keys"
            );
        }
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _left_behind = fs::remove_dir_all(&self.directory);
    }
}

/// Rejects the keys of a security log that a later version wrote: the server would not start.
fn check_chain_state(keys: &BackupSource) -> Result<()> {
    let path = keys.path(CHAIN_STATE);
    match later_chain_format(parent(&path)) {
        Ok(Some(format)) => Err(AuditError::ChainLater { path, format }.into()),
        Ok(None) => Ok(()),
        Err(source) => Err(AuditError::Chain { path, source }.into()),
    }
}

/// Deletes the users again that the database before the restore had deleted.
///
/// A damaged database does not stop the restore: it may be the reason for it.
fn delete_again(store: &SqliteOperatorStore, old: &Path, now: Now) {
    if !old.exists() {
        return;
    }
    let users = match deleted_users(old) {
        Ok(users) => users,
        Err(error) => {
            errln!(
                "warning: accounts that were deleted since the backup are there again, because the \
                 database before cannot be read: {error}"
            );
            return;
        }
    };
    for (user, rooms) in users {
        let request = DeleteUserRequest { user: user.clone(), rooms, at_unix_ms: now.unix_ms };
        match store.delete_user(&request) {
            Ok(DeleteUserOutcome::Deleted { .. } | DeleteUserOutcome::Missing) => {}
            Ok(DeleteUserOutcome::LastAdmin) => {
                errln!("warning: {user} is the only administrator, and was not deleted again");
            }
            Err(error) => errln!("warning: {user} was not deleted again: {error}"),
        }
    }
}

/// The place of a file of the log: beside the open file, whose name can differ.
fn log_target(log: &Path, name: &str) -> Option<PathBuf> {
    Some(log.parent()?.join(name))
}
