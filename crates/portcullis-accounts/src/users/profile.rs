//! `GET` and `POST /auth/profile`: shows the own account, and changes its name.
//! Never: another account.

use std::sync::Arc;

use portcullis_guard::{read_json, skeleton};
use portcullis_model::{Code, Denial, Role};
use portcullis_server::{ApiRequest, ApiResponse};
use portcullis_store::{ChangeUserOutcome, StoreError, UserChange, UserChangeKind};
use serde::{Deserialize, Serialize};

use super::external_names;
use super::username::Username;
use crate::accounts::Accounts;
use crate::request::record::record_success;
use crate::request::signed_in_user::SignedInUser;
use crate::request::view::UserView;

#[derive(Serialize)]
struct ProfileView {
    user: UserView,
    /// Whether the user has a second factor.
    totp: bool,
    recovery_codes_left: u32,
    /// In milliseconds since 1970.
    created_at: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileInput {
    username: String,
}

/// Answers 200 `{user, totp, recovery_codes_left, created_at}`.
pub(crate) async fn read(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let signed_in = SignedInUser::read_for_setup(&request)?;
    show(&accounts, &signed_in).await
}

/// Changes the name; the new one has to be free in any case. Answers like `GET`.
pub(crate) async fn write(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let signed_in = SignedInUser::read(&request)?;
    let input: ProfileInput = read_json(&request.body, &["username"])?;
    signed_in.check_recent(&request)?;
    // Other users see the name, so a muted user could send a message with it.
    signed_in.user.check_not_muted(request.now)?;
    let username = Username::parse(&input.username)?;
    // A user with a reserved name of an older version can change its case and punctuation.
    let is_own = skeleton(&signed_in.user.name()) == skeleton(username.as_str());
    if !is_own && !signed_in.user.roles().contains(Role::Admin) {
        username.check_unreserved(&accounts.roles)?;
    }
    // A rejected name reveals that such a user exists, so the limits of registration apply.
    let account = format!(":rename:{}", signed_in.user.id);
    let from = portcullis_guard::LoginSource::Anywhere;
    request.login_allowed(&account, from).await?;
    let (directory, by) = (request.gate.directory(), Some(&signed_in.user.id));
    let _reservation = accounts.pending_names.reserve(directory, username.as_str(), by)?;
    let what = UserChangeKind::Username(Arc::from(username.as_str()));
    let user = signed_in.user.id.clone();
    let change = UserChange { user, what, at_unix_ms: request.now.unix_ms };
    match accounts.store.change_user(change).await.map_err(StoreError::into_denial)? {
        ChangeUserOutcome::Changed(_) => {}
        ChangeUserOutcome::NameTaken => return Err(Denial::NameTaken),
        ChangeUserOutcome::Missing | ChangeUserOutcome::LastAdmin => {
            return Err(Denial::Internal("profile"));
        }
    }
    external_names::replace_look_alikes(&accounts, directory, username.as_str(), request.now).await;
    let user = &signed_in.user.id;
    record_success(&request, Code::UserUpdated, user, username.as_str());
    show(&accounts, &signed_in).await
}

async fn show(accounts: &Accounts, signed_in: &SignedInUser) -> Result<ApiResponse, Denial> {
    let user = &signed_in.user;
    let found =
        accounts.store.find_account(user.id.as_str()).await.map_err(StoreError::into_denial)?;
    let person = found.ok_or(Denial::Internal("profile"))?;
    let left = accounts.store.recovery_codes_left(&user.id).await;
    Ok(ApiResponse::json(
        200,
        &ProfileView {
            user: UserView::new(&user.id, user.name(), user.roles(), &accounts.roles),
            totp: person.has_totp,
            recovery_codes_left: left.map_err(StoreError::into_denial)?,
            created_at: person.created_unix_ms,
        },
    ))
}
