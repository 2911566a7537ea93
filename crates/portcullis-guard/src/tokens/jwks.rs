//! An issuer's keys as it publishes them (RFC 7517).
//! Never: an algorithm or a kind of key the configuration has not named; a key that does not fit is
//! left out, and the others stay.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::GateError;
use crate::payload::json;
use crate::tokens::key::{Algorithm, Issuer, IssuerKey, TokenKey, is_key_id};

/// Largest set that is read, in bytes.
const JWKS_MAX_BYTES: usize = 256 * 1024;
/// Most keys of one issuer.
const KEYS_MAX: usize = 16;
/// Most keys that are read, including keys of other kinds.
const LISTED_MAX: usize = 256;
/// Most keys that are named as left out.
const REPORTED_MAX: usize = 16;

/// Why a set of keys is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// Not JSON of the right shape, or over a limit.
    #[error("it is not a JSON Web Key Set of at most 256 KiB")]
    Shape,
    /// It contains no usable key.
    #[error("it holds no usable key for this algorithm and for signatures")]
    Empty,
    /// No key that was to be used can be; the text names each with its reason.
    #[error("none of its keys for this algorithm can be used: {0}")]
    Unusable(String),
}

/// The keys of a set that can check tokens, and the keys that were left out.
#[derive(Debug)]
pub struct KeySet {
    /// One for each key.
    pub issuers: Vec<Issuer>,
    /// Keys that were to be used and cannot be, each named with its reason; 16 at most.
    pub unusable: Vec<String>,
    /// How many keys are for other algorithms or purposes, as many sets hold them.
    pub others: usize,
}

#[derive(Deserialize)]
struct Set<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

/// The members of a key that are read; the rest (`x5c`, `x5t`, dates) is ignored.
#[derive(Deserialize)]
struct Key {
    kty: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<serde::de::IgnoredAny>,
    k: Option<serde::de::IgnoredAny>,
}

/// Why one key of a set is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LeftOut {
    /// It is for another algorithm or purpose.
    Other,
    /// It was to be used, and cannot be.
    Unusable(&'static str),
}

/// Reads a set into one [`Issuer`] for each key; `like` has the other facts of the issuer.
///
/// A key that names no algorithm is for the configured one, if it is of its kind. A key that cannot
/// be used is left out and named; it does not invalidate the others (RFC 7517 section 5).
///
/// # Errors
/// [`JwksError`] when the set cannot be read, or nothing is left.
pub fn read_jwks(text: &str, algorithm: Algorithm, like: &Issuer) -> Result<KeySet, JwksError> {
    if text.len() > JWKS_MAX_BYTES {
        return Err(JwksError::Shape);
    }
    let set: Set<'_> = serde_json::from_str(text).map_err(|_| JwksError::Shape)?;
    let mut found = KeySet { issuers: Vec::new(), unusable: Vec::new(), others: 0 };
    for (index, raw) in set.keys.iter().enumerate().take(LISTED_MAX) {
        let key = read_key(raw.get());
        let taken = key.as_ref().map_err(|left_out| *left_out).and_then(|key| {
            let issuer =
                Issuer { key_id: key.kid.clone(), key: key.material(algorithm)?, ..like.clone() };
            check(&issuer, &found.issuers).map(|()| issuer)
        });
        match taken {
            Ok(issuer) => found.issuers.push(issuer),
            Err(LeftOut::Other) => found.others += 1,
            Err(LeftOut::Unusable(_)) if found.unusable.len() >= REPORTED_MAX => {}
            Err(LeftOut::Unusable(why)) => {
                let kid = key.as_ref().ok().and_then(|key| key.kid.as_deref());
                let kid = kid.filter(|kid| is_key_id(kid)).unwrap_or("without a usable kid");
                found.unusable.push(format!("key {} ({kid}): {why}", index + 1));
            }
        }
    }
    match (found.issuers.is_empty(), found.unusable.is_empty()) {
        (false, _) => Ok(found),
        (true, true) => Err(JwksError::Empty),
        (true, false) => Err(JwksError::Unusable(found.unusable.join("; "))),
    }
}

/// One key, read without regard to the others.
fn read_key(text: &str) -> Result<Key, LeftOut> {
    let malformed = LeftOut::Unusable("it is not an object, says something twice, or is malformed");
    json::scan(text).map_err(|_| malformed)?;
    serde_json::from_str(text).map_err(|_| malformed)
}

/// Whether the key can be used beside those that were taken before it.
fn check(issuer: &Issuer, taken: &[Issuer]) -> Result<(), LeftOut> {
    let refuse = |why| Err(LeftOut::Unusable(why));
    if !issuer.key_id.as_deref().is_none_or(is_key_id) {
        return refuse("its kid is not 1 to 256 of A-Z a-z 0-9 - . _ ~ : / @ + = % ,");
    }
    if taken.len() >= KEYS_MAX {
        return refuse("the set holds more than 16 keys for this algorithm");
    }
    // A token names its key by `kid`, so keys that share one, or have none, are ambiguous.
    if taken.iter().any(|other| other.key_id == issuer.key_id) {
        return refuse("a key before it has the same kid, or none either");
    }
    if !taken.is_empty() && issuer.key_id.is_none() {
        return refuse("it has no kid, and the set holds other keys");
    }
    let Err(error) = TokenKey::build(issuer.clone()) else { return Ok(()) };
    if let GateError::Issuer { why, .. } = error { refuse(why) } else { refuse("it is not valid") }
}

impl Key {
    fn material(&self, algorithm: Algorithm) -> Result<IssuerKey, LeftOut> {
        let signs = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        let verifies = |operations: &Vec<String>| operations.iter().any(|name| name == "verify");
        let signs = signs && self.key_ops.as_ref().is_none_or(verifies);
        let named = self.alg.as_deref().is_none_or(|alg| alg == algorithm.name());
        if self.d.is_some() || self.k.is_some() || self.kty == "oct" {
            let why =
                "it is private or shared, so every reader of the set can make tokens: revoke it";
            return Err(LeftOut::Unusable(why));
        }
        if !signs || !named {
            return Err(LeftOut::Other);
        }
        let curve = self.crv.as_deref().unwrap_or_default();
        match (algorithm, self.kty.as_str(), curve) {
            (Algorithm::EdDsa, "OKP", "Ed25519") => Ok(IssuerKey::EdDsaPublic(bytes(&self.x)?)),
            (Algorithm::Es256, "EC", "P-256") => {
                let (x, y) = (bytes(&self.x)?, bytes(&self.y)?);
                Ok(IssuerKey::Es256Public([vec![4], x, y].concat()))
            }
            (Algorithm::Rs256, "RSA", _) => {
                let (modulus, exponent) = (bytes(&self.n)?, bytes(&self.e)?);
                Ok(IssuerKey::Rs256Public { modulus, exponent })
            }
            (Algorithm::Ps256, "RSA", _) => {
                let (modulus, exponent) = (bytes(&self.n)?, bytes(&self.e)?);
                Ok(IssuerKey::Ps256Public { modulus, exponent })
            }
            _ => Err(LeftOut::Other),
        }
    }
}

fn bytes(text: &Option<String>) -> Result<Vec<u8>, LeftOut> {
    let missing = LeftOut::Unusable("a part of its material is missing or no base64url");
    // Some libraries pad what RFC 7515 section 2 leaves without padding.
    let text = text.as_deref().ok_or(missing)?.trim_end_matches('=');
    URL_SAFE_NO_PAD.decode(text).map_err(|_| missing)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rsa;
    use aws_lc_rs::signature::KeyPair;
    use serde_json::{Value, json};

    use super::*;
    use crate::tokens::forge::{encode, issuers, own_public, with};

    fn ed(kid: &str) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "x": encode(own_public()), "kid": kid})
    }

    fn like() -> Issuer {
        let [_, like, _] = issuers().try_into().unwrap();
        like
    }

    fn read(keys: Value, algorithm: Algorithm) -> Result<KeySet, JwksError> {
        let read = read_jwks(&json!({"keys": keys}).to_string(), algorithm, &like())?;
        assert!(read.issuers.iter().all(|key| key.issuer == like().issuer && !key.own));
        Ok(read)
    }

    /// The ids that are left, how many are reported, and how many are for others.
    fn outcome(keys: Value) -> Result<(Vec<Option<String>>, usize, usize), JwksError> {
        let read = read(keys, Algorithm::EdDsa)?;
        let ids = read.issuers.into_iter().map(|issuer| issuer.key_id).collect();
        Ok((ids, read.unusable.len(), read.others))
    }

    #[test]
    fn t_032_set_gives_the_keys_of_the_configured_algorithm_and_no_others() {
        let id = |kid: &str| Some(String::from(kid));
        let b = |change: Value| with(ed("b"), change);
        let a = || vec![id("a")];
        let cases = [
            (json!([ed("a")]), Ok((a(), 0, 0))),
            (json!([ed("a"), ed("b")]), Ok((vec![id("a"), id("b")], 0, 0))),
            (json!([ed("a"), b(json!({"use": "enc"}))]), Ok((a(), 0, 1))),
            (json!([ed("a"), b(json!({"use": "tls"}))]), Ok((a(), 0, 1))),
            (json!([ed("a"), b(json!({"alg": "ES256"}))]), Ok((a(), 0, 1))),
            (json!([ed("a"), b(json!({"alg": "X-1"}))]), Ok((a(), 0, 1))),
            (json!([ed("a"), b(json!({"kty": "RSA", "n": "AQAB"}))]), Ok((a(), 0, 1))),
            (json!([ed("a"), b(json!({"kty": "AKP", "pub": "q"}))]), Ok((a(), 0, 1))),
            (json!([ed("a"), b(json!({"crv": "Ed448"}))]), Ok((a(), 0, 1))),
            (json!([ed("a"), b(json!({"key_ops": ["sign"]}))]), Ok((a(), 0, 1))),
            (json!([b(json!({"key_ops": ["verify"]}))]), Ok((vec![id("b")], 0, 0))),
            (
                json!([b(json!({"alg": "EdDSA", "use": "sig", "x5c": ["q"], "x5t": 7}))]),
                Ok((vec![id("b")], 0, 0)),
            ),
            (json!([b(json!({"kid": null}))]), Ok((vec![None], 0, 0))),
            (json!([b(json!({"crv": "Ed448"}))]), Err(JwksError::Empty)),
            (json!([]), Err(JwksError::Empty)),
            (json!({"kty": "OKP"}), Err(JwksError::Shape)),
            (Value::Null, Err(JwksError::Shape)),
        ];
        for (keys, expect) in cases {
            assert_eq!(outcome(keys.clone()), expect, "{keys}");
        }
        assert_eq!(read(json!([ed("a")]), Algorithm::Es256).err(), Some(JwksError::Empty));
    }

    #[test]
    fn unusable_key_is_reported_and_leaves_the_others() {
        let b = |change: Value| with(ed("b"), change);
        let unusable = [
            b(json!({"kid": "a"})),
            b(json!({"kid": null})),
            b(json!({"kid": 7})),
            b(json!({"kid": "two words"})),
            b(json!({"kid": ""})),
            b(json!({"alg": ["EdDSA"]})),
            b(json!({"x": "short"})),
            b(json!({"x": "no base64!"})),
            b(json!({"x": null})),
            b(json!({"x": encode([0; 32])})),
            b(json!({"key_ops": "verify"})),
            b(json!({"d": "AAAA"})),
            json!({"kty": "oct", "k": "AAAA", "kid": "c"}),
            json!({"crv": "Ed25519"}),
            json!({"__proto__": {}, "kty": "OKP"}),
            json!("a key"),
            json!(null),
            json!([]),
        ];
        for key in unusable {
            for keys in [json!([ed("a"), key, ed("z")]), json!([ed("a"), ed("z"), key])] {
                let ids = vec![Some(String::from("a")), Some(String::from("z"))];
                assert_eq!(outcome(keys), Ok((ids, 1, 0)), "{key}");
            }
        }
        let read = read(json!([ed("a"), b(json!({"d": "AAAA"}))]), Algorithm::EdDsa).unwrap();
        assert!(read.unusable[0].starts_with("key 2 (b): it is private"), "{:?}", read.unusable);
        let many: Value = (0..40).map(|n| ed(&n.to_string())).collect();
        let (ids, unusable, _) = outcome(many).unwrap();
        assert_eq!((ids.len(), unusable), (KEYS_MAX, REPORTED_MAX));
    }

    #[test]
    fn rsa_keys_that_are_too_small_or_padded_do_not_invalidate_a_set() {
        let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
        let modulus = pair.public_key().modulus().big_endian_without_leading_zero().to_vec();
        let key = |kid: &str, n: String, e: &str| json!({"kty": "RSA", "kid": kid, "n": n, "e": e});
        let signed = [&[0], modulus.as_slice()].concat();
        let keys = json!([
            key("small", encode([0xf1; 128]), "AQAB"),
            key("weak", encode(&modulus), "Aw"),
            key("good", encode(&modulus), "AQAB"),
            key("signed", encode(signed), "AQAB"),
            key("padded", format!("{}==", encode(&modulus)), "AQAB"),
        ]);
        let read = read(keys, Algorithm::Rs256).unwrap();
        let ids: Vec<_> = read.issuers.iter().filter_map(|key| key.key_id.as_deref()).collect();
        assert_eq!(ids, ["good", "signed", "padded"]);
        assert_eq!(read.unusable.len(), 2, "{:?}", read.unusable);
    }

    #[test]
    fn malformed_or_oversized_set_is_rejected() {
        let long = format!(r#"{{"keys":[],"a":"{}"}}"#, "a".repeat(JWKS_MAX_BYTES));
        for text in ["", "[]", "{}", r#"{"keys":[],"keys":[]}"#, "{\"keys\":", long.as_str()] {
            let read = read_jwks(text, Algorithm::EdDsa, &like());
            assert_eq!(read.err(), Some(JwksError::Shape), "{text:.40}");
        }
        let twice = format!(r#"{{"keys":[{{"kty":"OKP","kty":"OKP"}},{}],"more":1e400}}"#, ed("a"));
        let read = read_jwks(&twice, Algorithm::EdDsa, &like()).unwrap();
        assert_eq!((read.issuers.len(), read.unusable.len()), (1, 1));
    }
}
