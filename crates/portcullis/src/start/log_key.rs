//! The key of the hashes that stand for session ids in the security log.
//! Never: a key that others can read, or one that a restart replaces.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use portcullis_model::Secret;
use portcullis_seal::private_file;
use portcullis_server::random_id;

/// The key's file, in the data directory.
pub(crate) const FILE_NAME: &str = "security-log.key";
/// Bytes of the file: 32 random bytes in base64url.
const KEY_BYTES: usize = 43;

/// Reads the key from the data directory; makes it when there is none.
pub(crate) fn load_or_create(data: &Path) -> Result<Secret<Vec<u8>>> {
    let path = data.join(FILE_NAME);
    private_file::create_directory(data)?;
    if private_file::read(&path)?.is_none() {
        let (key, suffix) = (random_id::<32>(), random_id::<8>());
        let key = Secret::new(key.ok().context("no randomness")?);
        private_file::create(
            &path,
            key.expose().as_bytes(),
            &suffix.ok().context("no randomness")?,
        )?;
    }
    let key = private_file::read(&path)?.with_context(|| format!("{} is gone", path.display()))?;
    let found = key.expose().len();
    ensure!(
        found == KEY_BYTES,
        "{} holds {found} bytes instead of {KEY_BYTES}; remove it to get a new key",
        path.display()
    );
    Ok(key)
}
