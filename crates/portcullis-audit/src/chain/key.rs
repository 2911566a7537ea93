//! The keys that sign the log: one for each epoch, and the public keys that verify them.
//! Never: an old signing key; the next epoch replaces it, so the past cannot be signed again.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_model::Secret;

/// The number of Ed25519 in signed notes (C2SP signed-note).
const ED25519_KIND: u8 = 1;
/// Bytes of a seed and of a public key.
pub(crate) const KEY_BYTES: usize = 32;
/// Bytes of a signature.
pub(crate) const SIGNATURE_BYTES: usize = 64;
/// Longest name of a key.
const NAME_MAX_BYTES: usize = 200;

/// Signs notes and the key of the next epoch. Printed, it shows nothing.
pub(crate) struct SigningKey {
    seed: Secret<Vec<u8>>,
    pair: Ed25519KeyPair,
}

/// A public key of Ed25519.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PublicKey([u8; KEY_BYTES]);

/// A public key with its name, as an operator keeps it: `NAME+ID+KEY` (C2SP signed-note).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: PublicKey,
}

/// The reason why a key cannot be made or read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// The system returned no random bytes.
    #[error("the system returned no random bytes")]
    Random,
    /// A seed is not one of Ed25519.
    #[error("the signing key is not a key of Ed25519")]
    Seed,
    /// A text is not a key of the form `NAME+ID+KEY`.
    #[error("not a key of the form NAME+ID+KEY, as `portcullis audit key` prints it")]
    Text,
    /// The id of a key is not that of its name and its bytes.
    #[error("the key's id does not belong to its name and bytes: was a character changed?")]
    Id,
}

impl SigningKey {
    pub(crate) fn generate() -> Result<Self, KeyError> {
        let mut seed = vec![0; KEY_BYTES];
        SystemRandom::new().fill(&mut seed).map_err(|_| KeyError::Random)?;
        Self::from_seed(Secret::new(seed))
    }

    pub(crate) fn from_seed(seed: Secret<Vec<u8>>) -> Result<Self, KeyError> {
        let pair =
            Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| KeyError::Seed)?;
        Ok(Self { seed, pair })
    }

    pub(crate) fn seed(&self) -> &Secret<Vec<u8>> {
        &self.seed
    }

    pub(crate) fn public(&self) -> PublicKey {
        let mut bytes = [0; KEY_BYTES];
        for (byte, key) in bytes.iter_mut().zip(self.pair.public_key().as_ref()) {
            *byte = *key;
        }
        PublicKey(bytes)
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let mut bytes = [0; SIGNATURE_BYTES];
        for (byte, signature) in bytes.iter_mut().zip(self.pair.sign(message).as_ref()) {
            *byte = *signature;
        }
        bytes
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey")
    }
}

impl PublicKey {
    pub(crate) fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }

    /// The id of the key under a name: the first four bytes of a hash of both.
    pub(crate) fn id(&self, name: &str) -> [u8; 4] {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(name.as_bytes());
        context.update(&[b'\n', ED25519_KIND]);
        context.update(&self.0);
        let mut id = [0; 4];
        for (byte, hash) in id.iter_mut().zip(context.finish().as_ref()) {
            *byte = *hash;
        }
        id
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&STANDARD.encode(self.0))
    }
}

impl VerifierKey {
    pub(crate) fn new(name: &str, key: PublicKey) -> Self {
        Self { name: String::from(name), key }
    }

    /// The name: host, product and id of the log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn key(&self) -> &PublicKey {
        &self.key
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.key.id(&self.name));
        let key = STANDARD.encode([&[ED25519_KIND][..], &self.key.0].concat());
        write!(formatter, "{}+{id:08x}+{key}", self.name)
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        // Base64 can hold a "+", names cannot.
        let mut parts = text.trim().splitn(3, '+');
        let mut next = || parts.next().ok_or(KeyError::Text);
        let (name, id, key) = (next()?, next()?, next()?);
        if !is_name(name) || id.len() != 8 {
            return Err(KeyError::Text);
        }
        let id = u32::from_str_radix(id, 16).map_err(|_| KeyError::Text)?;
        let mut bytes = [0; KEY_BYTES + 1];
        let length = STANDARD.decode_slice(key, &mut bytes).map_err(|_| KeyError::Text)?;
        let [ED25519_KIND, key @ ..] = bytes else { return Err(KeyError::Text) };
        if length != KEY_BYTES + 1 {
            return Err(KeyError::Text);
        }
        let key = PublicKey(key);
        if key.id(name) != id.to_be_bytes() {
            return Err(KeyError::Id);
        }
        Ok(Self::new(name, key))
    }
}

/// Whether a text can be the name of a key: no white space, no plus sign.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=NAME_MAX_BYTES).contains(&text.len())
        && !text.contains(|it: char| it.is_whitespace() || it.is_control() || it == '+')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifier_key_is_read_as_it_is_written() {
        let key = SigningKey::from_seed(Secret::new(vec![7; 32])).unwrap();
        let verifier = VerifierKey::new("chat.example/portcullis/ab", key.public());
        let text = verifier.to_string();
        assert_eq!(text.parse(), Ok(verifier));
        let renamed = text.replace("chat", "chap");
        assert_eq!(renamed.parse::<VerifierKey>(), Err(KeyError::Id));
        for bad in ["", "a", "a+b", "a+00000000+AAAA", " +00000000+AAAA", &text[..text.len() - 4]] {
            assert_eq!(bad.parse::<VerifierKey>(), Err(KeyError::Text), "{bad}");
        }
    }

    #[test]
    fn signature_of_another_message_or_key_is_rejected() {
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let signature = key.sign(b"message");
        assert!(key.public().verify(b"message", &signature));
        assert!(!key.public().verify(b"massage", &signature));
        assert!(!other.public().verify(b"message", &signature));
        assert_eq!(format!("{key:?}"), "SigningKey");
    }
}
