//! `POST /auth/reauthenticate`: a signed-in user proves anew who they are.
//! Never: a new session, a second budget for guessing, or a proof that lifts another token.

use std::sync::Arc;

use portcullis_guard::{LoginSource, read_json};
use portcullis_model::{Code, Denial, Secret, SessionId, TokenFault};
use portcullis_server::{ApiRequest, ApiResponse};
use portcullis_store::{
    CredentialsRow, PresentedTurn, ReauthenticateOutcome, ReauthenticateRequest,
};
use serde::Deserialize;

use crate::accounts::Accounts;
use crate::factors::totp;
use crate::factors::totp::Occasion;
use crate::login::attempts::{Attempts, budget_of};
use crate::passwords::password::{Password, PasswordMatch};
use crate::passwords::pool::PasswordLane;
use crate::request::cookies;
use crate::request::input::{SignedIn, optional_secret, record_with, store_denial};
use crate::sessions::refresh;
use crate::tokens::refresh_token::Turn;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofInput {
    password: Password,
    #[serde(default, deserialize_with = "optional_secret")]
    totp: Option<Secret<String>>,
}

/// Answers as a log-in does; the new token is that of a recent log-in for 5 minutes.
///
/// The older access tokens of the session are void: one of them may be a copy. Connections that
/// were opened with them go on for about a minute, so that the client hands over the new token.
pub(crate) async fn reauthenticate(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let signed_in = SignedIn::read_for_setup(&request)?;
    let input: ProofInput = read_json(&request.body, &["password", "totp"])?;
    let budget = budget_of(&signed_in);
    let attempts = signed_in_attempts(&accounts, &request, &budget);
    let row = prove(&accounts, &attempts, &signed_in, input.password).await?;
    let proved = totp::check(&accounts, &attempts, &row, input.totp).await?;
    let cookie = ShownCookie::read(&accounts, &request, &signed_in.session);
    let proof = ReauthenticateRequest {
        session: signed_in.session,
        presented: cookie.turn(&request),
        at_unix_ms: request.now.unix_ms,
        factors: totp::factors(&row),
        grace_ms: accounts.options.times.grace_s * 1000,
        idle_ms: accounts.options.times.idle_s * 1000,
    };
    let noted = accounts.store.reauthenticate_session(proof).await;
    let session = match noted.map_err(|error| store_denial(&error))? {
        ReauthenticateOutcome::Recorded(session) => session,
        ReauthenticateOutcome::Reused(session) => {
            refresh::record_family(&request, &session);
            return Err(Denial::Token(TokenFault::Used));
        }
        ReauthenticateOutcome::Ended => return Err(Denial::Token(TokenFault::Session)),
    };
    record_with(&request, Code::AuthnLoginSuccess, &row.id, |record| {
        record.user_name = Some(row.username.to_string());
        record.session = Some(Secret::new(session.id.as_str().to_owned()));
        record.reason = proved.reason(Occasion::Again);
    });
    let proved_unix_s = request.now.unix_s();
    let mut answer = refresh::answer(&accounts, &request, &session, proved_unix_s)?;
    if !matches!(cookie, ShownCookie::OfAnother) {
        answer.headers.push(refresh::cookie_of(&accounts, &request, &session, proved_unix_s));
    }
    Ok(answer)
}

/// The refresh cookie that a request carries beside its token.
enum ShownCookie {
    Missing,
    /// Of the token's own session.
    Own(Turn),
    /// The browser has signed in anew since: its newer log-in stays.
    OfAnother,
}

impl ShownCookie {
    fn read(accounts: &Accounts, request: &ApiRequest, session: &SessionId) -> Self {
        let cookie = cookies::read(request.cookie.as_deref(), cookies::REFRESH);
        match cookie.and_then(|cookie| accounts.secret.read_refresh_token(cookie, request.now)) {
            None => Self::Missing,
            Some(turn) if turn.session == *session => Self::Own(turn),
            Some(_) => Self::OfAnother,
        }
    }

    fn turn(&self, request: &ApiRequest) -> Option<PresentedTurn> {
        match self {
            Self::Own(turn) => Some(refresh::presented_turn(request, turn)),
            Self::Missing | Self::OfAnother => None,
        }
    }
}

/// The attempts of a signed-in user: those of all sessions count together.
pub(crate) fn signed_in_attempts<'a>(
    accounts: &'a Accounts,
    request: &'a ApiRequest,
    budget: &'a str,
) -> Attempts<'a> {
    let from = LoginSource::SignedIn;
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
