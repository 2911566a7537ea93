//! Marks a data directory whose keys an application built with the library uses.
//! Never: a secret, or a fact that a request depends on.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The file; only its existence is checked.
const FILE: &str = "field-keys.application";
const TEXT: &str = "An application seals values of its own with field-keys.ring.\n";

/// Marks the data directory; it can be marked already.
///
/// # Errors
/// The error of the file system.
pub fn set(data: &Path) -> std::io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(data.join(FILE)) {
        Ok(mut file) => file.write_all(TEXT.as_bytes()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether an application has used the data directory.
pub fn exists(data: &Path) -> bool {
    data.join(FILE).exists()
}
