//! The response that hands an access token and cookies of a session to the client.
//! Never: an unrecorded token.

use std::sync::Arc;

use portcullis_guard::{ADMISSION_COOKIE, ADMISSION_LIFE_S, FactorGap, User};
use portcullis_model::{Code, Denial, Now, Roles, Secret, SessionId, UserId};
use portcullis_server::{ApiRequest, ApiResponse, random_id};
use portcullis_store::Factors;
use serde::Serialize;

use crate::accounts::Accounts;
use crate::request::cookies;
use crate::request::record::record_success_with;
use crate::request::view::UserView;
use crate::tokens::access_token::{ACCESS_TOKEN_LIFE_S, AccessClaims};
use crate::tokens::refresh_token::RefreshToken;

/// The user of a session, with the facts in the response.
pub(crate) struct SessionHolder {
    pub(crate) user: UserId,
    pub(crate) username: Arc<str>,
    /// The roles in force, without those that a missing second factor withholds.
    pub(crate) roles: Roles,
    /// The key of the client, if it has proved one.
    pub(crate) key: Option<Vec<u8>>,
    /// The factors with which the user has authenticated.
    pub(crate) factors: Factors,
    /// The roles that a missing second factor withholds.
    pub(crate) gap: FactorGap,
    /// When the holder of this response authenticated, in seconds since 1970.
    pub(crate) authenticated_unix_s: i64,
    /// How often the user has reauthenticated in the session.
    pub(crate) generation: u64,
}

#[derive(Serialize)]
struct TokenView<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i64,
    user: UserView,
    /// For clients without cookies: the value of the header `X-Admission`.
    #[serde(skip_serializing_if = "Option::is_none")]
    admission: Option<&'a str>,
    /// When the user authenticated, in milliseconds since 1970.
    authenticated_at: i64,
    /// Roles have no effect until the user adds a second factor.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    totp_setup_required: bool,
    /// Until then the user can only add a second factor.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    totp_setup_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    muted: Option<MuteView>,
}

/// A mute as its user sees it, so that a page can show it before the user writes a message.
#[derive(Serialize)]
struct MuteView {
    /// In milliseconds since 1970; absent for a mute without an end.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
}

impl MuteView {
    fn of(user: &User, now: Now) -> Option<Self> {
        match user.check_not_muted(now) {
            Err(Denial::Muted { until_unix_ms: until, .. }) => Some(Self { until }),
            Ok(()) | Err(_) => None,
        }
    }
}

/// Creates an access token of a session, and the response that contains it.
pub(crate) fn session_response(
    accounts: &Accounts,
    request: &ApiRequest,
    session: &SessionId,
    holder: &SessionHolder,
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
    record_success_with(request, Code::AuthnTokenCreated, &holder.user, |record| {
        record.user_name = Some(holder.username.to_string());
        record.session = Some(Secret::new(session.as_str().to_owned()));
    });
    let username = Arc::clone(&holder.username);
    let admission = request.gate.admission().make_token(&holder.user, holder.roles, request.now);
    let user = request.gate.directory().user(&holder.user);
    let body = TokenView {
        admission: admission_in_body(request, &admission),
        access_token: token.expose(),
        token_type: if bound.is_some() { "DPoP" } else { "Bearer" },
        expires_in: ACCESS_TOKEN_LIFE_S,
        user: UserView::new(&holder.user, username, holder.roles, &accounts.roles),
        totp_setup_required: holder.gap.is_open(),
        totp_setup_only: holder.gap.setup_only,
        muted: user.and_then(|user| MuteView::of(&user, request.now)),
        authenticated_at: holder.authenticated_unix_s.saturating_mul(1000),
    };
    let mut response = ApiResponse::json(200, &body);
    let cookie = cookies::set(ADMISSION_COOKIE, &admission, ADMISSION_LIFE_S);
    response.headers.push(("Set-Cookie", cookie));
    Ok(response)
}

/// The `Set-Cookie` header with a refresh token.
pub(crate) fn refresh_cookie(
    accounts: &Accounts,
    token: &RefreshToken,
    life_s: i64,
) -> (&'static str, String) {
    let text = token.encode(&accounts.secret);
    ("Set-Cookie", cookies::set(cookies::REFRESH, text.expose(), life_s.max(0)))
}

/// The admission token for the body, which only clients without cookies get.
///
/// The page of this server has it in a cookie, and its scripts need not read it.
pub(crate) fn admission_in_body<'a>(request: &ApiRequest, admission: &'a str) -> Option<&'a str> {
    (!request.headers.is_own_page).then_some(admission)
}
