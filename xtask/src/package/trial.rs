//! Installs a package in a fresh Debian.
//! Never: a change of this machine.

use std::path::Path;

use anyhow::Result;

/// Installs.
pub(crate) fn run(_deb: &Path) -> Result<()> {
    Ok(())
}
