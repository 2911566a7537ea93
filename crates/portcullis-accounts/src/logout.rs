//! `POST /auth/logout` and `/auth/logout-all`: this session ends, or every session of the user.
//! Never: a socket of an ended session left open; the feed ends those.

use std::sync::Arc;

use portcullis_guard::{ADMISSION_COOKIE, Verified, read_json};
use portcullis_model::{Code, Denial, SessionId, TokenFault, UserId};
use portcullis_server::{ApiRequest, ApiResponse};
use portcullis_store::{Revocation, RevocationKind, UserChange, UserChangeKind, WhichSessions};
use serde::Serialize;

use crate::accounts::Accounts;
use crate::cookies;
use crate::input::{Nothing, record_with, store_denial};

#[derive(Serialize)]
struct LoggedOut {
    ok: bool,
}

/// Ends the session the token or, without one, the cookie names. Answers 200 `{ok: true}`.
///
/// Of another issuer the token or its session is withdrawn here; there it is the issuer's.
pub(crate) async fn logout(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let Nothing {} = read_json(&request.body, &[])?;
    if request.bearer.is_some() || request.bound.is_some() {
        let (verified, user) = request.authenticated()?;
        match verified.session.as_deref().map(SessionId::parse) {
            Some(Ok(session)) if verified.own => {
                end(&accounts, user.id.clone(), WhichSessions::One(session)).await?;
            }
            _ => withdraw(&accounts, &request, &verified).await?,
        }
        return Ok(answer(&request, &user.id));
    }
    let cookie = cookies::read(request.cookie.as_deref(), cookies::REFRESH);
    let turn = cookie.and_then(|cookie| accounts.secret.read_refresh_token(cookie));
    let turn = turn.ok_or(Denial::Token(TokenFault::Missing))?;
    let session = request.gate.directory().session(&turn.session);
    let session = session.ok_or(Denial::Token(TokenFault::Session))?;
    end(&accounts, session.user.clone(), WhichSessions::One(turn.session)).await?;
    Ok(answer(&request, &session.user))
}

/// Ends every session of the user, this one too. Answers 200 `{ok: true}`.
pub(crate) async fn logout_all(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let (verified, user) = request.authenticated()?;
    let Nothing {} = read_json(&request.body, &[])?;
    if verified.own {
        end(&accounts, user.id.clone(), WhichSessions::All).await?;
    } else {
        // Its sessions are not known here: every token issued up to now is void.
        let change = UserChange {
            user: user.id.clone(),
            what: UserChangeKind::RevokeAll,
            at_unix_ms: request.now.unix_ms,
        };
        let changed = accounts.store.change_user(change).await;
        changed.map(drop).map_err(|error| store_denial(&error))?;
    }
    Ok(answer(&request, &user.id))
}

async fn end(accounts: &Accounts, user: UserId, which: WhichSessions) -> Result<(), Denial> {
    let ended = accounts.store.end_sessions(user, which).await;
    ended.map(drop).map_err(|error| store_denial(&error))
}

/// Withdraws another issuer's session, or at least this token of it.
async fn withdraw(
    accounts: &Accounts,
    request: &ApiRequest,
    verified: &Verified,
) -> Result<(), Denial> {
    let (kind, name) = match (&verified.session, verified.token.as_str()) {
        (Some(session), _) => (RevocationKind::Session, session.clone()),
        (None, "") => return logout_by_time(accounts, request, verified).await,
        (None, token) => (RevocationKind::Token, String::from(token)),
    };
    // A session outlives the token that names it; no token of it lives longer than a day.
    let day_ms = 24 * 60 * 60 * 1000;
    let until_unix_ms = match kind {
        RevocationKind::Session => request.now.unix_ms.saturating_add(day_ms),
        RevocationKind::Token => verified.expires_unix_s.saturating_mul(1000),
    };
    let issuer = verified.issuer.to_string();
    let revocation = Revocation { issuer, kind, name, until_unix_ms };
    accounts.store.revoke(revocation).await.map_err(|error| store_denial(&error))
}

/// A token without a name and a session: all the user's tokens up to now go with it.
async fn logout_by_time(
    accounts: &Accounts,
    request: &ApiRequest,
    verified: &Verified,
) -> Result<(), Denial> {
    let change = UserChange {
        user: verified.user.clone(),
        what: UserChangeKind::RevokeAll,
        at_unix_ms: request.now.unix_ms,
    };
    let changed = accounts.store.change_user(change).await;
    changed.map(drop).map_err(|error| store_denial(&error))
}

fn answer(request: &ApiRequest, user: &UserId) -> ApiResponse {
    record_with(request, Code::SessionLogout, user, |_| {});
    let mut answer = ApiResponse::json(200, &LoggedOut { ok: true });
    for cookie in [cookies::REFRESH, ADMISSION_COOKIE] {
        answer.headers.push(("Set-Cookie", cookies::clear(cookie)));
    }
    answer
}
