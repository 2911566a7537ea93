//! Checks before the start of a server, the same for `check` and `serve`.
//! Never: a file created or changed.

use std::io::{self, ErrorKind};
use std::path::Path;

use anyhow::Result;
use portcullis_accounts::{KeyError, ServerSecret, SigningKeys};
use portcullis_audit::{AuditError, later_chain_format};
use portcullis_model::Now;
use portcullis_seal::{KeyringError, PrivateFileError};
use portcullis_store::{StoreError, inspect};
use rustix::process::{Resource, getrlimit};

use crate::config::{ConfigError, Settings, StorageSettings, Warning, mistakes, password_policy};
use crate::needed_keys::{inspect_known_keys, inspect_known_keys_unchanged};
use crate::output::shell_path;
use crate::start::files::modes;
use crate::start::files::output_files::{CHAIN_STATE, RESTORE_MARK, inspect_output_files};
use crate::start::files::owners::inspect_owners;
use crate::start::logging::log_key;
use crate::start::preparation::{inspect_directory, inspect_file, open_mode, try_address};
use crate::tls::server_config::Tls;

/// Findings about a valid configuration.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) warnings: Vec<Warning>,
    /// Whether a running server uses the data directory.
    pub(crate) is_running: bool,
}

/// The file of the keys that sign tokens.
const SIGNING_KEYS: &str = "token-signing.ring";
/// The file of the secrets of sessions.
const SERVER_SECRET: &str = "sessions.secret";

/// Checks the files, the data directory, the keys, the certificate and the addresses.
///
/// # Errors
/// The first fault that prevents a start, in the same text as `serve`. Faults that depend on
/// events, such as a rate for an unknown event, and weakenings are found when the parts are
/// assembled.
pub(crate) fn validate(settings: &Settings, now: Now) -> Result<Findings> {
    validate_with(settings, now, inspect_database)
}

/// The same in the running server, which alone may open its database, and only by its store.
pub(crate) fn validate_in_server(settings: &Settings, now: Now) -> Result<Findings> {
    validate_with(settings, now, |settings| {
        inspect_database_path(settings)?;
        Ok(true)
    })
}

fn validate_with(
    settings: &Settings,
    now: Now,
    is_running: impl FnOnce(&Settings) -> Result<bool>,
) -> Result<Findings> {
    let mut warnings = mistakes(settings);
    warnings.extend(settings.storage.doctor.warnings(now));
    inspect_directory(&settings.storage.data)?;
    inspect_owners(settings)?;
    inspect_restore(&settings.storage.data)?;
    warnings.extend(open_directory(&settings.storage.data));
    warnings.extend(modes::warnings(settings));
    // First, before any of these files is opened.
    inspect_output_files(settings)?;
    let is_running = is_running(settings)?;
    inspect_lost_database(settings)?;
    inspect_keys(settings)?;
    if is_running {
        inspect_known_keys(settings)?;
    } else {
        inspect_known_keys_unchanged(settings)?;
    }
    password_policy(settings)?;
    inspect_log_files(settings)?;
    inspect_chain(settings)?;
    warnings.extend(Tls::inspect(settings, now)?);
    if is_running {
        let text = "a server runs with this data directory: its addresses were not tried";
        warnings.push(Warning::new("listen", text));
    } else {
        inspect_addresses(settings)?;
    }
    warnings.extend(file_limit(settings));
    Ok(Findings { warnings, is_running })
}

/// Whether the operator has to correct the cause of an error; others can be temporary.
pub(crate) fn is_fault(error: &anyhow::Error) -> bool {
    // Space on a disk can become free, so a service manager tries again.
    let system = |error: &io::Error| {
        !matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
    };
    let private = |error: &PrivateFileError| match error {
        PrivateFileError::File { source, .. } => system(source),
        PrivateFileError::Readable { .. } | PrivateFileError::TooLarge(_) => true,
    };
    let store = |error: &StoreError| match error {
        StoreError::SchemaNewer { .. }
        | StoreError::SchemaOlder { .. }
        | StoreError::Corrupt(_)
        | StoreError::Damaged(_)
        | StoreError::KeysMissing { .. } => true,
        StoreError::File { source, .. } => system(source),
        StoreError::Busy
        | StoreError::Unknown
        | StoreError::Full
        | StoreError::Failed(_)
        | StoreError::Unwritable(_)
        | StoreError::WriterEnded
        | StoreError::ReaderEnded
        | StoreError::Closed
        | StoreError::InUse(_)
        | StoreError::Unsealable { .. }
        | StoreError::Database(_) => false,
    };
    let keys = |error: &KeyError| match error {
        KeyError::File(error) => private(error),
        KeyError::Content(_) | KeyError::Later { .. } => true,
        KeyError::Generate
        | KeyError::Busy(_)
        | KeyError::Unknown(_)
        | KeyError::Current(_)
        | KeyError::InUse(_) => false,
    };
    let ring = |error: &KeyringError| match error {
        KeyringError::File(error) => private(error),
        KeyringError::Missing(_) | KeyringError::Foreign(_) | KeyringError::Content { .. } => true,
        KeyringError::Busy(_)
        | KeyringError::Full
        | KeyringError::Unknown(_)
        | KeyringError::Current(_)
        | KeyringError::Randomness => false,
    };
    let audit = |error: &AuditError| match error {
        AuditError::ChainLater { .. } => true,
        AuditError::File { .. } | AuditError::Chain { .. } | AuditError::Thread(_) => false,
    };
    error.is::<ConfigError>()
        || error.downcast_ref::<PrivateFileError>().is_some_and(private)
        || error.downcast_ref::<KeyError>().is_some_and(keys)
        || error.downcast_ref::<KeyringError>().is_some_and(ring)
        || error.downcast_ref::<StoreError>().is_some_and(store)
        || error.downcast_ref::<AuditError>().is_some_and(audit)
}

/// A warning if other users can enter the data directory, as an `emptyDir` of Kubernetes.
fn open_directory(data: &Path) -> Option<Warning> {
    let mode = open_mode(data)?;
    let (data, word) = (data.display(), shell_path(data));
    let effect = match mode & 0o022 {
        0 => "enter the data directory",
        _ => "write to the data directory",
    };
    let danger = match mode & 0o022 {
        0 => "read its files whose mode lets them, which are named apart",
        _ => "put keys or a database of their own into it",
    };
    let text = format!(
        "other users can {effect} {data} (mode {mode:o}), and could {danger}. The start changes \
         the mode to 700; to change it now, run: chmod 700 {word}"
    );
    Some(Warning::new("--data", text))
}

/// Rejects a data directory whose files a restore has replaced in part.
fn inspect_restore(data: &Path) -> Result<(), ConfigError> {
    if !data.join(RESTORE_MARK).exists() {
        return Ok(());
    }
    let why = String::from("a restore of a backup did not end, so files of it are missing");
    let mend = "run portcullis restore again: it first moves the old files back";
    Err(ConfigError::file("the data directory", data, why, mend))
}

/// Checks that the database can be used; returns whether a running server uses it.
fn inspect_database(settings: &Settings) -> Result<bool> {
    inspect_database_path(settings)?;
    Ok(inspect(&settings.storage.database)?)
}

/// Checks the path of the database without opening the file.
fn inspect_database_path(settings: &Settings) -> Result<(), ConfigError> {
    let path = &settings.storage.database;
    let is_inside = path.parent() == Some(settings.storage.data.as_path());
    inspect_file("store.url", path, is_inside)
}

/// Rejects a data directory whose database was lost: the start would create an empty one, with a
/// link for a new first administrator.
///
/// The start creates `sessions.secret` after the database.
fn inspect_lost_database(settings: &Settings) -> Result<(), ConfigError> {
    let StorageSettings { data, database, .. } = &settings.storage;
    let is_lost = || std::fs::metadata(database).map_or(true, |facts| facts.len() == 0);
    if !data.join(SERVER_SECRET).exists() || !is_lost() {
        return Ok(());
    }
    let why = "it is missing or empty, but a server was started with the data directory before";
    let mend = format!(
        "restore a backup with portcullis restore, or write where the database is; for a new and \
         empty server, name another directory with --data, or delete {}",
        data.display()
    );
    Err(ConfigError::file("store.url", database, why, &mend))
}

/// Checks that the keys of an earlier start can be used.
fn inspect_keys(settings: &Settings) -> Result<()> {
    if settings.storage.data.join(SIGNING_KEYS).exists() {
        SigningKeys::read(&settings.storage.data)?;
    }
    ServerSecret::load(&settings.storage.data)?;
    log_key::load(&settings.storage.data)?;
    Ok(())
}

fn inspect_log_files(settings: &Settings) -> Result<()> {
    let audit = &settings.audit;
    let files =
        [("audit.file", Some(&audit.file)), ("audit.access_file", audit.access_file.as_ref())];
    for (key, path) in files {
        let Some(path) = path else { continue };
        inspect_file(key, path, path.parent() == Some(settings.storage.data.as_path()))?;
    }
    Ok(())
}

/// Rejects the keys of a security log that a later version wrote: the start would replace them.
fn inspect_chain(settings: &Settings) -> Result<()> {
    let path = settings.storage.data.join(CHAIN_STATE);
    match later_chain_format(&settings.storage.data) {
        Ok(Some(format)) => Err(AuditError::ChainLater { path, format }.into()),
        Ok(None) => Ok(()),
        Err(source) => Err(AuditError::Chain { path, source }.into()),
    }
}

fn inspect_addresses(settings: &Settings) -> Result<()> {
    let server = &settings.server;
    for (key, address) in [
        ("listen.public", Some(server.public)),
        ("listen.private", server.private),
        ("listen.probe", server.probe),
        ("listen.redirect", server.redirect),
    ] {
        if let Some(address) = address {
            try_address(key, address)?;
        }
    }
    Ok(())
}

/// Warns when connections could use up the open files: a connection is one file, and half of the
/// files are for other purposes.
fn file_limit(settings: &Settings) -> Option<Warning> {
    let files = getrlimit(Resource::Nofile).maximum?;
    let wanted = settings.gate.capacity.total;
    (files / 2 < u64::from(wanted)).then(|| {
        let text = format!(
            "{wanted} connections, but this process may open {files} files, and half of them are \
             for connections: allow more (ulimit -n, LimitNOFILE of systemd)"
        );
        Warning::new("capacity.connections_total", text)
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn full_disk_does_not_blame_the_configuration() {
        for (kind, expect) in [
            (ErrorKind::StorageFull, false),
            (ErrorKind::QuotaExceeded, false),
            (ErrorKind::PermissionDenied, true),
            (ErrorKind::ReadOnlyFilesystem, true),
        ] {
            let path = PathBuf::from("/d/file");
            let private =
                || PrivateFileError::File { path: path.clone(), source: io::Error::from(kind) };
            let source = Arc::new(io::Error::from(kind));
            let errors: [anyhow::Error; 4] = [
                private().into(),
                KeyError::from(private()).into(),
                KeyringError::from(private()).into(),
                StoreError::File { path: path.clone(), source }.into(),
            ];
            for error in errors {
                let error = error.context("cannot rotate");
                assert_eq!(is_fault(&error), expect, "{kind}: {error:#}");
            }
        }
    }
}
