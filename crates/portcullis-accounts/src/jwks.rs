//! `GET /.well-known/jwks.json`: the public half of the signing key.
//! Never: anything that is not public.

use std::sync::Arc;

use portcullis_model::Denial;
use portcullis_server::{ApiResponse, ResponseKind};

use crate::Accounts;

/// Answers 200 with a JSON Web Key Set (RFC 7517 section 8.5.2).
pub(crate) async fn jwks(accounts: Arc<Accounts>) -> Result<ApiResponse, Denial> {
    Ok(ApiResponse {
        status: 200,
        content_type: "application/jwk-set+json",
        body: accounts.jwks.clone().into_bytes().into(),
        headers: Vec::new(),
        kind: ResponseKind::Api,
    })
}
