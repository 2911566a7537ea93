//! A log-in becomes a session: stored, told to the client by token and cookies, recorded.
//! Never: an id a client chose, or an older session of the same browser left behind.

use std::sync::Arc;

use portcullis_guard::{ADMISSION_COOKIE, ADMISSION_LIFE_S, FactorGap, User};
use portcullis_model::{Code, Denial, Now, Roles, Secret, SessionId, UserId};
use portcullis_server::{ApiRequest, ApiResponse, random_id};
use portcullis_store::{Factors, NewSession, OpenSessionOutcome, SessionSelector};
use serde::Serialize;

use crate::accounts::Accounts;
use crate::login::known_device::{DEVICE_LIFE_S, Device};
use crate::request::cookies;
use crate::request::input::{UserView, record_with, store_denial};
use crate::tokens::access_token::{ACCESS_TOKEN_LIFE_S, AccessClaims};
use crate::tokens::refresh_token::Turn;

/// Whose session it is, and what the client has to know of it.
pub(crate) struct Holder {
    pub(crate) user: UserId,
    pub(crate) username: Arc<str>,
    /// What the user may do, with what is still missing taken away.
    pub(crate) roles: Roles,
    /// The client's key, when it has shown one.
    pub(crate) key: Option<Vec<u8>>,
    /// How the user has proved who they are.
    pub(crate) factors: Factors,
    /// What the user lacks for want of a second factor.
    pub(crate) gap: FactorGap,
    /// When the holder of this answer proved who they are, in seconds since 1970.
    pub(crate) authenticated_unix_s: i64,
    /// How often the user has proved anew, within the session, who they are.
    pub(crate) generation: u64,
}

#[derive(Serialize)]
pub(crate) struct LoggedIn<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i64,
    user: UserView,
    /// For clients without cookies: the value of the header `X-Admission`.
    #[serde(skip_serializing_if = "Option::is_none")]
    admission: Option<&'a str>,
    /// When the user proved who they are, in milliseconds since 1970.
    authenticated_at: i64,
    /// Roles have no effect until a second factor is added.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    totp_setup_required: bool,
    /// Nothing but adding a second factor is possible until then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    totp_setup_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    muted: Option<MutedView>,
}

/// A mute as its user sees it, so that a page can say it before a message is written.
#[derive(Serialize)]
struct MutedView {
    /// In milliseconds since 1970; absent for a mute without an end.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
}

impl MutedView {
    fn of(user: &User, now: Now) -> Option<Self> {
        match user.check_not_muted(now) {
            Err(Denial::Muted { until_unix_ms: until, .. }) => Some(Self { until }),
            Ok(()) | Err(_) => None,
        }
    }
}

/// Opens a session and answers 200 `{access_token, token_type, expires_in, user}` with the cookies.
pub(crate) async fn open(
    accounts: &Accounts,
    request: &ApiRequest,
    holder: Holder,
    device: &Device,
) -> Result<ApiResponse, Denial> {
    end_former(accounts, request).await?;
    let id = SessionId::parse(&random_id::<20>()?).map_err(|_| Denial::Internal("session_id"))?;
    let times = accounts.options.times;
    // A full table rejects no login: the new session replaces the user's other sessions.
    let has_space = request.gate.directory().has_session_space();
    let sessions_per_user_max = if has_space { times.per_user_max } else { 1 };
    let at_unix_ms = request.now.unix_ms;
    let new = NewSession {
        id: id.clone(),
        user: holder.user.clone(),
        at_unix_ms,
        idle_ends_unix_ms: at_unix_ms.saturating_add(times.idle_s * 1000),
        ends_unix_ms: at_unix_ms.saturating_add(times.absolute_s * 1000),
        device: request.user_agent.clone(),
        address: request.client.to_string(),
        device_hash: device.hash(),
        key: holder.key.clone(),
        factors: holder.factors,
        sessions_per_user_max,
    };
    match accounts.store.open_session(new).await.map_err(|error| store_denial(&error))? {
        OpenSessionOutcome::Opened => {}
        // Gone or barred since the password was looked up.
        OpenSessionOutcome::UserMissing => {
            let username = Some(holder.username.to_string());
            return Err(Denial::Login { reason: "disabled", username });
        }
    }
    record_with(request, Code::SessionCreated, &holder.user, |record| {
        record.user_name = Some(holder.username.to_string());
        record.session = Some(Secret::new(id.as_str().to_owned()));
    });
    let mut answer = answer(accounts, request, &id, &holder)?;
    let authenticated_unix_s = Some(holder.authenticated_unix_s);
    let turn = Turn { session: id, number: 0, authenticated_unix_s };
    answer.headers.push(refresh_cookie(accounts, &turn, times.absolute_s));
    let cookie = cookies::set(cookies::DEVICE, device.cookie(), DEVICE_LIFE_S);
    answer.headers.push(("Set-Cookie", cookie));
    Ok(answer)
}

/// The cookie that carries a turn's token for so long.
pub(crate) fn refresh_cookie(
    accounts: &Accounts,
    turn: &Turn,
    life_s: i64,
) -> (&'static str, String) {
    let token = accounts.secret.refresh_token(turn);
    ("Set-Cookie", cookies::set(cookies::REFRESH, token.expose(), life_s.max(0)))
}

/// A fresh access token of a session, as the routes answer it.
pub(crate) fn answer(
    accounts: &Accounts,
    request: &ApiRequest,
    session: &SessionId,
    holder: &Holder,
) -> Result<ApiResponse, Denial> {
    let bound = holder.key.as_deref().and_then(portcullis_guard::thumbprint);
    let token = accounts.keys.access_token(&AccessClaims {
        issuer: &accounts.options.issuer,
        audience: &accounts.options.audience,
        user: &holder.user,
        name: &holder.username,
        session: session.as_str(),
        token: &random_id::<16>()?,
        issued_unix_s: request.now.unix_s(),
        authenticated_unix_s: holder.authenticated_unix_s,
        generation: holder.generation,
        bound: bound.as_deref(),
    })?;
    record_with(request, Code::AuthnTokenCreated, &holder.user, |record| {
        record.user_name = Some(holder.username.to_string());
        record.session = Some(Secret::new(session.as_str().to_owned()));
    });
    let username = Arc::clone(&holder.username);
    let admission = request.gate.admission().make_token(&holder.user, holder.roles, request.now);
    let user = request.gate.directory().user(&holder.user);
    let body = LoggedIn {
        admission: shown_admission(request, &admission),
        access_token: token.expose(),
        token_type: if bound.is_some() { "DPoP" } else { "Bearer" },
        expires_in: ACCESS_TOKEN_LIFE_S,
        user: UserView::new(&holder.user, username, holder.roles, &accounts.roles),
        totp_setup_required: holder.gap.is_open(),
        totp_setup_only: holder.gap.setup_only,
        muted: user.and_then(|user| MutedView::of(&user, request.now)),
        authenticated_at: holder.authenticated_unix_s.saturating_mul(1000),
    };
    let mut answer = ApiResponse::json(200, &body);
    let cookie = cookies::set(ADMISSION_COOKIE, &admission, ADMISSION_LIFE_S);
    answer.headers.push(("Set-Cookie", cookie));
    Ok(answer)
}

/// The admission as it stands in the body, for clients without cookies.
///
/// A page of this server has it as a cookie; its scripts need not read it.
pub(crate) fn shown_admission<'a>(request: &ApiRequest, admission: &'a str) -> Option<&'a str> {
    (!request.own_page).then_some(admission)
}

/// Ends the session whose cookie the request still carries: a browser has one log-in.
async fn end_former(accounts: &Accounts, request: &ApiRequest) -> Result<(), Denial> {
    let cookie = cookies::read(request.cookie.as_deref(), cookies::REFRESH);
    let turn = cookie.and_then(|cookie| accounts.secret.read_refresh_token(cookie, request.now));
    let Some(turn) = turn else { return Ok(()) };
    let former = request.gate.directory().session(&turn.session);
    let Some(former) = former else { return Ok(()) };
    let one = SessionSelector::One(turn.session);
    let ended = accounts.store.end_sessions(former.user.clone(), one).await;
    ended.map(drop).map_err(|error| store_denial(&error))
}
