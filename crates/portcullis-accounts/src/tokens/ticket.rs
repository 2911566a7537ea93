//! `POST /auth/ticket`: exchanges a token for a one-time ticket that opens a socket.
//! Never: a ticket that is valid for more than 30 seconds, for another page, or twice.

use std::sync::Arc;

use portcullis_guard::{ADMISSION_COOKIE, ADMISSION_LIFE_S, TICKET_LIFE_S, read_json};
use portcullis_model::{Code, Denial};
use portcullis_server::{ApiRequest, ApiResponse};
use serde::Serialize;

use crate::accounts::Accounts;
use crate::request::cookies;
use crate::request::input::EmptyBody;
use crate::request::record::record_success_with;
use crate::sessions::session_response::admission_in_body;

#[derive(Serialize)]
struct TicketView<'a> {
    ticket: &'a str,
    /// For clients without cookies: the value of the header `X-Admission`.
    #[serde(skip_serializing_if = "Option::is_none")]
    admission: Option<&'a str>,
    expires_in: u64,
}

/// Answers 200 `{ticket, expires_in}`, for users of all trusted issuers.
pub(crate) async fn ticket(
    _accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let verified = request.verified()?;
    let EmptyBody {} = read_json(&request.body, &[])?;
    let user = verified.user.clone();
    // A user of another issuer can be unknown: the account is created when they connect.
    request.gate.authentication().check_not_revoked(&verified, request.now)?;
    request.gate.authentication().check_external_factor(&verified)?;
    let mut admission = None;
    if verified.own || request.gate.directory().user(&user).is_some() {
        let known = request.gate.identify(&verified, request.now)?;
        request.gate.authentication().check_second_factor(&verified, &known)?;
        let roles = request.gate.authentication().roles_in_force(&verified, &known);
        admission = Some(request.gate.admission().make_token(&user, roles, request.now));
    }
    request.gate.limits().check_ticket_rate(&user, request.now)?;
    let ticket = request.gate.authentication().issue_ticket(
        &verified,
        request.origin.as_deref(),
        request.now,
    )?;
    record_success_with(&request, Code::AuthnTokenCreated, &user, |record| {
        record.reason = "ticket";
    });
    let admission = admission.as_deref();
    let shown = admission.and_then(|admission| admission_in_body(&request, admission));
    let body = TicketView { ticket: &ticket, admission: shown, expires_in: TICKET_LIFE_S };
    let mut response = ApiResponse::json(200, &body);
    if let Some(admission) = admission {
        let cookie = cookies::set(ADMISSION_COOKIE, admission, ADMISSION_LIFE_S);
        response.headers.push(("Set-Cookie", cookie));
    }
    Ok(response)
}
