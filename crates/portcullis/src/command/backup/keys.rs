//! Copies the keys that a restored server needs into a directory of their own.
//! Never: keys that sign sessions or tokens; a restore makes new ones.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use portcullis_seal::Keyring;

use super::directory::NewDirectory;
use crate::acme::authority::account::ACCOUNT_FILE;
use crate::acme::stored::CERTIFICATE_FILE;
use crate::command::owner_rights::as_owner;
use crate::config::{Settings, input_files};
use crate::start::files::output_files::CHAIN_STATE;
use crate::start::logging::log_key;

/// The keys that open sealed fields.
pub(crate) const FIELD_KEYS: &str = "field-keys.ring";
/// Files of the data directory that are copied; a server cannot open its data without the first.
///
/// Not copied: `token-signing.ring` and `sessions.secret`. A restore ends all sessions and tokens,
/// so they would only help a thief of the backup, who could sign in to the server with them.
pub(crate) const KEY_FILES: [&str; 9] = [
    FIELD_KEYS,
    log_key::FILE_NAME,
    CHAIN_STATE,
    "ca.pem",
    "ca.key",
    "tls.pem",
    "tls.key",
    ACCOUNT_FILE,
    CERTIFICATE_FILE,
];
/// The folder of files that the configuration names.
const NAMED_FOLDER: &str = "files";

/// Copies the keys of the data directory, and the files that the configuration names.
pub(super) fn copy_keys(settings: &Settings, keys: &mut NewDirectory) -> Result<()> {
    for name in KEY_FILES.into_iter().filter(|name| *name != CHAIN_STATE) {
        copy_present(&settings.storage.data, name, keys)?;
    }
    keys.folder(NAMED_FOLDER)?;
    let named = input_files(settings).into_iter().filter(|(key, _)| key.is_some());
    for (number, (_, path)) in (1..).zip(named) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        keys.copy_from(&format!("{NAMED_FOLDER}/{number}-{name}"), path)?;
    }
    Ok(())
}

/// Copies the key that signs the security log. Before the log, so that the log has its line.
pub(super) fn copy_chain_state(settings: &Settings, keys: &mut NewDirectory) -> Result<()> {
    copy_present(&settings.storage.data, CHAIN_STATE, keys)
}

fn copy_present(data: &Path, name: &str, keys: &mut NewDirectory) -> Result<()> {
    let path = data.join(name);
    match as_owner(data, || File::open(&path))? {
        Ok(mut file) => keys.copy(name, &mut file),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// The ids of the keys that open sealed fields.
pub(crate) fn key_ids(ring: Option<&Keyring>) -> Vec<String> {
    ring.iter().flat_map(|ring| ring.list()).map(|key| key.id.to_string()).collect()
}

/// Rejects a backup during which a key was added or removed: its keys may not fit its data.
pub(super) fn check_unchanged(before: &[String], after: &[String]) -> Result<()> {
    ensure!(before == after, "the field keys were changed during the backup: run it again");
    Ok(())
}
