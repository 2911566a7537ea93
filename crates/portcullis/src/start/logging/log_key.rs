//! Key of the hashes that replace session ids in the security log.
//! Never: a key that other users can read, or one that a restart replaces.

use std::path::Path;

use anyhow::{Context, Result};
use portcullis_model::Secret;
use portcullis_seal::private_file;
use portcullis_server::random_id;

use crate::config::ConfigError;

/// File of the key, in the data directory.
pub(crate) const FILE_NAME: &str = "security-log.key";
/// Bytes of the file: 32 random bytes in Base64url.
const KEY_BYTES: usize = 43;

/// Reads the key of an earlier start, if there is one.
pub(crate) fn load(data: &Path) -> Result<Option<Secret<Vec<u8>>>> {
    let path = data.join(FILE_NAME);
    let Some(key) = private_file::read(&path)? else { return Ok(None) };
    let found = key.expose().len();
    if found != KEY_BYTES {
        let why = format!("its {FILE_NAME} has {found} bytes instead of {KEY_BYTES}");
        let remedy = "delete this file to get a new key";
        return Err(ConfigError::file("the data directory", data, why, remedy).into());
    }
    Ok(Some(key))
}

/// Reads the key from the data directory; creates it when there is none.
pub(crate) fn load_or_create(data: &Path) -> Result<Secret<Vec<u8>>> {
    let path = data.join(FILE_NAME);
    private_file::create_directory(data)?;
    if load(data)?.is_none() {
        let (key, suffix) = (random_id::<32>(), random_id::<8>());
        let key = Secret::new(key.ok().context("the system returned no random bytes")?);
        private_file::create(
            &path,
            key.expose().as_bytes(),
            &suffix.ok().context("the system returned no random bytes")?,
        )?;
    }
    load(data)?.with_context(|| format!("{} was deleted during the start", path.display()))
}
