//! Compares the field keys with the keys that the database needs.
//! Never: a key created, or a value opened.

use std::path::Path;

use portcullis_seal::Keyring;
use portcullis_store::{SealingKey, StoreError, missing_keys, missing_keys_unchanged};

use crate::config::{ConfigError, Settings};
use crate::sealing::sealing_key;

/// Rejects field keys that cannot open the database of the settings; returns them, if there are
/// any.
///
/// The database is read by a sample; see [`missing_keys`].
///
/// # Errors
/// [`ConfigError`] with the ids of missing keys; the error of the keyring or of the database.
pub(crate) fn inspect_field_keys(settings: &Settings) -> anyhow::Result<Option<Keyring>> {
    compare(settings, missing_keys)
}

/// The same, without the errors of a database that cannot be read: the start of the store reports
/// them.
pub(crate) fn inspect_known_keys(settings: &Settings) -> anyhow::Result<()> {
    without_store_errors(inspect_field_keys(settings))
}

/// As [`inspect_known_keys`], of a stopped server: the log of its database stays as it is.
pub(crate) fn inspect_known_keys_unchanged(settings: &Settings) -> anyhow::Result<()> {
    without_store_errors(compare(settings, missing_keys_unchanged))
}

fn without_store_errors(inspected: anyhow::Result<Option<Keyring>>) -> anyhow::Result<()> {
    match inspected {
        Err(error) if error.is::<StoreError>() => Ok(()),
        inspected => inspected.map(drop),
    }
}

/// Reads which keys of a keyring, by its function, a database needs and does not have.
type Find = fn(&Path, &dyn Fn(&[u8]) -> Option<SealingKey>) -> Result<Vec<String>, StoreError>;

fn compare(settings: &Settings, find: Find) -> anyhow::Result<Option<Keyring>> {
    let ring = Keyring::find(&settings.storage.data)?;
    let missing = find(&settings.storage.database, &|sealed| sealing_key(ring.as_ref(), sealed))?;
    match missing_fault(settings, ring.as_ref(), &missing) {
        Some(fault) => Err(fault.into()),
        None => Ok(ring),
    }
}

/// The error about keys that the database needs and `ring` does not have.
pub(crate) fn missing_fault(
    settings: &Settings,
    ring: Option<&Keyring>,
    missing: &[String],
) -> Option<ConfigError> {
    if missing.is_empty() {
        return None;
    }
    let keys = match missing {
        [key] => format!("the key {key}"),
        _ => format!("the keys {}", missing.join(", ")),
    };
    let sealed = format!("with which fields in {} are sealed", settings.storage.database.display());
    let (why, mend) = match ring {
        None => (
            format!("field-keys.ring is not in it, and has {keys}, {sealed}"),
            "put it back from the backup of the keys",
        ),
        Some(_) => (
            format!(
                "field-keys.ring in it is of another server or time: it does not have {keys}, \
                 {sealed}"
            ),
            "put back the right field-keys.ring from the backup of the keys",
        ),
    };
    Some(ConfigError::file("the data directory", &settings.storage.data, why, mend))
}
