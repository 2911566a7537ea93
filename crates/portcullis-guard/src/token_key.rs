//! Keys, each pinned to one issuer, one algorithm and, where there are several, one key id.
//! Never: an algorithm chosen by a token, or a secret somebody could guess.

use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, ParsedPublicKey, UnparsedPublicKey};
use portcullis_model::Secret;

use crate::gate::GateError;

/// Whose tokens are believed, and by which key.
///
/// An issuer with several keys is listed once for each.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// `iss`, exactly.
    pub issuer: String,
    /// `aud`, exactly.
    pub audience: String,
    /// Whether it is this server itself.
    ///
    /// Its tokens must name their type, key, session and user id.
    pub own: bool,
    /// `kid` of the key; without one, a token may name any.
    pub key_id: Option<String>,
    /// The key, which fixes the algorithm.
    pub key: IssuerKey,
}

/// A key and, by its kind, the only algorithm it is for.
#[derive(Debug, Clone)]
pub enum IssuerKey {
    /// Ed25519 public key, the 32 bytes of RFC 8032; algorithm `EdDSA` (RFC 8037).
    EdDsaPublic(Vec<u8>),
    /// Shared secret of 32 bytes or more; algorithm `HS256` (RFC 7518 section 3.2).
    Hs256(Secret<Vec<u8>>),
}

/// The algorithms there are. `none` is not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    EdDsa,
    Hs256,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 2] = [Self::EdDsa, Self::Hs256];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
        }
    }
}

enum Verifier {
    EdDsa(Box<ParsedPublicKey>),
    Hs256(Box<hmac::Key>),
}

/// One key, ready to verify.
pub(crate) struct TokenKey {
    pub(crate) issuer: Arc<str>,
    pub(crate) audience: String,
    pub(crate) own: bool,
    key_id: Option<String>,
    verifier: Verifier,
}

impl TokenKey {
    pub(crate) fn build(issuer: Issuer) -> Result<Self, GateError> {
        let refuse = |why| GateError::Issuer { issuer: issuer.issuer.clone(), why };
        if !is_name(&issuer.issuer) || !is_name(&issuer.audience) {
            return Err(refuse("issuer and audience must be 1 to 255 characters, none of control"));
        }
        if !issuer.key_id.as_deref().is_none_or(is_key_id) {
            return Err(refuse("the key id must be 1 to 64 of A-Z a-z 0-9 _ . -"));
        }
        let verifier = match &issuer.key {
            IssuerKey::EdDsaPublic(bytes) => {
                if bytes.len() != 32 || is_monotonous(bytes, 8) {
                    return Err(refuse("an Ed25519 public key is its 32 raw bytes"));
                }
                let key = UnparsedPublicKey::new(&ED25519, bytes).parse();
                let key = key.map_err(|_| refuse("the Ed25519 public key is no valid one"))?;
                Verifier::EdDsa(Box::new(key))
            }
            IssuerKey::Hs256(secret) => {
                let issuer = issuer.issuer.clone();
                check_secret(secret.expose())
                    .map_err(|why| GateError::WeakSecret { issuer, why })?;
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
                Verifier::Hs256(Box::new(key))
            }
        };
        if issuer.own && (issuer.key_id.is_none() || matches!(verifier, Verifier::Hs256(_))) {
            return Err(refuse("this server's own tokens need an Ed25519 key with a key id"));
        }
        Ok(Self {
            issuer: Arc::from(issuer.issuer),
            audience: issuer.audience,
            own: issuer.own,
            key_id: issuer.key_id,
            verifier,
        })
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        match self.verifier {
            Verifier::EdDsa(_) => Algorithm::EdDsa,
            Verifier::Hs256(_) => Algorithm::Hs256,
        }
    }

    pub(crate) fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Whether a token that names this key, or none, may be meant for it.
    pub(crate) fn answers_to(&self, named: Option<&str>) -> bool {
        match (named, self.key_id.as_deref()) {
            (Some(named), Some(own)) => named == own,
            (Some(_), None) => true,
            (None, _) => !self.own,
        }
    }

    /// Verifies with aws-lc-rs itself: Ed25519 (strict about `S`, so no second spelling of a
    /// signature passes) or HMAC-SHA256 in constant time. A JWT library would bring a header
    /// parser and claim defaults of its own to keep in check and would add nothing.
    pub(crate) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match &self.verifier {
            Verifier::EdDsa(key) => {
                signature.len() == 64 && key.verify_sig(signed, signature).is_ok()
            }
            Verifier::Hs256(key) => {
                signature.len() == 32 && hmac::verify(key, signed, signature).is_ok()
            }
        }
    }
}

/// An issuer, audience or subject: 1 to 255 characters, none of control.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// `kid`: a plain word, so that whatever looks it up cannot be steered by it.
pub(crate) fn is_key_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

/// Words of secrets that ship in examples, tutorials and cracking lists.
const PLACEHOLDERS: [&[u8]; 16] = [
    b"secret",
    b"changeme",
    b"change-me",
    b"change_me",
    b"change this",
    b"password",
    b"passw0rd",
    b"p@ssw0rd",
    b"example",
    b"default",
    b"placeholder",
    b"letmein",
    b"qwerty",
    b"jwt-key",
    b"jwt_key",
    b"keyboard cat",
];

/// Refuses what can be guessed: RFC 7518 section 3.2 asks for as many bits as the hash has.
fn check_secret(secret: &[u8]) -> Result<(), &'static str> {
    if secret.len() < 32 {
        return Err("has fewer than 32 bytes");
    }
    if is_monotonous(secret, 10) {
        return Err("has too few different bytes");
    }
    if repeats(secret) {
        return Err("repeats itself");
    }
    if counts(secret) {
        return Err("is little more than a row of neighbours");
    }
    let text = secret.to_ascii_lowercase();
    let holds = |word: &&[u8]| text.windows(word.len()).any(|part| part == *word);
    if PLACEHOLDERS.iter().any(holds) {
        return Err("holds a well-known word");
    }
    Ok(())
}

fn is_monotonous(bytes: &[u8], distinct_min: usize) -> bool {
    let mut seen = bytes.to_vec();
    seen.sort_unstable();
    seen.dedup();
    seen.len() < distinct_min
}

/// A short piece said over and over is as weak as the piece.
fn repeats(bytes: &[u8]) -> bool {
    let shifted = |period: usize| bytes.iter().zip(bytes.iter().skip(period)).all(|(a, b)| a == b);
    (1..=bytes.len() / 2).any(shifted)
}

/// `abcdefgh…`, `12345…`, 0 1 2 3: half of the bytes or more follow the one before.
fn counts(bytes: &[u8]) -> bool {
    let pairs = bytes.iter().zip(bytes.iter().skip(1));
    let rows = pairs.filter(|(a, b)| a.abs_diff(**b) == 1).count();
    rows * 2 >= bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_forge::{OTHER_SECRET, SECRET, own_public};

    fn build(own: bool, key_id: Option<&str>, key: IssuerKey) -> Result<TokenKey, GateError> {
        let (issuer, audience) = (String::from("https://id.example"), String::from("portcullis"));
        TokenKey::build(Issuer { issuer, audience, own, key_id: key_id.map(String::from), key })
    }

    #[test]
    fn t_035_secrets_that_can_be_guessed_stop_the_start() {
        let row: Vec<u8> = (0..64).collect();
        let weak: [&[u8]; 18] = [
            b"",
            b"secret",
            b"changeme",
            b"0123456789abcdef",
            b"9f0c1be7Zt54+pQ8xWk2_mVd7Rj6aLs",
            &[0; 32],
            &[0; 64],
            &[0xff; 32],
            b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
            b"abababababababababababababababababababab",
            b"0123456789abcdef0123456789abcdef",
            b"12345678901234567890123456789012",
            b"abcdefghijklmnopqrstuvwxyzabcdefghij",
            b"a-string-secret-at-least-256-bits-long",
            b"Your-256-Bit-SECRET-but-longer-than-that",
            b"please-ChangeMe-before-production-use-1",
            b"hunter2-is-my-password-since-1999-ok?",
            &row,
        ];
        for secret in weak {
            let outcome = build(false, None, IssuerKey::Hs256(Secret::new(secret.to_vec())));
            let text = String::from_utf8_lossy(secret);
            assert!(matches!(outcome, Err(GateError::WeakSecret { .. })), "{text}");
            if let (Err(error), true) = (outcome, secret.len() > 8) {
                assert!(!error.to_string().contains(&*text), "an error never shows a secret");
            }
        }
        let hex = b"d8c1f0a97b3e5246d10f9e8c7a6b3d54f1e2a09c8b7d6e5f4a3c2b1d0e9f8a76";
        for secret in [SECRET, OTHER_SECRET, hex] {
            assert!(build(false, None, IssuerKey::Hs256(Secret::new(secret.to_vec()))).is_ok());
        }
    }

    #[test]
    fn t_032_every_key_has_one_algorithm_and_own_keys_are_ed25519_with_an_id() {
        let public = || IssuerKey::EdDsaPublic(own_public());
        let shared = || IssuerKey::Hs256(Secret::new(SECRET.to_vec()));
        let pem = IssuerKey::EdDsaPublic(b"-----BEGIN PUBLIC KEY-----".to_vec());
        let cases = [
            (true, Some("k1"), public(), true),
            (true, None, public(), false),
            (true, Some("k1"), shared(), false),
            (false, None, public(), true),
            (false, Some("k1"), shared(), true),
            (false, Some("k 1"), shared(), false),
            (false, Some(""), shared(), false),
            (false, None, IssuerKey::EdDsaPublic(vec![0; 32]), false),
            (false, None, IssuerKey::EdDsaPublic(own_public()[..31].to_vec()), false),
            (false, None, pem, false),
        ];
        for (own, key_id, key, expect) in cases {
            assert_eq!(build(own, key_id, key.clone()).is_ok(), expect, "{own} {key_id:?} {key:?}");
        }
    }
}
