//! `portcullis audit key`: the keys that verify the security log, to be kept elsewhere.
//! Never: a signing key.

use std::io::ErrorKind;

use anyhow::{Context, Result, bail};
use portcullis_audit::root_keys;

use crate::command::installation::Installation;
use crate::output::outln;
use crate::start::files::output_files::CHAIN_CERTIFICATES;

/// Prints the key of each log of this installation, the newest last.
pub(super) fn run(installation: &Installation) -> Result<()> {
    let path = installation.settings.storage.data.join(CHAIN_CERTIFICATES);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("there is no {}: start the server once", path.display())
        }
        read => read.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let keys = root_keys(&text);
    if keys.is_empty() {
        bail!("{} has no certificate of a log's first key", path.display());
    }
    for key in keys {
        outln!("{key}")?;
    }
    Ok(())
}
