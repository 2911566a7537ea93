//! `POST /auth/reauthenticate`: a signed-in user authenticates again.
//! Never: a new session, login limits of its own, or an effect on another token.

use std::sync::Arc;

use portcullis_guard::read_json;
use portcullis_model::{Code, Denial, Secret, SessionId, TokenFault};
use portcullis_server::{ApiRequest, ApiResponse};
use portcullis_store::{PresentedTurn, ReauthenticateOutcome, ReauthenticateRequest, StoreError};
use serde::Deserialize;

use super::refresh;
use crate::accounts::Accounts;
use crate::factors::code_check::{self, AuthenticationOccasion};
use crate::login::attempts::{Attempts, account_key_of};
use crate::passwords::check::check_password;
use crate::passwords::password::Password;
use crate::request::input::optional_secret;
use crate::request::record::record_success_with;
use crate::request::signed_in_user::SignedInUser;
use crate::tokens::refresh_token::RefreshToken;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReauthenticateInput {
    password: Password,
    #[serde(default, deserialize_with = "optional_secret")]
    totp: Option<Secret<String>>,
}

/// Answers like a login; for 5 minutes the new token counts as one of a recent login.
///
/// The older access tokens of the session become invalid, because one of them can be a copy.
/// Connections that were opened with them continue for about a minute, in which the client sends
/// the new token.
pub(crate) async fn reauthenticate(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let signed_in = SignedInUser::read_for_setup(&request)?;
    let input: ReauthenticateInput = read_json(&request.body, &["password", "totp"])?;
    let account = account_key_of(&signed_in);
    let attempts = Attempts::of_signed_in(&accounts, &request, &account);
    let row = check_password(&accounts, &attempts, &signed_in, input.password).await?;
    let authenticated = code_check::check(&accounts, &attempts, &row, input.totp).await?;
    let cookie = CookieOwner::read(&accounts, &request, &signed_in.session);
    let stored = accounts.store.reauthenticate_session(ReauthenticateRequest {
        session: signed_in.session,
        presented: cookie.presented_turn(&request),
        at_unix_ms: request.now.unix_ms,
        checked_unix_ms: accounts.options.clock.now().unix_ms,
        factors: code_check::factors(&row),
        grace_ms: accounts.options.times.grace_s * 1000,
        idle_ms: accounts.options.times.idle_s * 1000,
    });
    let session = match stored.await.map_err(StoreError::into_denial)? {
        ReauthenticateOutcome::Recorded(session) => session,
        ReauthenticateOutcome::Reused(session) => {
            refresh::record_reuse(&request, &session);
            return Err(Denial::Token(TokenFault::Used));
        }
        ReauthenticateOutcome::Ended => return Err(Denial::Token(TokenFault::Session)),
    };
    record_success_with(&request, Code::AuthnLoginSuccess, &row.id, |record| {
        record.user_name = Some(row.username.to_string());
        record.session = Some(Secret::new(session.id.as_str().to_owned()));
        record.reason = authenticated.reason(AuthenticationOccasion::Again);
    });
    let now_unix_s = request.now.unix_s();
    let mut response = refresh::token_response(&accounts, &request, &session, now_unix_s)?;
    if !matches!(cookie, CookieOwner::OtherSession) {
        let cookie = refresh::refresh_cookie(&accounts, &request, &session, now_unix_s);
        response.headers.push(cookie);
    }
    Ok(response)
}

/// The session of the refresh cookie that a request contains beside its token.
enum CookieOwner {
    /// The request contains no valid refresh cookie.
    Missing,
    /// The cookie belongs to the session of the token.
    ThisSession(RefreshToken),
    /// The browser has logged in again since; its newer session stays.
    OtherSession,
}

impl CookieOwner {
    fn read(accounts: &Accounts, request: &ApiRequest, session: &SessionId) -> Self {
        match RefreshToken::of_request(request, &accounts.secret) {
            None => Self::Missing,
            Some(token) if token.session == *session => Self::ThisSession(token),
            Some(_) => Self::OtherSession,
        }
    }

    fn presented_turn(&self, request: &ApiRequest) -> Option<PresentedTurn> {
        match self {
            Self::ThisSession(token) => Some(refresh::presented_turn(request, token)),
            Self::Missing | Self::OtherSession => None,
        }
    }
}
