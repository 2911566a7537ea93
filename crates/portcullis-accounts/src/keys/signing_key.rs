//! One key pair that signs access tokens, and its line in the file of the key set.
//! Never: a private key anywhere but in that line.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::Secret;

/// Bytes of an Ed25519 seed (RFC 8032 section 5.1.5).
const SEED_BYTES: usize = 32;

/// An Ed25519 key pair (RFC 8037), and how long its tokens are accepted.
pub(crate) struct SigningKey {
    pair: Ed25519KeyPair,
    id: String,
    pub(crate) created_unix_ms: i64,
    /// Until when its tokens are accepted; `None` for the key that signs.
    pub(crate) until_unix_ms: Option<i64>,
}

impl SigningKey {
    pub(crate) fn generate(now_unix_ms: i64) -> Option<Self> {
        let pair = Ed25519KeyPair::generate().ok()?;
        Some(Self::new(pair, now_unix_ms, None))
    }

    /// Reads the single key of older versions.
    pub(crate) fn from_pkcs8(pkcs8: &[u8], created_unix_ms: i64) -> Option<Self> {
        Ed25519KeyPair::from_pkcs8(pkcs8).ok().map(|pair| Self::new(pair, created_unix_ms, None))
    }

    fn new(pair: Ed25519KeyPair, created_unix_ms: i64, until_unix_ms: Option<i64>) -> Self {
        Self { id: thumbprint(pair.public_key().as_ref()), pair, created_unix_ms, until_unix_ms }
    }

    /// The key id (`kid`): the thumbprint, so that ids of two keys differ.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    /// `kid created until seed`, where `until` is `-` for the key that signs.
    pub(crate) fn line(&self) -> Option<Secret<String>> {
        let seed = self.pair.seed().ok()?;
        let bytes = seed.as_be_bytes().ok()?;
        let text = Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_ref()));
        let until = self.until_unix_ms.map_or_else(|| String::from("-"), |until| until.to_string());
        let (id, created) = (&self.id, self.created_unix_ms);
        Some(Secret::new(format!("{id} {created} {until} {}\n", text.expose())))
    }

    /// Reads a line; `None` when it is invalid, or the id is not that of the key.
    pub(crate) fn read_line(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (id, created, until, seed) =
            (words.next()?, words.next()?, words.next()?, words.next()?);
        if words.next().is_some() {
            return None;
        }
        let until_unix_ms = match until {
            "-" => None,
            number => Some(number.parse().ok()?),
        };
        let seed = Secret::new(URL_SAFE_NO_PAD.decode(seed).ok()?);
        if seed.expose().len() != SEED_BYTES {
            return None;
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).ok()?;
        let key = Self::new(pair, created.parse().ok()?, until_unix_ms);
        (key.id == id).then_some(key)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SigningKey").field("kid", &self.id).finish_non_exhaustive()
    }
}

/// RFC 7638 section 3: the digest of the required members, in this order, without spaces.
fn thumbprint(public: &[u8]) -> String {
    let x = URL_SAFE_NO_PAD.encode(public);
    let required = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(digest(&SHA256, required.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprint_matches_rfc_8037_appendix_a_3() {
        let public = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        assert_eq!(thumbprint(&public), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn key_line_round_trips_and_changed_lines_are_rejected() {
        let mut key = SigningKey::generate(7).unwrap();
        for until in [None, Some(9)] {
            key.until_unix_ms = until;
            let line = key.line().unwrap();
            let line = line.expose().strip_suffix('\n').unwrap().to_owned();
            let read = SigningKey::read_line(&line).unwrap();
            assert_eq!((read.id(), read.created_unix_ms, read.until_unix_ms), (key.id(), 7, until));
            assert_eq!(read.sign(b"x"), key.sign(b"x"));
            let seed = line.rsplit(' ').next().unwrap();
            assert!(!format!("{key:?}").contains(seed));
            let other = if key.id().starts_with('_') { "A" } else { "_" };
            let wrong = [
                format!("{line} x"),
                line.replacen(' ', "  ", 1),
                line.replacen(" 7 ", " seven ", 1),
                line[1..].to_owned(),
                line[..line.len() - 1].to_owned(),
                line.replacen(&key.id()[..1], other, 1),
                String::new(),
            ];
            for text in wrong {
                assert!(SigningKey::read_line(&text).is_none(), "{}", text.len());
            }
        }
    }
}
