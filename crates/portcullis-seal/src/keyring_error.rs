//! Errors of reading or changing the keyring.
//! Never: a byte of a key, or of a line that could hold one.

use std::path::PathBuf;

use crate::key_id::KeyId;
use crate::line_fault::{KEYS_MAX, LineFault};
use crate::private_file::PrivateFileError;

/// Why the keyring was not read or changed.
#[derive(thiserror::Error)]
pub enum KeyringError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The file does not exist.
    #[error("{} is not there: restore it, sealed fields cannot be read without it", .0.display())]
    Missing(PathBuf),
    /// The file has none of the keys that are in use.
    #[error("{} has no key in use, it is of another server: put back the right file", .0.display())]
    Foreign(PathBuf),
    /// The file does not hold a keyring.
    #[error("{}, line {line}: {fault}{}", path.display(), remedy(*fault))]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The fault of the line.
        fault: LineFault,
    },
    /// Another process is changing the keyring.
    #[error("the keys in {} are being changed by another process: try again", .0.display())]
    Busy(PathBuf),
    /// The keyring has the maximum number of keys.
    #[error("the keyring has {KEYS_MAX} keys already: retire old ones first")]
    Full,
    /// The key does not exist.
    #[error("key {0} is not in the keyring: list the keys for their ids")]
    Unknown(KeyId),
    /// The current key cannot be retired.
    #[error("key {0} is the current one: rotate, reseal its values, then retire it")]
    Current(KeyId),
    /// The system returned no randomness.
    #[error("cannot create a key: the system returned no randomness")]
    Randomness,
}

portcullis_model::debug_as_sentence!(KeyringError);

/// The remedy of a fault, unless the fault has one.
fn remedy(fault: LineFault) -> &'static str {
    if matches!(fault, LineFault::Later(_)) { "" } else { ": restore the file from a backup" }
}
