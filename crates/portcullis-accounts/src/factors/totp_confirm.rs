//! `POST /auth/totp/confirm {code}`: adds the second factor and ends the other sessions.
//! Never: a factor without a valid code of its secret.

use std::sync::Arc;

use portcullis_guard::read_json;
use portcullis_model::{Code, Denial, Secret};
use portcullis_server::{ApiRequest, ApiResponse};
use portcullis_store::{NewTotp, StoreError};
use serde::{Deserialize, Serialize};

use super::recovery_code::{self, RecoveryCode};
use super::totp;
use crate::accounts::Accounts;
use crate::login::attempts::{Attempts, account_key_of};
use crate::request::input::secret;
use crate::request::record::record_success_with;
use crate::request::signed_in_user::SignedInUser;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfirmInput {
    #[serde(deserialize_with = "secret")]
    code: Secret<String>,
}

#[derive(Serialize)]
struct RecoveryCodesView {
    /// Each code works once. They are not shown again.
    recovery_codes: Vec<String>,
}

/// Answers 200 `{recovery_codes}`.
pub(crate) async fn confirm(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let signed_in = SignedInUser::read_for_setup(&request)?;
    let input: ConfirmInput = read_json(&request.body, &["code"])?;
    signed_in.check_recent(&request)?;
    let account = account_key_of(&signed_in);
    let attempts = Attempts::of_signed_in(&accounts, &request, &account);
    attempts.check_allowed().await?;
    let wrong = || Denial::Schema { field: Some("code"), rule: "totp" };
    let pending = accounts.enrollments.find(&signed_in.user.id, &signed_in.session, request.now);
    let secret = pending.ok_or_else(wrong)?;
    attempts.take_code_attempt()?;
    let codes = totp::codes(&secret, &signed_in.user.name())?;
    let step = totp::step_of(&codes, input.code.expose(), request.now).ok_or_else(|| {
        attempts.count_wrong_code();
        wrong()
    })?;
    attempts.return_code_attempt();
    let recovery_codes = recovery_code::create_codes()?;
    let hash_of = |code: &String| Some(RecoveryCode::read(code)?.stored_hash(&secret));
    let recovery = recovery_codes.iter().filter_map(hash_of).collect();
    let user = signed_in.user.id.clone();
    let session = signed_in.session.clone();
    let new = Some(NewTotp { secret, step, recovery });
    let set = accounts.store.set_totp(user, new, Some(session)).await;
    set.map_err(StoreError::into_denial)?;
    accounts.enrollments.remove(&signed_in.user.id);
    record_success_with(&request, Code::UserUpdated, &signed_in.user.id, |record| {
        record.reason = "totp_added";
    });
    Ok(ApiResponse::json(200, &RecoveryCodesView { recovery_codes }))
}
