//! `POST /auth/totp/begin`: creates a secret for an authenticator app.
//! Never: a factor in force; that needs a code of the secret.

use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use portcullis_guard::{EntryOwner, read_json};
use portcullis_model::{Denial, Secret};
use portcullis_server::{ApiRequest, ApiResponse};
use serde::Serialize;

use super::totp;
use crate::accounts::Accounts;
use crate::request::input::EmptyBody;
use crate::request::signed_in_user::SignedInUser;

#[derive(Serialize)]
struct SecretView<'a> {
    /// In base 32, for typing.
    secret: &'a str,
    /// `otpauth://…`, for a QR code.
    uri: &'a str,
}

/// Answers 200 `{secret, uri}`; `/auth/totp/confirm` with a code adds the factor.
pub(crate) async fn begin(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    let signed_in = SignedInUser::read_for_setup(&request)?;
    let EmptyBody {} = read_json(&request.body, &[])?;
    signed_in.check_recent(&request)?;
    let mut bytes = vec![0; totp::SECRET_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Denial::Internal("randomness"))?;
    let secret = Secret::new(bytes);
    let codes = totp::codes(&secret, &signed_in.user.name())?;
    let uri = Secret::new(codes.to_url().map_err(|_| Denial::Internal("totp"))?);
    let shown = totp_rs::Secret::from(secret.expose().clone()).to_base32();
    let shown = Secret::new(shown);
    let owner = request.gate.limits().share_owner(EntryOwner::Address(request.client));
    let (user, session) = (&signed_in.user.id, signed_in.session);
    let owner = (owner, request.client);
    accounts.enrollments.insert(user, session, secret, owner, request.now)?;
    Ok(ApiResponse::json(200, &SecretView { secret: shown.expose(), uri: uri.expose() }))
}
