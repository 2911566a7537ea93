//! `POST /auth/totp/remove {password, totp}`: removes the second factor and ends other sessions.
//! Never: a removal without both factors.

use std::sync::Arc;

use portcullis_guard::read_json;
use portcullis_model::{Code, Denial, Secret};
use portcullis_server::{ApiRequest, ApiResponse};
use portcullis_store::StoreError;
use serde::Deserialize;

use super::code_check;
use crate::accounts::Accounts;
use crate::login::attempts::{Attempts, account_key_of};
use crate::passwords::check::check_password;
use crate::passwords::password::Password;
use crate::request::input::secret;
use crate::request::record::record_success_with;
use crate::request::signed_in_user::SignedInUser;
use crate::request::view::OkView;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RemoveInput {
    password: Password,
    #[serde(deserialize_with = "secret")]
    totp: Secret<String>,
}

/// Answers 200 `{ok: true}`. An administrator can lose roles that require a second factor.
pub(crate) async fn remove(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let signed_in = SignedInUser::read(&request)?;
    let input: RemoveInput = read_json(&request.body, &["password", "totp"])?;
    let account = account_key_of(&signed_in);
    let attempts = Attempts::of_signed_in(&accounts, &request, &account);
    let row = check_password(&accounts, &attempts, &signed_in, input.password).await?;
    code_check::check(&accounts, &attempts, &row, Some(input.totp)).await?;
    let set = accounts.store.set_totp(row.id.clone(), None, Some(signed_in.session)).await;
    set.map_err(StoreError::into_denial)?;
    record_success_with(&request, Code::UserUpdated, &row.id, |record| {
        record.reason = "totp_removed";
    });
    Ok(ApiResponse::json(200, &OkView::OK))
}
