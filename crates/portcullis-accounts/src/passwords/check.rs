//! Checks the current password of a signed-in user.
//! Never: a wrong password that counts toward no limit.

use portcullis_model::{Denial, TokenFault};
use portcullis_store::{CredentialsRow, StoreError};

use super::hashing::PasswordMatch;
use super::password::Password;
use super::pool::PasswordQueue;
use crate::accounts::Accounts;
use crate::login::attempts::Attempts;
use crate::request::signed_in_user::SignedInUser;

/// Checks the password of the signed-in user; a wrong one counts toward the account.
///
/// # Errors
/// [`Denial::Login`] for a wrong password, [`Denial::Limit`], [`Denial::Token`].
pub(crate) async fn check_password(
    accounts: &Accounts,
    attempts: &Attempts<'_>,
    signed_in: &SignedInUser,
    password: Password,
) -> Result<CredentialsRow, Denial> {
    password.check_size()?;
    attempts.check_allowed().await?;
    let found = accounts.store.credentials_of(&signed_in.user.id).await;
    let found = found.map_err(StoreError::into_denial)?;
    let row = found.ok_or(Denial::Token(TokenFault::User))?;
    let stored = row.password_phc.clone();
    let matches = accounts.pool.verify(PasswordQueue::Returning, password, stored).await?;
    if matches != PasswordMatch::No {
        return Ok(row);
    }
    attempts.count_wrong_password();
    let username = Some(row.username.to_string());
    Err(Denial::Login { reason: "wrong_password", username })
}
