//! Checks the second factor of a client that has sent the right password.
//! Never: a code accepted twice, or one older than the last accepted code.

use portcullis_model::{Denial, Secret};
use portcullis_store::{CredentialsRow, Factors};

use super::recovery_code::RecoveryCode;
use super::totp;
use crate::accounts::Accounts;
use crate::login::attempts::Attempts;

/// The factors of a user that [`check`] has accepted.
pub(crate) fn factors(row: &CredentialsRow) -> Factors {
    if row.totp.is_some() { Factors::PasswordAndCode } else { Factors::Password }
}

/// Checks the second factor, if the user has one.
///
/// A wrong code counts toward the account. Past that limit, one-time codes are rejected without a
/// check. Recovery codes cannot be guessed, so they are still accepted.
///
/// # Errors
/// [`Denial::TotpRequired`] when a required code is missing, [`Denial::Login`] when it is wrong or
/// was used before, [`Denial::Limit`].
pub(crate) async fn check(
    accounts: &Accounts,
    attempts: &Attempts<'_>,
    row: &CredentialsRow,
    shown: Option<Secret<String>>,
) -> Result<Authentication, Denial> {
    let Some(secret) = &row.totp else { return Ok(Authentication::Password) };
    let shown = shown.ok_or(Denial::TotpRequired)?;
    let recovery = RecoveryCode::read(shown.expose());
    let used = match &recovery {
        Some(code) => {
            let hash = code.stored_hash(secret);
            accounts.store.use_recovery_code(row.id.clone(), hash).await
        }
        None => {
            let codes = totp::codes(secret, &row.username)?;
            attempts.take_code_attempt()?;
            match totp::step_of(&codes, shown.expose(), attempts.request.now) {
                Some(step) => accounts.store.use_totp_step(row.id.clone(), step).await,
                None => Ok(false),
            }
        }
    };
    match (used, recovery) {
        (Ok(true), Some(_)) => return Ok(Authentication::RecoveryCode),
        (Ok(true), None) => {
            attempts.return_code_attempt();
            return Ok(Authentication::Totp);
        }
        (Ok(false), Some(_)) => attempts.count_wrong_recovery_code(),
        (Ok(false), None) => attempts.count_wrong_code(),
        (Err(error), Some(_)) => return Err(error.into_denial()),
        (Err(error), None) => {
            // The store is called for right codes only, so this was not a guess.
            attempts.return_code_attempt();
            return Err(error.into_denial());
        }
    }
    Err(Denial::Login { reason: "wrong_totp", username: Some(row.username.to_string()) })
}

/// How a user has authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authentication {
    /// With the password alone.
    Password,
    /// With the password and a one-time code.
    Totp,
    /// With the password and a recovery code.
    RecoveryCode,
}

/// The request in which a user has authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthenticationOccasion {
    /// A login.
    Login,
    /// A login with a login link.
    LoginLink,
    /// A signed-in user authenticated again.
    Again,
}

impl Authentication {
    /// The reason in security records (`event.reason`).
    pub(crate) const fn reason(self, occasion: AuthenticationOccasion) -> &'static str {
        use AuthenticationOccasion::{Again, Login, LoginLink};
        match (occasion, self) {
            (Login, Self::Password) => "password",
            (Login, Self::Totp) => "password+totp",
            (Login, Self::RecoveryCode) => "password+recovery_code",
            (LoginLink, Self::Password) => "login_link+password",
            (LoginLink, Self::Totp) => "login_link+password+totp",
            (LoginLink, Self::RecoveryCode) => "login_link+password+recovery_code",
            (Again, Self::Password) => "reauthenticated+password",
            (Again, Self::Totp) => "reauthenticated+password+totp",
            (Again, Self::RecoveryCode) => "reauthenticated+password+recovery_code",
        }
    }
}
