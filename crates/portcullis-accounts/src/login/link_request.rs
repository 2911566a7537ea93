//! `POST /auth/door`: a signed-in user gets a login link for another device of theirs.
//! Never: a log-in without the password, or a link that works twice.

use std::sync::Arc;

use portcullis_guard::{EntryOwner, ReserveError, RevocationKind, RevocationName, read_json};
use portcullis_model::{Code, Denial, UserId};
use portcullis_server::{ApiRequest, ApiResponse};
use portcullis_store::Revocation;
use serde::Serialize;

use crate::accounts::Accounts;
use crate::login::attempts::budget_of;
use crate::login::login_link::{LoginLink, USER_LINK_LIFE_S};
use crate::request::input::{Nothing, SignedIn, record_with, store_denial};

/// Used links are revoked under this name, which no issuer may have.
pub(crate) const LINKS: &str = "portcullis:login-link";

#[derive(Serialize)]
struct Door<'a> {
    door: &'a str,
    /// For `/?admission=…`, so that an overloaded server serves the page to the other device.
    admission: &'a str,
    expires_in: i64,
}

/// Answers 200 `{door, admission, expires_in}`; the other device sends it with `/auth/login`.
pub(crate) async fn door(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let signed_in = SignedIn::read(&request)?;
    let Nothing {} = read_json(&request.body, &[])?;
    signed_in.check_recent(&request)?;
    request.gate.limits().ticket_allowed(&signed_in.user.id, request.now)?;
    let budget = budget_of(&signed_in);
    let link = accounts.secret.new_login_link(&budget, request.now)?;
    record_with(&request, Code::AuthnTokenCreated, &signed_in.user.id, |record| {
        record.reason = "login_link";
    });
    let user = &signed_in.user;
    let admission = request.gate.admission().make_token(&user.id, user.roles(), request.now);
    let door = Door { door: link.expose(), admission: &admission, expires_in: USER_LINK_LIFE_S };
    Ok(ApiResponse::json(200, &door))
}

/// Checks that a link was not used, and cannot have been: the entry of a used link is evicted once
/// it has ended, and a clock that was set back makes the link look valid again.
///
/// # Errors
/// [`Denial::LoginLink`].
pub(crate) fn check_unused(request: &ApiRequest, link: &LoginLink) -> Result<(), Denial> {
    let authority = request.gate.directory().authority();
    if authority.is_withdrawn(name_of(link)) {
        return Err(Denial::LoginLink("used"));
    }
    if authority.may_be_evicted(link.ends_unix_s) {
        return Err(Denial::LoginLink("expired"));
    }
    Ok(())
}

/// Uses a link up, also after a restart; one of several log-ins at the same time succeeds.
///
/// # Errors
/// [`Denial::LoginLink`] when the link was used, also at the same time; [`Denial::ShareFull`] when
/// the user has used too many links.
pub(crate) async fn consume(
    accounts: &Accounts,
    request: &ApiRequest,
    user: &UserId,
    link: &LoginLink,
) -> Result<(), Denial> {
    let authority = request.gate.directory().authority();
    let owner = request.gate.limits().owner(EntryOwner::User(user));
    let slot = authority.reserve_new(name_of(link), owner, || user.to_string(), request.now);
    let slot = slot.map_err(|error| match error {
        ReserveError::Used => Denial::LoginLink("used"),
        ReserveError::Full(_) => Denial::ShareFull("revocations"),
    })?;
    // The space is held, and old uses were evicted before it was taken.
    check_unused(request, link)?;
    let revocation = Revocation {
        issuer: String::from(LINKS),
        user: String::new(),
        kind: RevocationKind::Token,
        name: link.name.clone(),
        until_unix_ms: link.ends_unix_s.saturating_mul(1000),
    };
    accounts.store.revoke(revocation).await.map_err(|error| store_denial(&error))?;
    drop(slot);
    Ok(())
}

fn name_of(link: &LoginLink) -> RevocationName<'_> {
    RevocationName { issuer: LINKS, user: "", kind: RevocationKind::Token, name: &link.name }
}
