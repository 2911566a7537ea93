//! `POST /auth/refresh`: replaces the refresh token and creates an access token.
//! Never: two successors of one token; a token used again later ends the session (RFC 9700
//! section 4.14).

use std::sync::Arc;

use portcullis_audit::{Outcome, Privilege, Record, Subject};
use portcullis_guard::{EntryOwner, read_json};
use portcullis_model::{Code, Denial, Secret, Severity, TokenFault};
use portcullis_server::{ApiRequest, ApiResponse};
use portcullis_store::{PresentedTurn, RotateOutcome, RotateRequest, SessionRow, StoreError};

use super::session_response::{self, SessionHolder, session_response};
use crate::accounts::Accounts;
use crate::login::known_device;
use crate::request::cookies;
use crate::request::input::EmptyBody;
use crate::request::record::record_success_with;
use crate::tokens::refresh_token::RefreshToken;

/// Answers like a login. The refresh cookie alone identifies the client.
pub(crate) async fn refresh(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let EmptyBody {} = read_json(&request.body, &[])?;
    let cookie = cookies::read(request.headers.cookie.as_deref(), cookies::REFRESH);
    let cookie = cookie.ok_or(Denial::Token(TokenFault::Missing))?;
    let token = RefreshToken::read(cookie, &accounts.secret, request.now);
    let token = token.ok_or(Denial::Token(TokenFault::Key))?;
    check_key(&request, &token)?;
    let rotated = accounts.store.rotate_session(RotateRequest {
        session: token.session.clone(),
        presented: presented_turn(&request, &token),
        at_unix_ms: request.now.unix_ms,
        grace_ms: accounts.options.times.grace_s * 1000,
        idle_ms: accounts.options.times.idle_s * 1000,
    });
    match rotated.await.map_err(StoreError::into_denial)? {
        RotateOutcome::Next(row) | RotateOutcome::Same(row) => {
            let authenticated_unix_s = authenticated_unix_s(&token, &row);
            let mut response = token_response(&accounts, &request, &row, authenticated_unix_s)?;
            let cookie = refresh_cookie(&accounts, &request, &row, authenticated_unix_s);
            response.headers.push(cookie);
            record_success_with(&request, Code::SessionRenewed, &row.user, |record| {
                let user = request.gate.directory().user(&row.user);
                record.user_name = user.map(|user| user.name().to_string());
                record.session = Some(Secret::new(row.id.as_str().to_owned()));
            });
            Ok(response)
        }
        RotateOutcome::Reused(row) => {
            record_reuse(&request, &row);
            Err(Denial::Token(TokenFault::Used))
        }
        RotateOutcome::Ended => Err(Denial::Token(TokenFault::Session)),
    }
}

/// Checks the proof of the client key, for a session that is bound to one.
///
/// A session that is not in the directory can have a key, so it is not refreshed.
fn check_key(request: &ApiRequest, token: &RefreshToken) -> Result<(), Denial> {
    let session = request.gate.directory().session(&token.session);
    let session = session.ok_or(Denial::Token(TokenFault::Session))?;
    let Some(key) = session.key() else { return Ok(()) };
    match request.checked_proof()? {
        Some(proof) if *proof.claimed_key() == *key => {
            let owner = EntryOwner::User(&session.user);
            request.gate.authentication().consume_proof(proof, owner, request.now).map(drop)
        }
        Some(_) | None => Err(Denial::Token(TokenFault::Proof)),
    }
}

/// When the holder of a refresh token authenticated, in seconds since 1970.
///
/// A token from before the last reauthentication keeps its own time: it can be a copy. A token of
/// an older version contains no time: it has that of the session until a user reauthenticates.
fn authenticated_unix_s(token: &RefreshToken, row: &SessionRow) -> i64 {
    let at_unix_ms =
        if row.generation == 0 { row.authenticated_unix_ms } else { row.created_unix_ms };
    token.authenticated_unix_s.unwrap_or(at_unix_ms.div_euclid(1000))
}

/// The rotation number of a token, with the device that the request claims.
pub(crate) fn presented_turn(request: &ApiRequest, token: &RefreshToken) -> PresentedTurn {
    let claimed =
        cookies::read(request.headers.cookie.as_deref(), cookies::DEVICE).unwrap_or_default();
    PresentedTurn { number: token.number, device_hash: known_device::claimed_hash(claimed) }
}

/// A new access token of a session, for a holder who authenticated at that time.
pub(crate) fn token_response(
    accounts: &Accounts,
    request: &ApiRequest,
    row: &SessionRow,
    authenticated_unix_s: i64,
) -> Result<ApiResponse, Denial> {
    let user = request.gate.directory().user(&row.user);
    let user = user.ok_or(Denial::Token(TokenFault::User))?;
    let holder = SessionHolder {
        user: row.user.clone(),
        username: user.name(),
        roles: user.roles(),
        key: row.key.clone(),
        factors: row.factors,
        gap: user.factor_gap(),
        authenticated_unix_s,
        generation: row.generation,
    };
    session_response(accounts, request, &row.id, &holder)
}

/// The `Set-Cookie` header with the newest refresh token of a session.
pub(crate) fn refresh_cookie(
    accounts: &Accounts,
    request: &ApiRequest,
    row: &SessionRow,
    authenticated_unix_s: i64,
) -> (&'static str, String) {
    let left_ms = row.ends_unix_ms.saturating_sub(request.now.unix_ms);
    let token = RefreshToken {
        session: row.id.clone(),
        number: row.turn,
        authenticated_unix_s: Some(authenticated_unix_s),
    };
    session_response::refresh_cookie(accounts, &token, left_ms.div_euclid(1000))
}

/// Records that two clients have used the same refresh token, which ends the session for both.
pub(crate) fn record_reuse(request: &ApiRequest, row: &SessionRow) {
    let mut record = Record::new(Code::AuthnTokenRevoked);
    // A second client has a copy of the refresh token.
    record.severity = Severity::Critical;
    record.outcome = Outcome::Success;
    record.rule = "refresh_reuse";
    record.client = Some(request.client);
    record.user = Some(row.user.clone());
    record.session = Some(Secret::new(row.id.as_str().to_owned()));
    record.origin = request.origin.as_deref().map(String::from);
    record.detail = Some(String::from("a refresh token was used twice: its session was ended"));
    let user = request.gate.directory().user(&row.user);
    let privilege = user.map_or(Privilege::Ordinary, |user| Privilege::of(user.roles()));
    let subject = Subject { privilege, ..Subject::default() };
    request.audit.record_with(record, &subject, request.now, |_| ());
}
