//! The one-time token for the first administrator, whose hash is in the data directory.
//! Never: stored in plain text, or valid when there is an administrator.

use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use portcullis_model::Secret;
use portcullis_seal::private_file;
use portcullis_server::random_id;
use portcullis_store::AccountStore;

use crate::error::AccountsError;

/// The file with the hash of the valid token, in the data directory.
const FILE_NAME: &str = "setup-token.sha256";
/// Longest token that is read, in bytes.
const TOKEN_MAX_BYTES: usize = 128;

/// The setup of the first administrator: enabled while a file with the hash of a token exists.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    file: Option<PathBuf>,
}

impl Setup {
    /// Creates a new one-time token if there is no administrator; older tokens become invalid.
    ///
    /// Returns the token to print as part of a link, `None` when there is an administrator.
    ///
    /// # Errors
    /// [`AccountsError`] when the store cannot be read or the hash cannot be written.
    pub async fn prepare(
        store: &dyn AccountStore,
        data_directory: &Path,
    ) -> Result<(Self, Option<Secret<String>>), AccountsError> {
        let file = data_directory.join(FILE_NAME);
        if store.has_admin().await? {
            private_file::remove(&file)?;
            return Ok((Self::default(), None));
        }
        let token = random_id::<32>().map_err(AccountsError::Denied)?;
        let suffix = random_id::<8>().map_err(AccountsError::Denied)?;
        private_file::create_directory(data_directory)?;
        private_file::replace(&file, digest(&SHA256, token.as_bytes()).as_ref(), &suffix)?;
        Ok((Self { file: Some(file) }, Some(Secret::new(token))))
    }

    /// Whether the token is valid. Removing the file revokes it.
    pub(crate) fn accepts(&self, token: &str) -> bool {
        let Some(file) = &self.file else { return false };
        let stored = match private_file::read(file) {
            Ok(Some(stored)) => stored,
            Ok(None) => return false,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the setup token cannot be read; the first administrator cannot be created"
                );
                return false;
            }
        };
        let received = digest(&SHA256, token.as_bytes());
        token.len() <= TOKEN_MAX_BYTES
            && verify_slices_are_equal(received.as_ref(), stored.expose()).is_ok()
    }

    /// Revokes the token. If the file stays, the store still allows one setup only.
    pub(crate) fn close(&self) {
        let removed = self.file.as_deref().map_or(Ok(()), private_file::remove);
        if let Err(error) = removed {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the hash of the used setup token could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(directory: &Path, token: &str) -> Setup {
        let file = directory.join(FILE_NAME);
        let hashed = digest(&SHA256, token.as_bytes());
        private_file::replace(&file, hashed.as_ref(), "a").unwrap();
        Setup { file: Some(file) }
    }

    #[test]
    fn only_the_newest_setup_token_is_accepted() {
        let directory = tempfile::tempdir().unwrap();
        let setup = prepared(directory.path(), "first");
        let long = "first".repeat(100);
        for (token, fine) in [("first", true), ("First", false), ("", false), (&long, false)] {
            assert_eq!(setup.accepts(token), fine, "{token:?}");
        }
        let restarted = prepared(directory.path(), "second");
        assert!(restarted.accepts("second") && !restarted.accepts("first"));
        restarted.close();
        assert!(!restarted.accepts("second"));
        assert!(!Setup::default().accepts(""));
    }

    #[test]
    fn setup_token_is_stored_as_a_hash_only() {
        let directory = tempfile::tempdir().unwrap();
        prepared(directory.path(), "first");
        let content = std::fs::read(directory.path().join(FILE_NAME)).unwrap();
        assert_eq!(content.len(), 32);
        assert!(!content.windows(5).any(|window| window == b"first"));
    }
}
