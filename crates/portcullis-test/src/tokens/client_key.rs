//! A client's key as WebCrypto makes one: proofs of it (RFC 9449), and signatures of events.
//! Never: a key a server has seen before.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::tokens::forge::{forge_with, now_s};

/// A P-256 key pair.
pub struct ClientKey {
    pair: EcdsaKeyPair,
}

impl ClientKey {
    /// A fresh key.
    #[must_use]
    pub fn generate() -> Self {
        Self { pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap() }
    }

    /// The public half (RFC 7517).
    #[must_use]
    pub fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({ "kty": "EC", "crv": "P-256", "x": part(&point[1..33]), "y": part(&point[33..]) })
    }

    /// A signature of 64 bytes, in Base64url.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        let random = SystemRandom::new();
        URL_SAFE_NO_PAD.encode(self.pair.sign(&random, text.as_bytes()).unwrap())
    }

    /// A signature of 64 bytes, as ES256 has it.
    pub(crate) fn sign_bytes(&self, body: &[u8]) -> Vec<u8> {
        self.pair.sign(&SystemRandom::new(), body).unwrap().as_ref().to_vec()
    }

    /// A proof with the claims a request needs, changed by `change`.
    #[must_use]
    pub fn proof(&self, method: &str, url: &str, change: &Value) -> String {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk() });
        let mut claims = json!({
            "jti": self.sign("a name of its own"), "htm": method, "htu": url, "iat": now_s(),
        });
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        forge_with(&header.to_string(), &claims.to_string(), |body| self.sign_bytes(body))
    }
}

/// SHA-256 in Base64url: of a token, as a proof names it (`ath`), or of a payload.
#[must_use]
pub fn digest_of(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}
