//! `POST /auth/setup`: whoever holds the one-time link becomes the first administrator.
//! Never: the token on disk, only its hash; never a second administrator this way.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use portcullis_guard::{LoginSource, read_json};
use portcullis_model::{Denial, Secret};
use portcullis_seal::private_file;
use portcullis_server::{ApiRequest, ApiResponse, random_id};
use portcullis_store::AccountStore;
use serde::Deserialize;

use crate::accounts::{Accounts, AccountsError};
use crate::passwords::password::Password;
use crate::passwords::pool::PasswordLane;
use crate::request::input::secret;
use crate::users::create_user::{Way, create_user};
use crate::users::username::Username;

/// The hash of the token in force, in the data directory.
const FILE_NAME: &str = "setup-token.sha256";
/// Longest token looked at.
const TOKEN_MAX_BYTES: usize = 128;

/// Whether the first administrator is still to be made, and where the token's hash lies.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    file: Option<PathBuf>,
}

impl Setup {
    /// Makes a new one-time token while there is no administrator; older ones are void.
    ///
    /// Gives the token to print as part of a link, `None` once there is an administrator.
    ///
    /// # Errors
    /// [`AccountsError`] when the store cannot be asked or the hash cannot be written.
    pub async fn prepare(
        store: &dyn AccountStore,
        data_directory: &Path,
    ) -> Result<(Self, Option<Secret<String>>), AccountsError> {
        let file = data_directory.join(FILE_NAME);
        if store.has_admin().await? {
            private_file::remove(&file)?;
            return Ok((Self::default(), None));
        }
        let token = random_id::<32>().map_err(AccountsError::Refused)?;
        let suffix = random_id::<8>().map_err(AccountsError::Refused)?;
        private_file::create_directory(data_directory)?;
        private_file::replace(&file, digest(&SHA256, token.as_bytes()).as_ref(), &suffix)?;
        Ok((Self { file: Some(file) }, Some(Secret::new(token))))
    }

    /// Whether the token is the one in force. The file is the truth: removing it revokes.
    fn accepts(&self, token: &str) -> bool {
        let Some(file) = &self.file else { return false };
        let stored = match private_file::read(file) {
            Ok(Some(stored)) => stored,
            Ok(None) => return false,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "no set-up possible");
                return false;
            }
        };
        let offered = digest(&SHA256, token.as_bytes());
        token.len() <= TOKEN_MAX_BYTES
            && verify_slices_are_equal(offered.as_ref(), stored.expose()).is_ok()
    }

    /// Ends the link for good. A file that stays is harmless: the store allows one set-up only.
    fn close(&self) {
        let removed = self.file.as_deref().map_or(Ok(()), private_file::remove);
        if let Err(error) = removed {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the used set-up token's hash could not be removed");
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetupInput {
    #[serde(deserialize_with = "secret")]
    token: Secret<String>,
    username: String,
    password: Password,
}

/// Answers 201 `{user: {id, username, roles}}`; a used or wrong token is like no set-up at all.
pub(crate) async fn setup(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let input: SetupInput = read_json(&request.body, &["token", "username", "password"])?;
    // A budget per address: strangers' guesses must not keep the one with the link out.
    let budget = format!(":setup:{}", request.client);
    request.login_allowed(&budget, LoginSource::Anywhere).await?;
    if !accepted(&accounts, input.token).await? {
        return Err(Denial::RegistrationClosed);
    }
    let username = Username::parse(&input.username)?;
    accounts
        .pool
        .check_new(PasswordLane::Strangers, input.password.clone(), username.as_str())
        .await?;
    let shared = Arc::clone(&accounts);
    let created = create_user(shared, request, username, input.password, Way::Setup).await?;
    on_disk_thread(move || accounts.options.setup.close()).await?;
    Ok(created)
}

async fn accepted(accounts: &Arc<Accounts>, token: Secret<String>) -> Result<bool, Denial> {
    let accounts = Arc::clone(accounts);
    on_disk_thread(move || accounts.options.setup.accepts(token.expose())).await
}

/// Runs on a thread that may wait for the disk; rates bound how many there are.
async fn on_disk_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Denial> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Denial::Internal("setup"))
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
    fn only_the_token_in_force_is_accepted() {
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
    fn the_token_itself_is_not_on_disk() {
        let directory = tempfile::tempdir().unwrap();
        prepared(directory.path(), "first");
        let content = std::fs::read(directory.path().join(FILE_NAME)).unwrap();
        assert_eq!(content.len(), 32);
        assert!(!content.windows(5).any(|window| window == b"first"));
    }
}
