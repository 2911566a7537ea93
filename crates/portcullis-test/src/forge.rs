//! Tokens of any shape.
//! Never: a valid token of the server's own; only it has that key.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
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
    let body = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, body.as_bytes());
    format!("{body}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// A token of any header and claims without a signature.
#[must_use]
pub fn forge_none(header: &str, claims: &str) -> String {
    format!("{}.{}.", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}
