//! The configuration file, with the text that was read.
//! Never: a second read for the same settings, because the file can have changed.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::read::error::ConfigError;

/// The largest configuration file, in bytes.
const SIZE_MAX_BYTES: u64 = 4 * 1024 * 1024;

/// A configuration file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigurationFile {
    pub(crate) path: PathBuf,
    pub(crate) text: Arc<str>,
}

impl ConfigurationFile {
    /// The file that is read without `--config`, if it exists.
    pub(crate) const DEFAULT: &str = "portcullis.toml";

    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |cause| ConfigError::Unreadable { path: path.to_owned(), cause };
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(SIZE_MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > SIZE_MAX_BYTES {
            let why = format!("it has more than {SIZE_MAX_BYTES} bytes");
            let mend = "name the configuration file with --config";
            return Err(ConfigError::file("the configuration file", path, why, mend));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let until = error.utf8_error().valid_up_to();
            let valid = error.as_bytes().get(..until).unwrap_or_default();
            ConfigError::not_text(path, &String::from_utf8_lossy(valid))
        })?;
        Ok(Self { path: path.to_owned(), text: text.into() })
    }
}
