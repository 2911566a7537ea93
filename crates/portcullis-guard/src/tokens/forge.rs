//! Tokens and keys for tests: valid ones, and ones forged as a test requires.
//! Never: part of a build that is not a test.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::{Now, Secret};
use serde_json::{Value, json};

use crate::tokens::key::{Issuer, IssuerKey, KeyStrength};
use crate::tokens::rules::IssuerRules;

pub(crate) const SECRET: &[u8] = b"9f0c1be7Zt54+pQ8xWk2_mVd7Rj6aLs3";
pub(crate) const OTHER_SECRET: &[u8] = b"Kq83nB-xv71TzmYe40Lw_hUc95RdGa62";
pub(crate) const OWN: &str = "https://chat.example";
pub(crate) const FOREIGN: &str = "https://id.example";
pub(crate) const OTHER: &str = "https://other.example";
pub(crate) const AUDIENCE: &str = "portcullis";
pub(crate) const NOW_S: i64 = 1_800_000_000;

pub(crate) fn now() -> Now {
    Now { monotonic_ms: 5_000, unix_ms: NOW_S * 1000 }
}

pub(crate) fn own_pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

pub(crate) fn own_public() -> Vec<u8> {
    own_pair().public_key().as_ref().to_vec()
}

fn issuer(issuer: &str, key_id: Option<&str>, key: IssuerKey) -> Issuer {
    Issuer {
        issuer: issuer.into(),
        audience: AUDIENCE.into(),
        audience_beside: Vec::new(),
        roles_claim: None,
        own: issuer == OWN,
        rules: IssuerRules::default(),
        strength: KeyStrength::default(),
        key_id: key_id.map(String::from),
        key,
    }
}

/// Our own, and two with one key id.
pub(crate) fn issuers() -> Vec<Issuer> {
    let shared = |secret: &[u8]| IssuerKey::Hs256(Secret::new(secret.to_vec()));
    vec![
        issuer(OWN, Some("own-1"), IssuerKey::EdDsaPublic(own_public())),
        issuer(FOREIGN, Some("main"), shared(SECRET)),
        issuer(OTHER, Some("main"), shared(OTHER_SECRET)),
    ]
}

pub(crate) fn own_header() -> Value {
    json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "own-1"})
}

pub(crate) fn own_claims() -> Value {
    json!({"iss": OWN, "aud": AUDIENCE, "sub": "ann", "sid": "s1", "jti": "t1",
        "iat": NOW_S, "exp": NOW_S + 600})
}

pub(crate) fn foreign_header() -> Value {
    json!({"alg": "HS256", "typ": "JWT"})
}

pub(crate) fn foreign_claims() -> Value {
    json!({"iss": FOREIGN, "aud": AUDIENCE, "sub": "user 1", "iat": NOW_S, "exp": NOW_S + 3600})
}

/// `base` with the members of `change`; a `null` takes one away.
pub(crate) fn with(mut base: Value, change: Value) -> Value {
    for (name, value) in change.as_object().unwrap() {
        let members = base.as_object_mut().unwrap();
        match value {
            Value::Null => members.remove(name),
            other => members.insert(name.clone(), other.clone()),
        };
    }
    base
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Signs any two texts with our own key.
pub(crate) fn sign_own(header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = own_pair().sign(signed.as_bytes());
    format!("{signed}.{}", encode(signature))
}

/// Signs any two texts with a secret.
pub(crate) fn sign_shared(secret: &[u8], header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", encode(header), encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    format!("{signed}.{}", encode(hmac::sign(&key, signed.as_bytes())))
}

pub(crate) fn own(header: &Value, claims: &Value) -> String {
    sign_own(&header.to_string(), &claims.to_string())
}

pub(crate) fn foreign(header: &Value, claims: &Value) -> String {
    sign_shared(SECRET, &header.to_string(), &claims.to_string())
}
