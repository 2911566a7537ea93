//! `GET` and `POST /auth/profile`: what a user is called and may do; another name.
//! Never: anything of anybody else.

use std::sync::Arc;

use portcullis_guard::{read_json, skeleton};
use portcullis_model::{Code, Denial, Role};
use portcullis_server::{ApiRequest, ApiResponse};
use portcullis_store::{ChangeUserOutcome, UserChange, UserChangeKind};
use serde::{Deserialize, Serialize};

use crate::accounts::Accounts;
use crate::request::input::{SignedIn, UserView, record_act, store_denial};
use crate::users::external_names::{self, NameSlot};
use crate::users::username::Username;

#[derive(Serialize)]
struct Profile {
    user: UserView,
    /// Whether a second factor is asked for.
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
    let signed_in = SignedIn::read_for_setup(&request)?;
    show(&accounts, &signed_in).await
}

/// Takes another name, which has to be free whatever its case. Answers as `GET`.
pub(crate) async fn write(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let signed_in = SignedIn::read(&request)?;
    let input: ProfileInput = read_json(&request.body, &["username"])?;
    signed_in.check_recent(&request)?;
    // Others see the name: it would be a way to say something.
    signed_in.user.check_not_muted(request.now)?;
    let username = Username::parse(&input.username)?;
    // Who has such a name from an older version may go on to write it differently.
    let is_own = skeleton(&signed_in.user.name()) == skeleton(username.as_str());
    if !is_own && !signed_in.user.roles().contains(Role::Admin) {
        username.check_unreserved(&accounts.roles)?;
    }
    // Whether a name is taken tells that there is such a user; so it costs what registering does.
    let budget = format!(":rename:{}", signed_in.user.id);
    let from = portcullis_guard::LoginSource::Anywhere;
    request.login_allowed(&budget, from).await?;
    let (directory, by) = (request.gate.directory(), Some(&signed_in.user.id));
    let _free_after_the_change = NameSlot::take(&accounts, directory, username.as_str(), by)?;
    let what = UserChangeKind::Username(Arc::from(username.as_str()));
    let user = signed_in.user.id.clone();
    let change = UserChange { user, what, at_unix_ms: request.now.unix_ms };
    match accounts.store.change_user(change).await.map_err(|error| store_denial(&error))? {
        ChangeUserOutcome::Changed(_) => {}
        ChangeUserOutcome::NameTaken => return Err(Denial::NameTaken),
        ChangeUserOutcome::Missing | ChangeUserOutcome::LastAdmin => {
            return Err(Denial::Internal("profile"));
        }
    }
    external_names::displace(&accounts, request.gate.directory(), username.as_str(), request.now)
        .await;
    let user = &signed_in.user.id;
    record_act(&request, Code::UserUpdated, user, username.as_str());
    show(&accounts, &signed_in).await
}

async fn show(accounts: &Accounts, signed_in: &SignedIn) -> Result<ApiResponse, Denial> {
    let user = &signed_in.user;
    let found = accounts
        .store
        .find_account(user.id.as_str())
        .await
        .map_err(|error| store_denial(&error))?;
    let person = found.ok_or(Denial::Internal("profile"))?;
    let left = accounts.store.recovery_codes_left(&user.id).await;
    Ok(ApiResponse::json(
        200,
        &Profile {
            user: UserView::new(&user.id, user.name(), user.roles(), &accounts.roles),
            totp: person.has_totp,
            recovery_codes_left: left.map_err(|error| store_denial(&error))?,
            created_at: person.created_unix_ms,
        },
    ))
}
