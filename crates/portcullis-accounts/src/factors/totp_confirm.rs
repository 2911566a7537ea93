//! `POST /auth/totp/confirm {code}`: from now on a code is asked for.
//! Never: without a code of the secret; the other sessions, which showed none, end.

use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use portcullis_guard::read_json;
use portcullis_model::{Code, Denial, Secret};
use portcullis_server::{ApiRequest, ApiResponse};
use portcullis_store::NewTotp;
use serde::{Deserialize, Serialize};

use crate::accounts::Accounts;
use crate::factors::totp::{self, RECOVERY_CODES, RECOVERY_LETTERS, RecoveryCode};
use crate::login::attempts::budget_of;
use crate::request::input::{SignedIn, record_with, secret, store_denial};
use crate::sessions::reauthenticate::signed_in_attempts;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfirmInput {
    #[serde(deserialize_with = "secret")]
    code: Secret<String>,
}

#[derive(Serialize)]
struct Confirmed {
    /// For when the device is lost; each is good once, and none is shown again.
    recovery_codes: Vec<String>,
}

/// Answers 200 `{recovery_codes}`.
pub(crate) async fn confirm(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let signed_in = SignedIn::read_for_setup(&request)?;
    let input: ConfirmInput = read_json(&request.body, &["code"])?;
    signed_in.check_recent(&request)?;
    let budget = budget_of(&signed_in);
    let attempts = signed_in_attempts(&accounts, &request, &budget);
    attempts.allowed().await?;
    let wrong = || Denial::Schema { field: Some("code"), rule: "totp" };
    let pending = accounts.enrollments.find(&signed_in.user.id, &signed_in.session, request.now);
    let secret = pending.ok_or_else(wrong)?;
    attempts.code_allowed()?;
    let codes = totp::codes(&secret, &signed_in.user.name())?;
    let step = totp::step_of(&codes, input.code.expose(), request.now).ok_or_else(|| {
        attempts.code_failed();
        wrong()
    })?;
    attempts.code_accepted();
    let recovery_codes = recovery_codes()?;
    let hash_of = |code: &String| Some(RecoveryCode::read(code)?.stored_hash(&secret));
    let recovery = recovery_codes.iter().filter_map(hash_of).collect();
    let user = signed_in.user.id.clone();
    let session = signed_in.session.clone();
    let new = Some(NewTotp { secret, step, recovery });
    let set = accounts.store.set_totp(user, new, Some(session)).await;
    set.map_err(|error| store_denial(&error))?;
    accounts.enrollments.end(&signed_in.user.id);
    record_with(&request, Code::UserUpdated, &signed_in.user.id, |record| {
        record.reason = "totp_added";
    });
    Ok(ApiResponse::json(200, &Confirmed { recovery_codes }))
}

fn recovery_codes() -> Result<Vec<String>, Denial> {
    let random = SystemRandom::new();
    let code = |_| {
        let mut bytes = [0; RECOVERY_LETTERS];
        random.fill(&mut bytes).map_err(|_| Denial::Internal("randomness"))?;
        Ok(totp::recovery_code(&bytes))
    };
    (0..RECOVERY_CODES).map(code).collect()
}
