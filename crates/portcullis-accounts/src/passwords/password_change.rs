//! `POST /auth/password {current, new, totp?}`: another password; the other sessions end.
//! Never: without the current one.

use std::sync::Arc;

use portcullis_guard::read_json;
use portcullis_model::{Code, Denial, Secret};
use portcullis_server::{ApiRequest, ApiResponse};
use portcullis_store::{UserChange, UserChangeKind};
use serde::{Deserialize, Serialize};

use crate::accounts::{Accounts, fresh_salt};
use crate::factors::totp;
use crate::login::attempts::budget_of;
use crate::passwords::password::Password;
use crate::passwords::pool::PasswordLane;
use crate::request::input::{SignedIn, optional_secret, record_act, store_denial};
use crate::sessions::reauthenticate;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordInput {
    current: Password,
    new: Password,
    #[serde(default, deserialize_with = "optional_secret")]
    totp: Option<Secret<String>>,
}

#[derive(Serialize)]
struct Changed {
    ok: bool,
}

/// Answers 200 `{ok: true}`; this session goes on.
pub(crate) async fn change(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let signed_in = SignedIn::read(&request)?;
    let input: PasswordInput = read_json(&request.body, &["current", "new", "totp"])?;
    let budget = budget_of(&signed_in);
    let attempts = reauthenticate::signed_in_attempts(&accounts, &request, &budget);
    let row = reauthenticate::prove(&accounts, &attempts, &signed_in, input.current)
        .await
        .inspect_err(|denial| record_failure(&request, &signed_in, denial))?;
    totp::check(&accounts, &attempts, &row, input.totp).await?;
    let lane = PasswordLane::Known;
    accounts.pool.check_new(lane, input.new.clone(), &row.username).await?;
    let phc = accounts.pool.hash(lane, input.new, fresh_salt()?).await?;
    let what = UserChangeKind::Password { phc, keep: Some(signed_in.session) };
    let change = UserChange { user: row.id.clone(), what, at_unix_ms: request.now.unix_ms };
    let changed = accounts.store.change_user(change).await;
    changed.map_err(|error| store_denial(&error))?;
    record_act(&request, Code::AuthnPasswordChange, &row.id, &row.username);
    Ok(ApiResponse::json(200, &Changed { ok: true }))
}

fn record_failure(request: &ApiRequest, signed_in: &SignedIn, denial: &Denial) {
    if let Denial::Login { .. } = denial {
        let mut record = portcullis_audit::Record::new(Code::AuthnPasswordChangeFail);
        record.outcome = portcullis_audit::Outcome::Failure;
        record.client = Some(request.client);
        record.user = Some(signed_in.user.id.clone());
        request.audit.record(record, request.now);
    }
}
