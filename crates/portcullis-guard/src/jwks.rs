//! An issuer's keys as it publishes them (RFC 7517).
//! Never: an algorithm or a kind of key the configuration has not named; what does not fit is left
//! out, and what is dangerous refuses the whole set.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::json;
use crate::token_key::{Algorithm, Issuer, IssuerKey};

/// Largest set looked at, in bytes.
const JWKS_MAX_BYTES: usize = 256 * 1024;
/// Most keys of one issuer.
const KEYS_MAX: usize = 16;

/// Why a set of keys is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// Not JSON of the right shape, or over a limit.
    #[error("it is no JSON Web Key Set of at most 256 KiB, or says something twice")]
    Shape,
    /// A key gives its private half away.
    #[error("it holds a private or shared key: whoever reads it can make tokens; withdraw it")]
    Private,
    /// More keys than one issuer may have.
    #[error("it holds more than 16 keys for this algorithm")]
    TooMany,
    /// Nothing in it can check a token.
    #[error("it holds no key for this algorithm and for signatures")]
    Empty,
    /// Two keys that cannot be told apart.
    #[error("it holds several keys, and one has no kid or the kid of another")]
    KeyIds,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Key>,
}

/// What is read of a key; the rest (`x5c`, `x5t`, dates) means nothing here.
#[derive(Deserialize)]
struct Key {
    kty: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
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

/// Reads a set into one [`Issuer`] a key; `like` says all else there is to say of the issuer.
///
/// A key that names no algorithm is for the configured one, if it is of its kind. Keys of other
/// kinds, for encryption or for other algorithms are left out, as sets hold such for others.
///
/// # Errors
/// [`JwksError`] when the set cannot be read, is dangerous, or nothing is left.
pub fn read_jwks(
    text: &str,
    algorithm: Algorithm,
    like: &Issuer,
) -> Result<Vec<Issuer>, JwksError> {
    if text.len() > JWKS_MAX_BYTES {
        return Err(JwksError::Shape);
    }
    json::scan(text).map_err(|_| JwksError::Shape)?;
    let set: Set = serde_json::from_str(text).map_err(|_| JwksError::Shape)?;
    if set.keys.iter().any(|key| key.d.is_some() || key.k.is_some() || key.kty == "oct") {
        return Err(JwksError::Private);
    }
    let mut issuers: Vec<Issuer> = Vec::new();
    for key in &set.keys {
        let Some(material) = key.material(algorithm) else { continue };
        let key_id = key.kid.clone();
        if issuers.len() >= KEYS_MAX {
            return Err(JwksError::TooMany);
        }
        if issuers.iter().any(|other| other.key_id == key_id) {
            return Err(JwksError::KeyIds);
        }
        issuers.push(Issuer { key_id, key: material, ..like.clone() });
    }
    match issuers.as_slice() {
        [] => Err(JwksError::Empty),
        [_] => Ok(issuers),
        many if many.iter().any(|issuer| issuer.key_id.is_none()) => Err(JwksError::KeyIds),
        _ => Ok(issuers),
    }
}

impl Key {
    fn material(&self, algorithm: Algorithm) -> Option<IssuerKey> {
        let signs = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        let named = self.alg.as_deref().is_none_or(|alg| alg == algorithm.name());
        if !signs || !named {
            return None;
        }
        let curve = self.crv.as_deref().unwrap_or_default();
        match (algorithm, self.kty.as_str(), curve) {
            (Algorithm::EdDsa, "OKP", "Ed25519") => Some(IssuerKey::EdDsaPublic(bytes(&self.x)?)),
            (Algorithm::Es256, "EC", "P-256") => {
                let (x, y) = (bytes(&self.x)?, bytes(&self.y)?);
                Some(IssuerKey::Es256Public([vec![4], x, y].concat()))
            }
            (Algorithm::Rs256, "RSA", _) => {
                let (modulus, exponent) = (bytes(&self.n)?, bytes(&self.e)?);
                Some(IssuerKey::Rs256Public { modulus, exponent })
            }
            _ => None,
        }
    }
}

fn bytes(text: &Option<String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.as_deref()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::token_forge::{encode, issuers, own_public};

    fn ed(kid: &str) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "x": encode(own_public()), "kid": kid})
    }

    fn read(keys: Value, algorithm: Algorithm) -> Result<Vec<Option<String>>, JwksError> {
        let [_, like, _] = issuers().try_into().unwrap();
        let text = json!({"keys": keys}).to_string();
        let read = read_jwks(&text, algorithm, &like)?;
        assert!(read.iter().all(|issuer| issuer.issuer == like.issuer && !issuer.own));
        Ok(read.into_iter().map(|issuer| issuer.key_id).collect())
    }

    #[test]
    fn t_032_a_set_gives_the_keys_of_the_configured_algorithm_and_no_others() {
        let id = |kid: &str| Some(String::from(kid));
        let with = |change: Value| crate::token_forge::with(ed("b"), change);
        let cases = [
            (json!([ed("a")]), Ok(vec![id("a")])),
            (json!([ed("a"), ed("b")]), Ok(vec![id("a"), id("b")])),
            (json!([ed("a"), with(json!({"use": "enc"}))]), Ok(vec![id("a")])),
            (json!([ed("a"), with(json!({"alg": "ES256"}))]), Ok(vec![id("a")])),
            (json!([ed("a"), with(json!({"kty": "RSA", "n": "AQAB"}))]), Ok(vec![id("a")])),
            (json!([with(json!({"alg": "EdDSA", "use": "sig", "x5t": "q"}))]), Ok(vec![id("b")])),
            (json!([with(json!({"kid": null}))]), Ok(vec![None])),
            (json!([ed("a"), with(json!({"kid": null}))]), Err(JwksError::KeyIds)),
            (json!([ed("a"), ed("a")]), Err(JwksError::KeyIds)),
            (json!([ed("a"), with(json!({"d": "AAAA"}))]), Err(JwksError::Private)),
            (json!([ed("a"), {"kty": "oct", "k": "AAAA"}]), Err(JwksError::Private)),
            (json!([]), Err(JwksError::Empty)),
            (json!([with(json!({"crv": "Ed448"}))]), Err(JwksError::Empty)),
            (json!({"kty": "OKP"}), Err(JwksError::Shape)),
            (Value::Null, Err(JwksError::Shape)),
            ((0..17).map(|n| ed(&n.to_string())).collect(), Err(JwksError::TooMany)),
        ];
        for (keys, expect) in cases {
            assert_eq!(read(keys.clone(), Algorithm::EdDsa), expect, "{keys}");
        }
        assert_eq!(read(json!([ed("a")]), Algorithm::Es256), Err(JwksError::Empty));
    }

    #[test]
    fn what_is_said_twice_or_endlessly_is_no_set() {
        let [_, like, _] = issuers().try_into().unwrap();
        let long = format!(r#"{{"keys":[],"a":"{}"}}"#, "a".repeat(JWKS_MAX_BYTES));
        for text in ["", "[]", "{}", r#"{"keys":[],"keys":[]}"#, "{\"keys\":", long.as_str()] {
            let read = read_jwks(text, Algorithm::EdDsa, &like);
            assert_eq!(read.err(), Some(JwksError::Shape), "{text:.40}");
        }
    }
}
