//! `POST /auth/password {current, new, totp?}`: changes the password and ends the other sessions.
//! Never: a change without the current password.

use std::sync::Arc;

use portcullis_guard::read_json;
use portcullis_model::{Code, Denial, Secret};
use portcullis_server::{ApiRequest, ApiResponse};
use portcullis_store::{StoreError, UserChange, UserChangeKind};
use serde::Deserialize;

use super::check::check_password;
use super::password::Password;
use super::pool::PasswordQueue;
use crate::accounts::{Accounts, new_salt};
use crate::factors::code_check;
use crate::login::attempts::{Attempts, account_key_of};
use crate::request::input::optional_secret;
use crate::request::record::record_success;
use crate::request::signed_in_user::SignedInUser;
use crate::request::view::OkView;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordInput {
    current: Password,
    new: Password,
    #[serde(default, deserialize_with = "optional_secret")]
    totp: Option<Secret<String>>,
}

/// Answers 200 `{ok: true}`; this session continues.
pub(crate) async fn change(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let signed_in = SignedInUser::read(&request)?;
    let input: PasswordInput = read_json(&request.body, &["current", "new", "totp"])?;
    let account = account_key_of(&signed_in);
    let attempts = Attempts::of_signed_in(&accounts, &request, &account);
    let row = check_password(&accounts, &attempts, &signed_in, input.current)
        .await
        .inspect_err(|denial| record_failure(&request, &signed_in, denial))?;
    code_check::check(&accounts, &attempts, &row, input.totp).await?;
    let queue = PasswordQueue::Returning;
    accounts.pool.check_new(queue, input.new.clone(), &row.username).await?;
    let phc = accounts.pool.hash(queue, input.new, new_salt()?).await?;
    let what = UserChangeKind::Password { phc, keep: Some(signed_in.session) };
    let change = UserChange { user: row.id.clone(), what, at_unix_ms: request.now.unix_ms };
    let changed = accounts.store.change_user(change).await;
    changed.map_err(StoreError::into_denial)?;
    record_success(&request, Code::AuthnPasswordChange, &row.id, &row.username);
    Ok(ApiResponse::json(200, &OkView::OK))
}

fn record_failure(request: &ApiRequest, signed_in: &SignedInUser, denial: &Denial) {
    if let Denial::Login { .. } = denial {
        let mut record = portcullis_audit::Record::new(Code::AuthnPasswordChangeFail);
        record.outcome = portcullis_audit::Outcome::Failure;
        record.client = Some(request.client);
        record.user = Some(signed_in.user.id.clone());
        request.audit.record(record, request.now);
    }
}
