//! `POST /auth/invitations`: an administrator invites a person to register.
//! Never: an invitation stored in plain text, or valid twice.

use std::sync::Arc;

use portcullis_guard::read_json;
use portcullis_model::{Code, Denial, Role, Secret};
use portcullis_server::{ApiRequest, ApiResponse, random_id};
use portcullis_store::{NewInvitation, StoreError};
use serde::Serialize;

use crate::accounts::Accounts;
use crate::keys::digest::sha256;
use crate::request::input::EmptyBody;
use crate::request::record::record_success_with;
use crate::request::signed_in_user::SignedInUser;

/// How long an invitation is valid, in milliseconds: a week.
pub(crate) const LIFE_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// The start of every invitation.
const PREFIX: &str = "inv_";

#[derive(Serialize)]
struct InvitationView<'a> {
    invitation: &'a str,
    /// In milliseconds since 1970.
    expires_at: i64,
}

/// Answers 201 `{invitation, expires_at}`; the invited person sends it with `/auth/register`.
pub(crate) async fn invite(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let signed_in = SignedInUser::read(&request)?;
    let EmptyBody {} = read_json(&request.body, &[])?;
    if !signed_in.user.roles().contains(Role::Admin) {
        return Err(Denial::Forbidden("role"));
    }
    let (invitation, hash) = make_invitation()?;
    let ends_unix_ms = request.now.unix_ms.saturating_add(LIFE_MS);
    let stored = accounts.store.invite(NewInvitation {
        hash,
        by: Some(signed_in.user.id.clone()),
        at_unix_ms: request.now.unix_ms,
        ends_unix_ms,
    });
    if !stored.await.map_err(StoreError::into_denial)? {
        return Err(Denial::ShareFull("invitations"));
    }
    record_success_with(&request, Code::AuthzAdmin, &signed_in.user.id, |record| {
        record.reason = "invitation";
    });
    Ok(ApiResponse::json(
        201,
        &InvitationView { invitation: invitation.expose(), expires_at: ends_unix_ms },
    ))
}

/// Makes a random invitation; returns it with its digest, which the store keeps.
///
/// # Errors
/// [`Denial::Internal`] when the system has no random bytes.
pub fn make_invitation() -> Result<(Secret<String>, [u8; 32]), Denial> {
    let invitation = new_invitation()?;
    let hash = sha256(invitation.expose());
    Ok((invitation, hash))
}

/// A random invitation.
fn new_invitation() -> Result<Secret<String>, Denial> {
    Ok(Secret::new(format!("{PREFIX}{}", random_id::<16>()?)))
}
