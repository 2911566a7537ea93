//! `POST /auth/door`: creates a login link with which a signed-in user logs in on another device.
//! Never: a login without the password.

use std::sync::Arc;

use portcullis_guard::read_json;
use portcullis_model::{Code, Denial};
use portcullis_server::{ApiRequest, ApiResponse};
use serde::Serialize;

use super::attempts::account_key_of;
use super::login_link::{LoginLink, USER_LINK_LIFE_S};
use crate::accounts::Accounts;
use crate::request::input::EmptyBody;
use crate::request::record::record_success_with;
use crate::request::signed_in_user::SignedInUser;

#[derive(Serialize)]
struct LinkView<'a> {
    door: &'a str,
    /// For `/?admission=…`, so that an overloaded server serves the page to the other device.
    admission: &'a str,
    expires_in: i64,
}

/// Answers 200 `{door, admission, expires_in}`; the other device sends it with `/auth/login`.
pub(crate) async fn create(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let signed_in = SignedInUser::read(&request)?;
    let EmptyBody {} = read_json(&request.body, &[])?;
    signed_in.check_recent(&request)?;
    request.gate.limits().check_ticket_rate(&signed_in.user.id, request.now)?;
    let account = account_key_of(&signed_in);
    let link = LoginLink::for_user(&accounts.secret, &account, request.now)?;
    record_success_with(&request, Code::AuthnTokenCreated, &signed_in.user.id, |record| {
        record.reason = "login_link";
    });
    let user = &signed_in.user;
    let admission = request.gate.admission().make_token(&user.id, user.roles(), request.now);
    let view =
        LinkView { door: link.expose(), admission: &admission, expires_in: USER_LINK_LIFE_S };
    Ok(ApiResponse::json(200, &view))
}
