//! Opens a session after a login: stores it, sets the cookies, records it.
//! Never: a session id that a client chose, or an older session of the same browser left open.

use portcullis_model::{Code, Denial, Secret, SessionId};
use portcullis_server::{ApiRequest, ApiResponse, random_id};
use portcullis_store::{NewSession, OpenSessionOutcome, SessionSelector, StoreError};

use super::session_response::{SessionHolder, refresh_cookie, session_response};
use crate::accounts::Accounts;
use crate::keys::session_key::DEVICE_LIFE_S;
use crate::login::known_device::KnownDevice;
use crate::request::cookies;
use crate::request::record::record_success_with;
use crate::tokens::refresh_token::RefreshToken;

/// Opens a session and answers 200 `{access_token, token_type, expires_in, user}` with the cookies.
pub(crate) async fn open(
    accounts: &Accounts,
    request: &ApiRequest,
    holder: SessionHolder,
    device: &KnownDevice,
) -> Result<ApiResponse, Denial> {
    end_earlier_session(accounts, request).await?;
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
        device: request.headers.user_agent.clone(),
        address: request.client.to_string(),
        device_hash: device.hash(),
        key: holder.key.clone(),
        factors: holder.factors,
        sessions_per_user_max,
    };
    match accounts.store.open_session(new).await.map_err(StoreError::into_denial)? {
        OpenSessionOutcome::Opened => {}
        // The user was deleted, disabled or banned after the password was looked up.
        OpenSessionOutcome::UserMissing => {
            let username = Some(holder.username.to_string());
            return Err(Denial::Login { reason: "disabled", username });
        }
    }
    record_success_with(request, Code::SessionCreated, &holder.user, |record| {
        record.user_name = Some(holder.username.to_string());
        record.session = Some(Secret::new(id.as_str().to_owned()));
    });
    let mut response = session_response(accounts, request, &id, &holder)?;
    let authenticated_unix_s = Some(holder.authenticated_unix_s);
    let token = RefreshToken { session: id, number: 0, authenticated_unix_s };
    response.headers.push(refresh_cookie(accounts, &token, times.absolute_s));
    let cookie = cookies::set(cookies::DEVICE, device.cookie(), DEVICE_LIFE_S);
    response.headers.push(("Set-Cookie", cookie));
    Ok(response)
}

/// Ends the session of the refresh cookie that the request contains: a browser has one login.
async fn end_earlier_session(accounts: &Accounts, request: &ApiRequest) -> Result<(), Denial> {
    let Some(token) = RefreshToken::of_request(request, &accounts.secret) else { return Ok(()) };
    let earlier = request.gate.directory().session(&token.session);
    let Some(earlier) = earlier else { return Ok(()) };
    let one = SessionSelector::One(token.session);
    let ended = accounts.store.end_sessions(earlier.user.clone(), one).await;
    ended.map(drop).map_err(StoreError::into_denial)
}
