//! Keys, each pinned to one issuer, one algorithm and, where there are several, one key id.
//! Never: an algorithm chosen by a token, or a secret that can be guessed.

use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};
use aws_lc_rs::{digest, hmac};
use portcullis_model::Secret;

use crate::error::GateError;
use crate::tokens::rules::IssuerRules;
use crate::tokens::secret_strength::{check_secret, is_monotonous};

/// Smallest RSA modulus: the default of identity providers (RFC 7518 section 3.3).
const RSA_MIN_BYTES: usize = 256;
/// Smallest RSA modulus for 128 bits of security (ASVS 5.0, 11.2.3).
const RSA_STRONG_MIN_BYTES: usize = 384;
/// Largest RSA modulus: each doubling makes the check of a forged token four times as expensive.
const RSA_MAX_BYTES: usize = 512;
/// An uncompressed point on P-256.
const P256_POINT_BYTES: usize = 65;

/// An issuer whose tokens are accepted, with one key.
///
/// An issuer with several keys is listed once for each.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// `iss`, exactly.
    pub issuer: String,
    /// `aud`, exactly.
    pub audience: String,
    /// Other values that `aud` may contain, such as the address of the identity provider.
    pub audience_beside: Vec<String>,
    /// Whether this server is the issuer.
    ///
    /// Its tokens must name their type, key, session and user id.
    pub own: bool,
    /// The path of the claim that lists roles, where the issuer is trusted to assign them; `None`
    /// where only this server assigns roles.
    pub roles_claim: Option<Vec<String>>,
    /// Rules for its tokens beside their signature; own tokens have separate rules.
    pub rules: IssuerRules,
    /// The required strength of its keys.
    pub strength: KeyStrength,
    /// `kid` of the key; without one, a token may name any.
    pub key_id: Option<String>,
    /// The key, which fixes the algorithm.
    pub key: IssuerKey,
}

impl Issuer {
    /// Another issuer, whose tokens are for this server alone and assign no roles.
    #[must_use]
    pub fn new(issuer: &str, audience: &str, key: IssuerKey) -> Self {
        Self {
            issuer: String::from(issuer),
            audience: String::from(audience),
            audience_beside: Vec::new(),
            own: false,
            roles_claim: None,
            rules: IssuerRules::default(),
            strength: KeyStrength::default(),
            key_id: None,
            key,
        }
    }
}

/// The required strength of keys of issuers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyStrength {
    /// The default of identity providers: RSA keys of 2048 bits, RS256 too.
    #[default]
    Usual,
    /// 128 bits of security: RSA keys of 3072 bits and PS256, no RS256 (ASVS 5.0, Appendix C).
    Strong,
}

/// A key; its kind determines its only algorithm.
#[derive(Debug, Clone)]
pub enum IssuerKey {
    /// Ed25519 public key, the 32 bytes of RFC 8032; algorithm `EdDSA` (RFC 8037).
    EdDsaPublic(Vec<u8>),
    /// P-256 public key, the 65 bytes of an uncompressed point; `ES256` (RFC 7518 section 3.4).
    Es256Public(Vec<u8>),
    /// RSA public key of 2048 to 4096 bits; algorithm `RS256` (RFC 7518 section 3.3).
    Rs256Public {
        /// The modulus, big-endian.
        modulus: Vec<u8>,
        /// The exponent, big-endian.
        exponent: Vec<u8>,
    },
    /// RSA public key of 2048 to 4096 bits; algorithm `PS256` (RFC 7518 section 3.5).
    Ps256Public {
        /// The modulus, big-endian.
        modulus: Vec<u8>,
        /// The exponent, big-endian.
        exponent: Vec<u8>,
    },
    /// Shared secret of 32 bytes or more; algorithm `HS256` (RFC 7518 section 3.2).
    Hs256(Secret<Vec<u8>>),
}

/// The supported algorithms. `none` is not one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519.
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// RSA-PSS with SHA-256.
    Ps256,
    /// HMAC with SHA-256.
    Hs256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::EdDsa, Self::Es256, Self::Rs256, Self::Ps256, Self::Hs256];

    /// The algorithm of a name in `alg`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The name in `alg` (RFC 7518 section 3.1).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Hs256 => "HS256",
        }
    }
}

enum Verifier {
    Public(Algorithm, Box<ParsedPublicKey>),
    Hs256(Box<hmac::Key>),
}

/// One key, ready to verify.
pub(crate) struct TokenKey {
    pub(crate) issuer: Arc<str>,
    pub(crate) audience: String,
    pub(crate) audience_beside: Vec<String>,
    pub(crate) own: bool,
    pub(crate) roles_claim: Option<Vec<String>>,
    pub(crate) rules: IssuerRules,
    /// Identifies this key, also among keys with the same key id.
    pub(crate) mark: u64,
    key_id: Option<String>,
    verifier: Verifier,
}

impl TokenKey {
    pub(crate) fn build(issuer: Issuer) -> Result<Self, GateError> {
        let refuse = |why| GateError::Issuer { issuer: issuer.issuer.clone(), why };
        let names = [&issuer.issuer, &issuer.audience].into_iter().chain(&issuer.audience_beside);
        if !names.into_iter().all(|name| is_name(name)) {
            return Err(refuse("issuer and audience must be 1 to 255 characters, none of control"));
        }
        if !issuer.key_id.as_deref().is_none_or(is_key_id) {
            return Err(refuse("the key id must be 1 to 256 of A-Z a-z 0-9 - . _ ~ : / @ + = % ,"));
        }
        if let Err(fault) = issuer.rules.check() {
            return Err(refuse(fault.why));
        }
        let verifier = Verifier::build(&issuer)?;
        if issuer.own && (issuer.key_id.is_none() || verifier.algorithm() != Algorithm::EdDsa) {
            return Err(refuse("this server's own tokens need an Ed25519 key with a key id"));
        }
        if issuer.own && issuer.roles_claim.is_some() {
            return Err(refuse("roles never come from this server's own tokens"));
        }
        Ok(Self {
            mark: mark(&issuer),
            issuer: Arc::from(issuer.issuer),
            audience: issuer.audience,
            audience_beside: issuer.audience_beside,
            own: issuer.own,
            roles_claim: issuer.roles_claim,
            rules: issuer.rules,
            key_id: issuer.key_id,
            verifier,
        })
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.verifier.algorithm()
    }

    pub(crate) fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Whether a token with this `kid`, or without one, may be signed by this key.
    pub(crate) fn answers_to(&self, named: Option<&str>) -> bool {
        match (named, self.key_id.as_deref()) {
            (Some(named), Some(own)) => named == own,
            (Some(_), None) => true,
            (None, _) => !self.own,
        }
    }

    /// Verifies with aws-lc-rs itself, which is strict about the length of every signature and,
    /// for Ed25519, about `S`; HMAC in constant time. A JWT library would bring a header parser
    /// and claim defaults of its own to keep in check and would add nothing.
    pub(crate) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match &self.verifier {
            Verifier::Public(Algorithm::EdDsa | Algorithm::Es256, key) => {
                signature.len() == 64 && key.verify_sig(signed, signature).is_ok()
            }
            Verifier::Public(Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Hs256, key) => {
                signature.len() <= RSA_MAX_BYTES && key.verify_sig(signed, signature).is_ok()
            }
            Verifier::Hs256(key) => {
                signature.len() == 32 && hmac::verify(key, signed, signature).is_ok()
            }
        }
    }
}

impl Verifier {
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Public(algorithm, _) => *algorithm,
            Self::Hs256(_) => Algorithm::Hs256,
        }
    }

    fn build(issuer: &Issuer) -> Result<Self, GateError> {
        let refuse = |why| GateError::Issuer { issuer: issuer.issuer.clone(), why };
        let public = |algorithm, key| Self::Public(algorithm, Box::new(key));
        match &issuer.key {
            IssuerKey::EdDsaPublic(bytes) => {
                if bytes.len() != 32 || is_monotonous(bytes, 8) {
                    return Err(refuse("an Ed25519 public key is its 32 raw bytes"));
                }
                let key = UnparsedPublicKey::new(&ED25519, bytes).parse();
                let key = key.map_err(|_| refuse("the Ed25519 public key is invalid"))?;
                Ok(public(Algorithm::EdDsa, key))
            }
            IssuerKey::Es256Public(bytes) => {
                if bytes.len() != P256_POINT_BYTES || bytes.first() != Some(&4) {
                    return Err(refuse("a P-256 public key is an uncompressed point of 65 bytes"));
                }
                let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes).parse();
                let key =
                    key.map_err(|_| refuse("the P-256 public key is not a point on the curve"))?;
                Ok(public(Algorithm::Es256, key))
            }
            IssuerKey::Rs256Public { .. } if issuer.strength == KeyStrength::Strong => {
                Err(refuse("RS256 is not accepted in the strict profile: use PS256 or ES256"))
            }
            IssuerKey::Rs256Public { modulus, exponent } => {
                let key = rsa_key(modulus, exponent, issuer.strength, &RSA_PKCS1_2048_8192_SHA256);
                key.map(|key| public(Algorithm::Rs256, key)).map_err(refuse)
            }
            IssuerKey::Ps256Public { modulus, exponent } => {
                let key = rsa_key(modulus, exponent, issuer.strength, &RSA_PSS_2048_8192_SHA256);
                key.map(|key| public(Algorithm::Ps256, key)).map_err(refuse)
            }
            IssuerKey::Hs256(secret) => {
                let issuer = issuer.issuer.clone();
                check_secret(secret.expose())
                    .map_err(|why| GateError::WeakSecret { issuer, why })?;
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
                Ok(Self::Hs256(Box::new(key)))
            }
        }
    }
}

fn rsa_key(
    modulus: &[u8],
    exponent: &[u8],
    strength: KeyStrength,
    parameters: &'static RsaParameters,
) -> Result<ParsedPublicKey, &'static str> {
    // Some libraries write a sign octet that RFC 7518 section 6.3.1.1 tells them to leave out.
    let [modulus, exponent] = [modulus, exponent].map(without_sign);
    if !(RSA_MIN_BYTES..=RSA_MAX_BYTES).contains(&modulus.len()) || modulus.first() == Some(&0) {
        return Err("an RSA key has 2048 to 4096 bits");
    }
    if strength == KeyStrength::Strong && modulus.len() < RSA_STRONG_MIN_BYTES {
        return Err("an RSA key has 3072 bits or more in the strict profile");
    }
    let odd = exponent.last().is_some_and(|last| last % 2 == 1);
    // Small exponents such as 3 have allowed forgery where signature checks were not exact.
    if exponent.len() < 3 || exponent.len() > 4 || exponent.first() == Some(&0) || !odd {
        return Err("an RSA key has an odd exponent of 65537 or more");
    }
    let components = RsaPublicKeyComponents { n: modulus, e: exponent };
    let key = components.to_parsed_public_key(parameters);
    key.map_err(|_| "the RSA key is invalid")
}

fn without_sign(integer: &[u8]) -> &[u8] {
    integer.strip_prefix(&[0]).unwrap_or(integer)
}

/// Digest of all properties of a key, cut to 64 bits.
fn mark(issuer: &Issuer) -> u64 {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut part = |bytes: &[u8]| {
        context.update(&(bytes.len() as u64).to_be_bytes());
        context.update(bytes);
    };
    part(issuer.issuer.as_bytes());
    part(issuer.key_id.as_deref().unwrap_or_default().as_bytes());
    match &issuer.key {
        IssuerKey::EdDsaPublic(bytes) | IssuerKey::Es256Public(bytes) => part(bytes),
        IssuerKey::Rs256Public { modulus, exponent }
        | IssuerKey::Ps256Public { modulus, exponent } => {
            part(modulus);
            part(exponent);
        }
        IssuerKey::Hs256(secret) => part(secret.expose()),
    }
    let sum = context.finish();
    sum.as_ref().iter().take(8).fold(0, |mark, byte| (mark << 8) | u64::from(*byte))
}

/// An issuer, audience or subject: 1 to 255 characters, none of control.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// Longest key id, in bytes.
const KEY_ID_MAX_BYTES: usize = 256;

/// `kid`: a word as providers choose it, such as base64, an address or an ARN. It is compared with
/// the ids of keys in memory and looks up nothing else; paths and commands are rejected anyway.
pub(crate) fn is_key_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/@+=%,".contains(&byte);
    let sized = (1..=KEY_ID_MAX_BYTES).contains(&text.len());
    sized && text.bytes().all(plain) && !text.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::forge::{OTHER_SECRET, SECRET, own_public};

    fn build(own: bool, key_id: Option<&str>, key: IssuerKey) -> Result<TokenKey, GateError> {
        let (issuer, audience) = (String::from("https://id.example"), String::from("portcullis"));
        let (audience_beside, roles_claim) = (Vec::new(), None);
        let like =
            Issuer { audience_beside, own, roles_claim, ..Issuer::new(&issuer, &audience, key) };
        TokenKey::build(Issuer { key_id: key_id.map(String::from), ..like })
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
