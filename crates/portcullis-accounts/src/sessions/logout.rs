//! `POST /auth/logout` and `/auth/logout-all`: end one session, or all sessions of the user.
//! Never: sockets; the feed ends those of an ended session.

use std::sync::Arc;

use portcullis_guard::{
    ADMISSION_COOKIE, EntryOwner, RevocationKind, RevocationName, VerifiedCredential, read_json,
};
use portcullis_model::{Code, Denial, SessionId, TokenFault, UserId};
use portcullis_server::{ApiRequest, ApiResponse};
use portcullis_store::{
    ChangeUserOutcome, Revocation, SessionSelector, StoreError, UserChange, UserChangeKind,
};

use crate::accounts::Accounts;
use crate::request::cookies;
use crate::request::input::EmptyBody;
use crate::request::record::record_success_with;
use crate::request::signed_in_user::check_recent;
use crate::request::view::OkView;
use crate::tokens::refresh_token::RefreshToken;
use crate::users::provision::provision;

/// How long the session of another issuer stays revoked: the longest life of a token, and the
/// largest difference between clocks.
const SESSION_REVOKED_MS: i64 = (24 * 60 * 60 + 5) * 1000;

/// The data that a browser removes for this site (`Clear-Site-Data`).
///
/// Cookies stay: `__Host-device` lets the user log in when attackers have closed the account, and a
/// browser would also remove the cookies of all subdomains.
const CLEARED: &str = r#""cache", "storage""#;

/// Ends the session of the token or, without a token, of the cookie. Answers 200 `{ok: true}`.
///
/// For a token of another issuer, the token or its session is revoked on this server only.
pub(crate) async fn logout(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let EmptyBody {} = read_json(&request.body, &[])?;
    if request.credentials.bearer.is_some() || request.credentials.bound.is_some() {
        let verified = logout_token(&request)?;
        match verified.session.as_deref().map(SessionId::parse) {
            Some(Ok(session)) if verified.own => {
                end(&accounts, verified.user.clone(), SessionSelector::One(session)).await?;
            }
            _ => revoke(&accounts, &request, &verified).await?,
        }
        return Ok(logout_response(&request, &verified.user));
    }
    let token = RefreshToken::of_request(&request, &accounts.secret);
    let token = token.ok_or(Denial::Token(TokenFault::Missing))?;
    let session = request.gate.directory().session(&token.session);
    let session = session.ok_or(Denial::Token(TokenFault::Session))?;
    end(&accounts, session.user.clone(), SessionSelector::One(token.session)).await?;
    Ok(logout_response(&request, &session.user))
}

/// Ends all sessions of the user, including this one. Answers 200 `{ok: true}`.
///
/// Needs a recent login, so that the holder of a stolen token cannot sign the user out everywhere.
/// Users of other issuers cannot reauthenticate on this server, so the rule does not apply to them.
pub(crate) async fn logout_all(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let verified = logout_token(&request)?;
    let EmptyBody {} = read_json(&request.body, &[])?;
    if verified.own {
        check_recent(verified.login.authenticated_unix_s, &request)?;
        end(&accounts, verified.user.clone(), SessionSelector::All).await?;
    } else {
        // The sessions of another issuer are unknown here: all tokens issued so far are revoked.
        revoke_all(&accounts, &request, &verified).await?;
    }
    Ok(logout_response(&request, &verified.user))
}

/// Reads the token of a logout, which has to be one that would open a socket.
///
/// A user of another issuer can be unknown, because they have never connected. Their token would
/// open a socket, so it can be revoked too.
fn logout_token(request: &ApiRequest) -> Result<VerifiedCredential, Denial> {
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
    ended.map(drop).map_err(StoreError::into_denial)
}

/// Revokes a session of another issuer, or its token if it names no session.
///
/// When the user has no space for another revocation, all tokens of the user issued so far are
/// revoked. That needs no entry, so a user cannot fill the table for other users.
async fn revoke(
    accounts: &Arc<Accounts>,
    request: &ApiRequest,
    verified: &VerifiedCredential,
) -> Result<(), Denial> {
    let (kind, name) = match (&verified.session, verified.token.as_str()) {
        (Some(session), _) => (RevocationKind::Session, session.clone()),
        (None, "") => return revoke_all(accounts, request, verified).await,
        (None, token) => (RevocationKind::Token, String::from(token)),
    };
    let user = verified.user.as_str();
    let what = RevocationName { issuer: &verified.issuer, user, kind, name: &name };
    let owner = request.gate.limits().share_owner(EntryOwner::User(&verified.user));
    let authority = request.gate.directory().authority();
    let label = || verified.user.to_string();
    let Ok(slot) = authority.reserve(what, owner, label, request.now) else {
        return revoke_all(accounts, request, verified).await;
    };
    // A session outlives its token; no token issued so far lives longer than this.
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
    accounts.store.revoke(revocation).await.map_err(StoreError::into_denial)?;
    drop(slot);
    if authority.is_revoked(what) { Ok(()) } else { Err(Denial::Internal("revocation")) }
}

/// Revokes all tokens of the user issued so far, and this one if the clock of its issuer is ahead.
async fn revoke_all(
    accounts: &Arc<Accounts>,
    request: &ApiRequest,
    verified: &VerifiedCredential,
) -> Result<(), Denial> {
    if !verified.own && request.gate.directory().user(&verified.user).is_none() {
        // The revocation is stored with the user.
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
    match changed.map_err(StoreError::into_denial)? {
        ChangeUserOutcome::Changed(_) => Ok(()),
        ChangeUserOutcome::Missing
        | ChangeUserOutcome::NameTaken
        | ChangeUserOutcome::LastAdmin => Err(Denial::Internal("revocation")),
    }
}

fn logout_response(request: &ApiRequest, user: &UserId) -> ApiResponse {
    record_success_with(request, Code::SessionLogout, user, |_| {});
    let mut response = ApiResponse::json(200, &OkView::OK);
    for cookie in [cookies::REFRESH, ADMISSION_COOKIE] {
        response.headers.push(("Set-Cookie", cookies::clear(cookie)));
    }
    response.headers.push(("Clear-Site-Data", String::from(CLEARED)));
    response
}
