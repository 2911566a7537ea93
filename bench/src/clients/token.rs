//! Tokens of the benchmark's issuer, signed with a secret or a key pair.
//! Never: a key that is valid anywhere else.

use std::sync::Arc;

use anyhow::{Context, Result};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The secret of the issuer that benchmarks sign with; at least 256 bits.
pub(crate) const SECRET: &[u8] = b"mq8Zt4-K1vXw0Rj7Ye3Lc9Ub6Ds2Hf5NaGp";
/// Its name.
pub(crate) const ISSUER: &str = "https://bench.example";
/// Another issuer, whose tokens are signed with Ed25519 and cost the server more to check.
pub(crate) const KEYS_ISSUER: &str = "https://keys.example";

/// The signing key and algorithm of tokens.
#[derive(Clone)]
pub(crate) enum Signer {
    Hs256,
    EdDsa(Arc<Ed25519KeyPair>),
}

impl Signer {
    /// A new key pair.
    pub(crate) fn generate() -> Result<Self> {
        Ok(Self::EdDsa(Arc::new(Ed25519KeyPair::generate()?)))
    }

    /// The public key, in base64url, if there is one.
    pub(crate) fn public(&self) -> Option<String> {
        match self {
            Self::Hs256 => None,
            Self::EdDsa(pair) => Some(URL_SAFE_NO_PAD.encode(pair.public_key())),
        }
    }

    /// A token for user number `user`, valid for an hour.
    pub(crate) fn token(&self, user: usize, now_s: i64) -> String {
        self.token_of(ISSUER, user, now_s)
    }

    /// The same from an issuer of that name.
    pub(crate) fn token_of(&self, issuer: &str, user: usize, now_s: i64) -> String {
        let algorithm = match self {
            Self::Hs256 => "HS256",
            Self::EdDsa(_) => "EdDSA",
        };
        let header = format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#);
        let claims = format!(
            r#"{{"iss":"{issuer}","aud":"portcullis","sub":"user-{user}","iat":{now_s},"exp":{}}}"#,
            now_s + 3600
        );
        let body = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = match self {
            Self::Hs256 => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
                URL_SAFE_NO_PAD.encode(hmac::sign(&key, body.as_bytes()))
            }
            Self::EdDsa(pair) => URL_SAFE_NO_PAD.encode(pair.sign(body.as_bytes())),
        };
        format!("{body}.{signature}")
    }
}

/// Seconds since 1970.
pub(crate) fn unix_s() -> Result<i64> {
    use portcullis_model::Clock;
    let now = portcullis_model::SystemClock::start().now();
    Some(now.unix_s()).context("no clock")
}
