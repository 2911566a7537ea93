//! `POST /auth/totp/remove {password, totp}`: no code is asked for any more.
//! Never: without both factors; the other sessions end.

use std::sync::Arc;

use portcullis_guard::read_json;
use portcullis_model::{Code, Denial, Secret};
use portcullis_server::{ApiRequest, ApiResponse};
use serde::{Deserialize, Serialize};

use crate::accounts::Accounts;
use crate::factors::totp;
use crate::login::attempts::budget_of;
use crate::passwords::password::Password;
use crate::request::input::{SignedIn, record_with, secret, store_denial};
use crate::sessions::reauthenticate;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RemoveInput {
    password: Password,
    #[serde(deserialize_with = "secret")]
    totp: Secret<String>,
}

#[derive(Serialize)]
struct Removed {
    ok: bool,
}

/// Answers 200 `{ok: true}`. An administrator may thereby lose what asks for a second factor.
pub(crate) async fn remove(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let signed_in = SignedIn::read(&request)?;
    let input: RemoveInput = read_json(&request.body, &["password", "totp"])?;
    let budget = budget_of(&signed_in);
    let attempts = reauthenticate::signed_in_attempts(&accounts, &request, &budget);
    let row = reauthenticate::prove(&accounts, &attempts, &signed_in, input.password).await?;
    totp::check(&accounts, &attempts, &row, Some(input.totp)).await?;
    let set = accounts.store.set_totp(row.id.clone(), None, Some(signed_in.session)).await;
    set.map_err(|error| store_denial(&error))?;
    record_with(&request, Code::UserUpdated, &row.id, |record| {
        record.reason = "totp_removed";
    });
    Ok(ApiResponse::json(200, &Removed { ok: true }))
}
