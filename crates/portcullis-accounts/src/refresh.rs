//! `POST /auth/refresh`: the cookie's turn ends, the next begins, with a fresh access token.
//! Never: two next turns of one; a turn shown again later ends the session (RFC 9700 section 4.14).

use std::sync::Arc;

use portcullis_audit::{Outcome, Record};
use portcullis_guard::{EntryOwner, read_json};
use portcullis_model::{Code, Denial, Severity, TokenFault};
use portcullis_server::{ApiRequest, ApiResponse};
use portcullis_store::{RotateSession, Rotated, SessionRow};

use crate::accounts::Accounts;
use crate::cookies;
use crate::device;
use crate::input::{Nothing, record_act, store_denial};
use crate::refresh_token::Turn;
use crate::session_open::{self, Holder, refresh_cookie};

/// Answers as a log-in does. Who the client is comes from its cookie alone.
pub(crate) async fn refresh(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let Nothing {} = read_json(&request.body, &[])?;
    let cookie = cookies::read(request.cookie.as_deref(), cookies::REFRESH);
    let cookie = cookie.ok_or(Denial::Token(TokenFault::Missing))?;
    let turn = accounts.secret.read_refresh_token(cookie);
    let turn = turn.ok_or(Denial::Token(TokenFault::Key))?;
    check_key(&request, &turn)?;
    let claimed = cookies::read(request.cookie.as_deref(), cookies::DEVICE).unwrap_or_default();
    let rotated = accounts.store.rotate_session(RotateSession {
        session: turn.session.clone(),
        turn: turn.number,
        device_hash: device::hash_of(device::claimed_name(claimed)),
        at_unix_ms: request.now.unix_ms,
        grace_ms: accounts.options.times.grace_s * 1000,
        idle_ms: accounts.options.times.idle_s * 1000,
    });
    match rotated.await.map_err(|error| store_denial(&error))? {
        Rotated::Next(row) | Rotated::Same(row) => answer(&accounts, &request, row),
        Rotated::Reused(row) => {
            record_family(&request, &row);
            Err(Denial::Token(TokenFault::Used))
        }
        Rotated::Ended => Err(Denial::Token(TokenFault::Session)),
    }
}

/// A session with a key is refreshed with a proof of that key only; one that is not known may have
/// a key, and is not refreshed at all.
fn check_key(request: &ApiRequest, turn: &Turn) -> Result<(), Denial> {
    let session = request.gate.directory().session(&turn.session);
    let session = session.ok_or(Denial::Token(TokenFault::Session))?;
    let Some(key) = session.key() else { return Ok(()) };
    match request.checked_proof()? {
        Some(proof) if *proof.claimed_key() == *key => {
            let owner = EntryOwner::User(&session.user);
            request.gate.use_proof(proof, owner, request.now).map(drop)
        }
        Some(_) | None => Err(Denial::Token(TokenFault::Proof)),
    }
}

fn answer(
    accounts: &Accounts,
    request: &ApiRequest,
    row: SessionRow,
) -> Result<ApiResponse, Denial> {
    let user = request.gate.directory().user(&row.user);
    let user = user.ok_or(Denial::Token(TokenFault::User))?;
    let holder = Holder {
        user: row.user.clone(),
        username: user.name(),
        roles: user.roles(),
        key: row.key.clone(),
        factors: row.factors,
        gap: user.factor_gap(),
    };
    let mut answer = session_open::answer(accounts, request, &row.id, &holder)?;
    let left_ms = row.ends_unix_ms.saturating_sub(request.now.unix_ms);
    let turn = Turn { session: row.id.clone(), number: row.turn };
    answer.headers.push(refresh_cookie(accounts, &turn, left_ms.div_euclid(1000)));
    record_act(request, Code::SessionRenewed, &row.user, &user.name());
    Ok(answer)
}

/// Two hold the same cookie: whoever the second is, the session is over for both.
fn record_family(request: &ApiRequest, row: &SessionRow) {
    let mut record = Record::new(Code::AuthnTokenRevoked);
    // A copy of the refresh token is in other hands.
    record.severity = Severity::Critical;
    record.outcome = Outcome::Success;
    record.rule = "refresh_reuse";
    record.client = Some(request.client);
    record.user = Some(row.user.clone());
    record.origin = request.origin.as_deref().map(String::from);
    record.detail = Some(String::from("a refresh token was used twice: its session was ended"));
    request.audit.record(record, request.now);
}
