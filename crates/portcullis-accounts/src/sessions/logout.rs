//! `POST /auth/logout` and `/auth/logout-all`: this session ends, or every session of the user.
//! Never: a socket of an ended session left open; the feed ends those.

use std::sync::Arc;

use portcullis_guard::{
    ADMISSION_COOKIE, EntryOwner, RevocationKind, RevocationName, VerifiedCredential, read_json,
};
use portcullis_model::{Code, Denial, SessionId, TokenFault, UserId};
use portcullis_server::{ApiRequest, ApiResponse};
use portcullis_store::{
    ChangeUserOutcome, Revocation, SessionSelector, UserChange, UserChangeKind,
};
use serde::Serialize;

use crate::accounts::Accounts;
use crate::request::cookies;
use crate::request::input::{Nothing, check_recent, record_with, store_denial};
use crate::users::provision::provision;

/// How long the session of another issuer stays revoked: the longest life of a token, and the
/// most that another clock may be ahead.
const SESSION_REVOKED_MS: i64 = (24 * 60 * 60 + 5) * 1000;

/// What a browser removes of this site. Not the cookies: `__Host-device` keeps the owner's way open
/// when attackers close the account, and a browser would remove those of every subdomain as well.
const CLEARED: &str = r#""cache", "storage""#;

#[derive(Serialize)]
struct LoggedOut {
    ok: bool,
}

/// Ends the session the token or, without one, the cookie names. Answers 200 `{ok: true}`.
///
/// Of another issuer the token or its session is revoked here; there it is the issuer's.
pub(crate) async fn logout(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let Nothing {} = read_json(&request.body, &[])?;
    if request.bearer.is_some() || request.bound.is_some() {
        let verified = believed(&request)?;
        match verified.session.as_deref().map(SessionId::parse) {
            Some(Ok(session)) if verified.own => {
                end(&accounts, verified.user.clone(), SessionSelector::One(session)).await?;
            }
            _ => revoke(&accounts, &request, &verified).await?,
        }
        return Ok(answer(&request, &verified.user));
    }
    let cookie = cookies::read(request.cookie.as_deref(), cookies::REFRESH);
    let turn = cookie.and_then(|cookie| accounts.secret.read_refresh_token(cookie, request.now));
    let turn = turn.ok_or(Denial::Token(TokenFault::Missing))?;
    let session = request.gate.directory().session(&turn.session);
    let session = session.ok_or(Denial::Token(TokenFault::Session))?;
    end(&accounts, session.user.clone(), SessionSelector::One(turn.session)).await?;
    Ok(answer(&request, &session.user))
}

/// Ends every session of the user, this one too. Answers 200 `{ok: true}`.
///
/// Needs a recent log-in, so that the holder of a stolen token cannot log the owner out everywhere.
/// Users of other issuers cannot prove anew here who they are: theirs needs none.
pub(crate) async fn logout_all(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let verified = believed(&request)?;
    let Nothing {} = read_json(&request.body, &[])?;
    if verified.own {
        check_recent(verified.authenticated_unix_s, &request)?;
        end(&accounts, verified.user.clone(), SessionSelector::All).await?;
    } else {
        // Its sessions are not known here: every token issued up to now is void.
        void_all(&accounts, &request, &verified).await?;
    }
    Ok(answer(&request, &verified.user))
}

/// The token a request logs out with: it has to be one that would open a socket.
///
/// The user of another issuer may never have connected; such a token opens one, so it ends too.
fn believed(request: &ApiRequest) -> Result<VerifiedCredential, Denial> {
    let verified = request.verified()?;
    if verified.own || request.gate.directory().user(&verified.user).is_some() {
        request.gate.identify(&verified, request.now)?;
    } else {
        request.gate.authentication().check_not_revoked(&verified, request.now)?;
    }
    Ok(verified)
}

async fn end(accounts: &Accounts, user: UserId, which: SessionSelector) -> Result<(), Denial> {
    let ended = accounts.store.end_sessions(user, which).await;
    ended.map(drop).map_err(|error| store_denial(&error))
}

/// Revokes another issuer's session, or at least this token of it.
///
/// Without space for one more revocation of this user, all tokens of the user up to now are void:
/// that needs no entry, and no user can fill the table for another.
async fn revoke(
    accounts: &Arc<Accounts>,
    request: &ApiRequest,
    verified: &VerifiedCredential,
) -> Result<(), Denial> {
    let (kind, name) = match (&verified.session, verified.token.as_str()) {
        (Some(session), _) => (RevocationKind::Session, session.clone()),
        (None, "") => return void_all(accounts, request, verified).await,
        (None, token) => (RevocationKind::Token, String::from(token)),
    };
    let user = verified.user.as_str();
    let what = RevocationName { issuer: &verified.issuer, user, kind, name: &name };
    let owner = request.gate.limits().owner(EntryOwner::User(&verified.user));
    let authority = request.gate.directory().authority();
    let label = || verified.user.to_string();
    let Ok(slot) = authority.reserve(what, owner, label, request.now) else {
        return void_all(accounts, request, verified).await;
    };
    // A session outlives the token that names it; none of its tokens so far lives longer than this.
    let until_unix_ms = match kind {
        RevocationKind::Session => request.now.unix_ms.saturating_add(SESSION_REVOKED_MS),
        RevocationKind::Token => verified.expires_unix_s.saturating_mul(1000),
    };
    let revocation = Revocation {
        issuer: verified.issuer.to_string(),
        user: user.to_owned(),
        kind,
        name: name.clone(),
        until_unix_ms,
    };
    accounts.store.revoke(revocation).await.map_err(|error| store_denial(&error))?;
    drop(slot);
    if authority.is_withdrawn(what) { Ok(()) } else { Err(Denial::Internal("revocation")) }
}

/// Voids all tokens of the user up to now, the shown one too if its issuer's clock is ahead.
async fn void_all(
    accounts: &Arc<Accounts>,
    request: &ApiRequest,
    verified: &VerifiedCredential,
) -> Result<(), Denial> {
    if !verified.own && request.gate.directory().user(&verified.user).is_none() {
        // What is void is stored with the user.
        let directory = Arc::clone(request.gate.directory());
        provision(Arc::clone(accounts), directory, request.client, verified.clone()).await?;
    }
    let shown_unix_ms = verified.issued_unix_s.saturating_mul(1000).saturating_add(1);
    let change = UserChange {
        user: verified.user.clone(),
        what: UserChangeKind::RevokeAll,
        at_unix_ms: request.now.unix_ms.max(shown_unix_ms),
    };
    let changed = accounts.store.change_user(change).await;
    match changed.map_err(|error| store_denial(&error))? {
        ChangeUserOutcome::Changed(_) => Ok(()),
        ChangeUserOutcome::Missing
        | ChangeUserOutcome::NameTaken
        | ChangeUserOutcome::LastAdmin => Err(Denial::Internal("revocation")),
    }
}

fn answer(request: &ApiRequest, user: &UserId) -> ApiResponse {
    record_with(request, Code::SessionLogout, user, |_| {});
    let mut answer = ApiResponse::json(200, &LoggedOut { ok: true });
    for cookie in [cookies::REFRESH, ADMISSION_COOKIE] {
        answer.headers.push(("Set-Cookie", cookies::clear(cookie)));
    }
    answer.headers.push(("Clear-Site-Data", String::from(CLEARED)));
    answer
}
