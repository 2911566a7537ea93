//! `POST /auth/reauthenticate`: a signed-in user proves anew who they are.
//! Never: a new session, or a second budget for guessing.

use std::sync::Arc;

use portcullis_guard::{LoginFrom, read_json};
use portcullis_model::{Code, Denial, Secret, TokenFault};
use portcullis_server::{ApiRequest, ApiResponse};
use portcullis_store::{AuthenticateSession, CredentialsRow};
use serde::{Deserialize, Serialize};

use crate::accounts::Accounts;
use crate::attempts::{Attempts, budget_of};
use crate::input::{SignedIn, optional_secret, record_with, store_denial};
use crate::password::{Password, PasswordMatch};
use crate::password_pool::PasswordLane;
use crate::totp;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofInput {
    password: Password,
    #[serde(default, deserialize_with = "optional_secret")]
    totp: Option<Secret<String>>,
}

#[derive(Serialize)]
struct Authenticated {
    /// In milliseconds since 1970.
    authenticated_at: i64,
}

/// Answers 200 `{authenticated_at}`; what asks for a recent log-in is open for 5 minutes.
pub(crate) async fn reauthenticate(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let signed_in = SignedIn::read_for_setup(&request)?;
    let input: ProofInput = read_json(&request.body, &["password", "totp"])?;
    let budget = budget_of(&signed_in);
    let attempts = signed_in_attempts(&accounts, &request, &budget);
    let row = prove(&accounts, &attempts, &signed_in, input.password).await?;
    totp::check(&accounts, &attempts, &row, input.totp).await?;
    let at_unix_ms = request.now.unix_ms;
    let (session, factors) = (signed_in.session, totp::factors(&row));
    let proof = AuthenticateSession { session, at_unix_ms, factors, key: None };
    let noted = accounts.store.authenticate_session(proof).await;
    if !noted.map_err(|error| store_denial(&error))? {
        return Err(Denial::Token(TokenFault::Session));
    }
    record_with(&request, Code::AuthnLoginSuccess, &row.id, |record| {
        record.reason = "reauthenticated";
    });
    Ok(ApiResponse::json(200, &Authenticated { authenticated_at: at_unix_ms }))
}

/// The attempts of a signed-in user: those of all sessions count together.
pub(crate) fn signed_in_attempts<'a>(
    accounts: &'a Accounts,
    request: &'a ApiRequest,
    budget: &'a str,
) -> Attempts<'a> {
    let from = LoginFrom::SignedIn;
    Attempts { request, failures: &accounts.failures, budget, from }
}

/// Whether the password is the signed-in user's; a wrong one counts toward the account.
pub(crate) async fn prove(
    accounts: &Accounts,
    attempts: &Attempts<'_>,
    signed_in: &SignedIn,
    password: Password,
) -> Result<CredentialsRow, Denial> {
    password.check_size()?;
    attempts.allowed().await?;
    let found = accounts.store.credentials_of(&signed_in.user.id).await;
    let found = found.map_err(|error| store_denial(&error))?;
    let row = found.ok_or(Denial::Token(TokenFault::User))?;
    let matches =
        accounts.pool.verify(PasswordLane::Known, password, row.password_phc.clone()).await?;
    if matches != PasswordMatch::No {
        return Ok(row);
    }
    attempts.password_failed();
    let username = Some(row.username.to_string());
    Err(Denial::Login { reason: "wrong_password", username })
}
