//! Tokens of any shape.
//! Never: a valid token of the server's own; only it has that key.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// The secret of the issuer `https://id.example` of servers under test.
pub const SECRET: &str = "x8Rk2vQz-7LmT4wYc9NsB1fHj6GdP3aUe0XoKi5";

/// Seconds since 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "tokens name real times")]
pub fn now_s() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

/// Good claims of the issuer `https://id.example` for a subject.
#[must_use]
pub fn claims(subject: &str) -> Value {
    json!({
        "iss": "https://id.example",
        "aud": "portcullis",
        "sub": subject,
        "name": subject,
        "iat": now_s(),
        "exp": now_s() + 600,
    })
}

/// A good token of the issuer `https://id.example` for a subject.
#[must_use]
pub fn hs256(subject: &str) -> String {
    let header = json!({ "alg": "HS256", "typ": "JWT" }).to_string();
    forge_hs256(&header, &claims(subject).to_string(), SECRET.as_bytes())
}

/// A token of any header and claims, signed with any secret by HMAC-SHA256.
#[must_use]
pub fn forge_hs256(header: &str, claims: &str, secret: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    forge_with(header, claims, |body| hmac::sign(&key, body).as_ref().to_vec())
}

/// A token of any header and claims, signed with any Ed25519 key.
#[must_use]
pub fn forge_eddsa(header: &str, claims: &str, key: &Ed25519KeyPair) -> String {
    forge_with(header, claims, |body| key.sign(body).as_ref().to_vec())
}

/// An Ed25519 key that no server knows.
#[must_use]
pub fn eddsa_key() -> Ed25519KeyPair {
    Ed25519KeyPair::generate().unwrap()
}

/// A token of any header and claims, signed by whatever `sign` does.
#[must_use]
pub fn forge_with(header: &str, claims: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let body = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = sign(body.as_bytes());
    format!("{body}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A token of any header and claims without a signature.
#[must_use]
pub fn forge_none(header: &str, claims: &str) -> String {
    forge_with(header, claims, |_| Vec::new())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, KeyPair, UnparsedPublicKey};

    use super::*;

    #[test]
    fn hmac_matches_the_rfc_vectors() {
        // RFC 7515, A.1: header, claims and key as printed there.
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjA\
                   zZr1Z9CAow";
        let token = forge_hs256(
            "{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}",
            "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}",
            &URL_SAFE_NO_PAD.decode(key).unwrap(),
        );
        assert!(token.starts_with("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2Ui"));
        assert!(token.ends_with(".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
    }

    #[test]
    fn eddsa_verifies_and_none_is_empty() {
        let key = eddsa_key();
        let token = forge_eddsa("{}", "{}", &key);
        let (body, signature) = token.rsplit_once('.').unwrap();
        let public = UnparsedPublicKey::new(&ED25519, key.public_key().as_ref());
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(public.verify(body.as_bytes(), &signature).is_ok());
        assert_eq!(forge_none("{}", "{}"), "e30.e30.");
    }
}
