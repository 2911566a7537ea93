//! `GET /.well-known/jwks.json`: the public keys that verify access tokens.
//! Never: a private key.

use std::sync::Arc;

use portcullis_model::Denial;
use portcullis_server::{ApiRequest, ApiResponse, ResponseKind};

use crate::accounts::Accounts;

/// Answers 200 with a JSON Web Key Set (RFC 7517 section 8.5.2).
pub(crate) async fn jwks(
    accounts: Arc<Accounts>,
    request: ApiRequest,
) -> Result<ApiResponse, Denial> {
    Ok(ApiResponse {
        status: 200,
        content_type: "application/jwk-set+json",
        body: accounts.keys.jwks_json(request.now.unix_ms).into_bytes().into(),
        headers: Vec::new(),
        kind: ResponseKind::Api,
    })
}
