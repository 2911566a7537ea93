//! Tokens of an issuer with a random secret.
//! Never: a token that a real server accepts.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_guard::{Issuer, IssuerKey};
use portcullis_model::{Clock, Secret, SystemClock};
use serde_json::{Value, json};

/// Creates HS256 tokens of one issuer, with a random secret.
pub struct TokenMaker {
    issuer: String,
    audience: String,
    secret: [u8; 32],
}

impl TokenMaker {
    /// An issuer and the audience of its tokens.
    ///
    /// # Panics
    /// When the system returns no random bytes.
    #[must_use]
    pub fn new(issuer: &str, audience: &str) -> Self {
        let mut secret = [0; 32];
        SystemRandom::new().fill(&mut secret).expect("randomness for the test's secret");
        Self { issuer: String::from(issuer), audience: String::from(audience), secret }
    }

    /// The issuer, for `ServerBuilder::issuer`.
    #[must_use]
    pub fn issuer(&self) -> Issuer {
        let key = IssuerKey::Hs256(Secret::new(self.secret.to_vec()));
        Issuer::new(&self.issuer, &self.audience, key)
    }

    /// A valid token of a user, for ten minutes from now.
    #[must_use]
    pub fn token(&self, subject: &str) -> String {
        self.token_with(&self.claims(subject))
    }

    /// An expired token of a user.
    #[must_use]
    pub fn expired_token(&self, subject: &str) -> String {
        let mut claims = self.claims(subject);
        let ended_s = SystemClock::start().now().unix_s() - 3_600;
        claims["iat"] = json!(ended_s - 600);
        claims["exp"] = json!(ended_s);
        self.token_with(&claims)
    }

    /// The claims of a valid token, which the test can change.
    #[must_use]
    pub fn claims(&self, subject: &str) -> Value {
        self.claims_at(subject, SystemClock::start().now().unix_s())
    }

    pub(super) fn claims_at(&self, subject: &str, now_s: i64) -> Value {
        json!({
            "iss": self.issuer, "aud": self.audience, "sub": subject, "name": subject,
            "iat": now_s, "exp": now_s + 600,
        })
    }

    /// A token with any claims, signed with the issuer's secret.
    #[must_use]
    pub fn token_with(&self, claims: &Value) -> String {
        let header = json!({"alg": "HS256", "typ": "JWT"}).to_string();
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", encode(&header), encode(&claims.to_string()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}
