//! `POST /auth/register`: creates an account for a person.
//! Never: a role beyond `user`, or a hash before the rate limit was checked.

use std::sync::Arc;

use portcullis_guard::{LoginSource, read_json};
use portcullis_model::{Denial, Secret};
use portcullis_server::{ApiRequest, ApiResponse};
use serde::Deserialize;

use super::create_user::{AccountOrigin, check_invitation, create_user};
use super::username::Username;
use crate::accounts::Accounts;
use crate::keys::digest::sha256;
use crate::options::Registration;
use crate::passwords::password::Password;
use crate::passwords::pool::PasswordQueue;
use crate::request::input::optional_secret;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterInput {
    username: String,
    password: Password,
    /// Required where registration is by invitation; it works once.
    #[serde(default, deserialize_with = "optional_secret")]
    invitation: Option<Secret<String>>,
}

/// Answers 201 `{user: {id, username, roles}}`.
pub(crate) async fn register(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let input: RegisterInput = read_json(&request.body, &["username", "password", "invitation"])?;
    let invitation = input.invitation.as_ref().map(|text| sha256(text.expose()));
    match (accounts.options.registration, invitation) {
        (Registration::Open, _) | (Registration::Invitation, Some(_)) => {}
        (Registration::Invitation, None) => {
            return Err(Denial::Registration("invitation_needed"));
        }
        (Registration::Closed, _) => return Err(Denial::Registration("closed")),
    }
    let username = Username::parse(&input.username)?;
    // Not the login limit of the name: a registration must not block the owner of the name.
    let account = format!(":register:{}", username.folded());
    request.login_allowed(&account, LoginSource::Anywhere).await?;
    if let Some(hash) = invitation {
        check_invitation(&accounts, hash, request.now).await?;
    }
    accounts
        .pool
        .check_new(PasswordQueue::Unauthenticated, input.password.clone(), username.as_str())
        .await?;
    let origin = invitation.map_or(AccountOrigin::Registration, AccountOrigin::Invitation);
    create_user(accounts, request, username, input.password, origin).await
}
