//! `POST /auth/invitations`: an administrator invites somebody to register.
//! Never: stored in the clear, or good twice.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use portcullis_guard::read_json;
use portcullis_model::{Code, Denial, Role, Secret};
use portcullis_server::{ApiRequest, ApiResponse, random_id};
use portcullis_store::NewInvitation;
use serde::Serialize;

use crate::accounts::Accounts;
use crate::request::input::{Nothing, SignedIn, record_with, store_denial};

/// How long an invitation is good: a week.
pub(crate) const LIFE_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// What every invitation begins with.
const PREFIX: &str = "inv_";

#[derive(Serialize)]
struct Invited<'a> {
    invitation: &'a str,
    /// In milliseconds since 1970.
    expires_at: i64,
}

/// Answers 201 `{invitation, expires_at}`; the invited sends it with `/auth/register`.
pub(crate) async fn invite(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let signed_in = SignedIn::read(&request)?;
    let Nothing {} = read_json(&request.body, &[])?;
    if !signed_in.user.roles().contains(Role::Admin) {
        return Err(Denial::Forbidden("role"));
    }
    let invitation = fresh()?;
    let ends_unix_ms = request.now.unix_ms.saturating_add(LIFE_MS);
    let kept = accounts.store.invite(NewInvitation {
        hash: hash_of(invitation.expose()),
        by: Some(signed_in.user.id.clone()),
        at_unix_ms: request.now.unix_ms,
        ends_unix_ms,
    });
    if !kept.await.map_err(|error| store_denial(&error))? {
        return Err(Denial::ShareFull("invitations"));
    }
    record_with(&request, Code::AuthzAdmin, &signed_in.user.id, |record| {
        record.reason = "invitation";
    });
    Ok(ApiResponse::json(
        201,
        &Invited { invitation: invitation.expose(), expires_at: ends_unix_ms },
    ))
}

/// An invitation nobody can guess.
pub(crate) fn fresh() -> Result<Secret<String>, Denial> {
    Ok(Secret::new(format!("{PREFIX}{}", random_id::<16>()?)))
}

/// What is stored of an invitation.
pub(crate) fn hash_of(invitation: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, invitation.as_bytes()).as_ref());
    hash
}
