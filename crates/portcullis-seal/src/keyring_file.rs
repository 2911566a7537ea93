//! The keyring on disk: read, created once, changed by one process at a time.
//! Never: half a keyring under its name; a key in use that is not on disk yet.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use crate::field_key::FieldKey;
use crate::key_id::KeyId;
use crate::keyring_error::KeyringError;
use crate::keyring_text;
use crate::keys::Keys;
use crate::line_fault::LineFault;
use crate::private_file::{self, PrivateFileError};

/// The keyring's file, in the directory of keys.
const FILE_NAME: &str = "field-keys.ring";

pub(crate) struct KeyringFile {
    directory: PathBuf,
    path: PathBuf,
}

impl KeyringFile {
    pub(crate) fn within(directory: &Path) -> Self {
        Self { directory: directory.to_path_buf(), path: directory.join(FILE_NAME) }
    }

    /// Reads the keyring; creates it if there is none. Two simultaneous calls get the same keyring.
    pub(crate) fn read_or_create(&self, now_unix_ms: i64) -> Result<Keys, KeyringError> {
        private_file::create_directory(&self.directory)?;
        if private_file::read(&self.path)?.is_none() {
            let keys = Keys::new(generate(now_unix_ms)?, Vec::new()).map_err(self.content(1))?;
            let text = keyring_text::render(&keys);
            private_file::create(&self.path, text.expose(), &draft_suffix()?)?;
        }
        self.read()
    }

    pub(crate) fn read(&self) -> Result<Keys, KeyringError> {
        let bytes = private_file::read(&self.path)?;
        let bytes = bytes.ok_or_else(|| KeyringError::Missing(self.path.clone()))?;
        keyring_text::parse(bytes.expose()).map_err(|fault| self.content(fault.line)(fault.fault))
    }

    /// The error for the file of another keyring.
    pub(crate) fn foreign(&self) -> KeyringError {
        KeyringError::Foreign(self.path.clone())
    }

    pub(crate) fn rotate(&self, now_unix_ms: i64) -> Result<Keys, KeyringError> {
        self.change(|keys| keys.rotated(generate(now_unix_ms)?))
    }

    pub(crate) fn retire(&self, id: KeyId) -> Result<Keys, KeyringError> {
        self.change(|keys| keys.without(id))
    }

    /// Reads, changes and writes with the directory locked, so that no change is lost.
    fn change(
        &self,
        act: impl FnOnce(Keys) -> Result<Keys, KeyringError>,
    ) -> Result<Keys, KeyringError> {
        let at = |source| PrivateFileError::File { path: self.directory.clone(), source };
        // The lock ends with the open directory, at the latest with this process.
        let directory = File::open(&self.directory).map_err(at)?;
        match directory.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(KeyringError::Busy(self.directory.clone()));
            }
            Err(TryLockError::Error(source)) => return Err(at(source).into()),
        }
        let keys = act(self.read()?)?;
        private_file::replace(&self.path, keyring_text::render(&keys).expose(), &draft_suffix()?)?;
        Ok(keys)
    }

    fn content(&self, line: usize) -> impl FnOnce(LineFault) -> KeyringError {
        let path = self.path.clone();
        move |fault| KeyringError::Content { path, line, fault }
    }
}

fn generate(now_unix_ms: i64) -> Result<FieldKey, KeyringError> {
    FieldKey::generate(&SystemRandom::new(), now_unix_ms).map_err(|_| KeyringError::Randomness)
}

fn draft_suffix() -> Result<String, KeyringError> {
    let mut suffix = [0; 8];
    SystemRandom::new().fill(&mut suffix).map_err(|_| KeyringError::Randomness)?;
    Ok(format!("{:016x}", u64::from_be_bytes(suffix)))
}
