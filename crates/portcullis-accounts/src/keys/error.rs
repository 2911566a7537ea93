//! Why keys cannot be read or changed.
//! Never: a key, or a part of one, in a text.

use std::path::{Path, PathBuf};

use portcullis_model::{FileFormat, FormatMatch, LaterFormat};
use portcullis_seal::PrivateFileError;

/// Why keys cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The file has other content.
    #[error(
        "{} holds no keys: move it away, and the next start creates new ones; then all users sign \
         in again",
        .0.display()
    )]
    Content(PathBuf),
    /// A later version wrote the file.
    #[error("{} has {format}", path.display())]
    Later {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: LaterFormat,
    },
    /// The system returns no random bytes, or the library cannot create a key.
    #[error("cannot create a key: the system returned no random bytes")]
    Generate,
    /// Another process is changing the keys.
    #[error("another process is changing the keys in {}: try again", .0.display())]
    Busy(PathBuf),
    /// No key has this id.
    #[error("no key has the id {0:?}: portcullis keys list shows all ids")]
    Unknown(String),
    /// The key that signs cannot be revoked.
    #[error(
        "key {0:?} signs new tokens and cannot be revoked: run portcullis keys rotate token first"
    )]
    Current(String),
    /// The session secret in use cannot be revoked.
    #[error(
        "secret {0:?} is in use and cannot be revoked: run portcullis keys rotate session first"
    )]
    InUse(String),
}

impl KeyError {
    /// Checks the first line of a file of keys.
    pub(crate) fn check_format(format: FileFormat, line: &str, path: &Path) -> Result<(), Self> {
        match format.compare(line) {
            FormatMatch::Known => Ok(()),
            FormatMatch::Later(format) => Err(Self::Later { path: path.to_path_buf(), format }),
            FormatMatch::Foreign => Err(Self::Content(path.to_path_buf())),
        }
    }
}
