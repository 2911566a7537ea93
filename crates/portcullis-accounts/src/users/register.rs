//! `POST /auth/register`: a person makes an account.
//! Never: a role beyond `user`, or a hash made before the rate has allowed it.

use std::sync::Arc;

use portcullis_guard::{LoginSource, read_json};
use portcullis_model::{Denial, Secret};
use portcullis_server::{ApiRequest, ApiResponse};
use serde::Deserialize;

use crate::accounts::{Accounts, Registration};
use crate::passwords::password::Password;
use crate::passwords::pool::PasswordLane;
use crate::request::input::optional_secret;
use crate::users::create_user::{Way, create_user};
use crate::users::invitation::hash_of;
use crate::users::username::Username;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterInput {
    username: String,
    password: Password,
    /// Needed where registration is by invitation, and used up.
    #[serde(default, deserialize_with = "optional_secret")]
    invitation: Option<Secret<String>>,
}

/// Answers 201 `{user: {id, username, roles}}`.
pub(crate) async fn register(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let input: RegisterInput = read_json(&request.body, &["username", "password", "invitation"])?;
    let invitation = input.invitation.as_ref().map(|text| hash_of(text.expose()));
    match (accounts.options.registration, invitation) {
        (Registration::Open, _) | (Registration::Invitation, Some(_)) => {}
        (Registration::Invitation, None) | (Registration::Closed, _) => {
            return Err(Denial::RegistrationClosed);
        }
    }
    let username = Username::parse(&input.username)?;
    // Not the name's log-in budget: whoever registers a name must not lock its owner out.
    let budget = format!(":register:{}", username.folded());
    request.login_allowed(&budget, LoginSource::Anywhere).await?;
    accounts
        .pool
        .check_new(PasswordLane::Strangers, input.password.clone(), username.as_str())
        .await?;
    let way = invitation.map_or(Way::Registration, Way::Invitation);
    create_user(accounts, request, username, input.password, way).await
}
