//! `POST /auth/refresh`: the cookie's turn ends, the next begins, with a fresh access token.
//! Never: two next turns of one; a turn shown again later ends the session (RFC 9700 section 4.14).

use std::sync::Arc;

use portcullis_audit::{Outcome, Record};
use portcullis_guard::{EntryOwner, read_json};
use portcullis_model::{Code, Denial, Secret, Severity, TokenFault};
use portcullis_server::{ApiRequest, ApiResponse};
use portcullis_store::{PresentedTurn, RotateOutcome, RotateRequest, SessionRow};

use crate::accounts::Accounts;
use crate::login::known_device;
use crate::request::cookies;
use crate::request::input::{Nothing, record_with, store_denial};
use crate::sessions::open::{self, Holder, refresh_cookie};
use crate::tokens::refresh_token::Turn;

/// Answers as a log-in does. Who the client is comes from its cookie alone.
pub(crate) async fn refresh(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let Nothing {} = read_json(&request.body, &[])?;
    let cookie = cookies::read(request.cookie.as_deref(), cookies::REFRESH);
    let cookie = cookie.ok_or(Denial::Token(TokenFault::Missing))?;
    let turn = accounts.secret.read_refresh_token(cookie, request.now);
    let turn = turn.ok_or(Denial::Token(TokenFault::Key))?;
    check_key(&request, &turn)?;
    let rotated = accounts.store.rotate_session(RotateRequest {
        session: turn.session.clone(),
        presented: presented_turn(&request, &turn),
        at_unix_ms: request.now.unix_ms,
        grace_ms: accounts.options.times.grace_s * 1000,
        idle_ms: accounts.options.times.idle_s * 1000,
    });
    match rotated.await.map_err(|error| store_denial(&error))? {
        RotateOutcome::Next(row) | RotateOutcome::Same(row) => {
            let authenticated_unix_s = proved_at(&turn, &row);
            let mut answered = answer(&accounts, &request, &row, authenticated_unix_s)?;
            answered.headers.push(cookie_of(&accounts, &request, &row, authenticated_unix_s));
            record_with(&request, Code::SessionRenewed, &row.user, |record| {
                let user = request.gate.directory().user(&row.user);
                record.user_name = user.map(|user| user.name().to_string());
                record.session = Some(Secret::new(row.id.as_str().to_owned()));
            });
            Ok(answered)
        }
        RotateOutcome::Reused(row) => {
            record_family(&request, &row);
            Err(Denial::Token(TokenFault::Used))
        }
        RotateOutcome::Ended => Err(Denial::Token(TokenFault::Session)),
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
            request.gate.authentication().use_proof(proof, owner, request.now).map(drop)
        }
        Some(_) | None => Err(Denial::Token(TokenFault::Proof)),
    }
}

/// When the holder of a refresh token proved who they are, in seconds since 1970.
///
/// A token from before the last proof stays at its own: it may be a copy. One that an older version
/// made tells no time; it is the session's until somebody has proved anew.
fn proved_at(turn: &Turn, row: &SessionRow) -> i64 {
    let at_unix_ms =
        if row.generation == 0 { row.authenticated_unix_ms } else { row.created_unix_ms };
    turn.authenticated_unix_s.unwrap_or(at_unix_ms.div_euclid(1000))
}

/// A turn with what the request shows of its device.
pub(crate) fn presented_turn(request: &ApiRequest, turn: &Turn) -> PresentedTurn {
    let claimed = cookies::read(request.cookie.as_deref(), cookies::DEVICE).unwrap_or_default();
    let device_hash = known_device::hash_of(known_device::claimed_name(claimed));
    PresentedTurn { number: turn.number, device_hash }
}

/// A fresh access token of a session, for a holder who proved who they are at that moment.
pub(crate) fn answer(
    accounts: &Accounts,
    request: &ApiRequest,
    row: &SessionRow,
    authenticated_unix_s: i64,
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
        authenticated_unix_s,
        generation: row.generation,
    };
    open::answer(accounts, request, &row.id, &holder)
}

/// The refresh cookie of a session's newest turn, with the holder's own proof.
pub(crate) fn cookie_of(
    accounts: &Accounts,
    request: &ApiRequest,
    row: &SessionRow,
    authenticated_unix_s: i64,
) -> (&'static str, String) {
    let left_ms = row.ends_unix_ms.saturating_sub(request.now.unix_ms);
    let turn = Turn {
        session: row.id.clone(),
        number: row.turn,
        authenticated_unix_s: Some(authenticated_unix_s),
    };
    refresh_cookie(accounts, &turn, left_ms.div_euclid(1000))
}

/// Two hold the same cookie: whoever the second is, the session is over for both.
pub(crate) fn record_family(request: &ApiRequest, row: &SessionRow) {
    let mut record = Record::new(Code::AuthnTokenRevoked);
    // A copy of the refresh token is in other hands.
    record.severity = Severity::Critical;
    record.outcome = Outcome::Success;
    record.rule = "refresh_reuse";
    record.client = Some(request.client);
    record.user = Some(row.user.clone());
    record.session = Some(Secret::new(row.id.as_str().to_owned()));
    record.origin = request.origin.as_deref().map(String::from);
    record.detail = Some(String::from("a refresh token was used twice: its session was ended"));
    request.audit.record(record, request.now);
}
