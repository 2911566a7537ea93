//! The hashes that connect each line of the log with all lines before it.
//! Never: a parser or a canonical form of JSON; the bytes of the line are hashed as they are.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, URL_SAFE_NO_PAD};

/// Bytes of a hash.
const HASH_BYTES: usize = 32;
/// Characters of a hash in Base64url.
pub(crate) const HASH_CHARS: usize = 43;
/// Bytes of a salt.
pub(crate) const SALT_BYTES: usize = 16;
/// Characters of a salt in Base64url.
pub(crate) const SALT_CHARS: usize = 22;

/// SHA-256 of a part of the log: of one line's personal part, or of a line and all before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChainHash([u8; HASH_BYTES]);

/// Random bytes that keep the personal part of a line from being guessed by its commitment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Salt(pub(crate) [u8; SALT_BYTES]);

impl ChainHash {
    /// The hash before the first line of a log.
    pub(crate) fn start(log: &[u8]) -> Self {
        digest(&[b"pc1l", log])
    }

    /// The commitment to the personal part of a line. It says nothing without the salt.
    pub(crate) fn commitment(salt: &Salt, personal: &[u8]) -> Self {
        digest(&[b"pc1p", &salt.0, personal])
    }

    /// The hash of a line and of all lines before it.
    pub(crate) fn next(&self, public: &[u8], commitment: &Self) -> Self {
        let public_len = (public.len() as u64).to_be_bytes();
        digest(&[b"pc1r", &self.0, &public_len, public, &commitment.0])
    }

    /// The bytes.
    pub(crate) fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }

    pub(crate) fn from_bytes(bytes: [u8; HASH_BYTES]) -> Self {
        Self(bytes)
    }

    /// Reads 43 characters of Base64url.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        decode(text).map(Self)
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Salt {
    /// Reads 22 characters of Base64url.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        decode(text).map(Self)
    }

    /// The salt in Base64url.
    pub(crate) fn to_text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

/// Exactly `N` bytes in their only Base64url form.
fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    decode_with(&URL_SAFE_NO_PAD, text)
}

/// Exactly `N` bytes in their only form of Base64 with padding.
pub(crate) fn decode_standard<const N: usize>(text: &str) -> Option<[u8; N]> {
    decode_with(&STANDARD, text.as_bytes())
}

fn decode_with<const N: usize>(engine: &GeneralPurpose, text: &[u8]) -> Option<[u8; N]> {
    let bytes = engine.decode(text).ok()?;
    <[u8; N]>::try_from(bytes.as_slice()).ok()
}

fn digest(parts: &[&[u8]]) -> ChainHash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut bytes = [0; HASH_BYTES];
    for (byte, digest) in bytes.iter_mut().zip(context.finish().as_ref()) {
        *byte = *digest;
    }
    ChainHash(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_depends_on_every_part_of_a_line() {
        let start = ChainHash::start(b"log");
        let commitment = ChainHash::commitment(&Salt([1; 16]), b"ada");
        let hash = start.next(b"public", &commitment);
        assert_eq!(hash, start.next(b"public", &commitment));
        let others = [
            ChainHash::start(b"other").next(b"public", &commitment),
            start.next(b"publi", &commitment),
            start.next(b"public", &ChainHash::commitment(&Salt([1; 16]), b"adb")),
            start.next(b"public", &ChainHash::commitment(&Salt([2; 16]), b"ada")),
        ];
        assert!(others.iter().all(|other| *other != hash));
        assert_eq!(ChainHash::parse(hash.to_string().as_bytes()), Some(hash));
        assert_eq!(hash.to_string().len(), HASH_CHARS);
        assert_eq!(Salt([7; 16]).to_text().len(), SALT_CHARS);
    }

    #[test]
    fn only_one_spelling_of_a_hash_is_accepted() {
        let text = ChainHash::start(b"log").to_string();
        let mut other = text.clone().into_bytes();
        let last = other.last_mut().unwrap();
        // The last character of 43 holds four bits that count and two that do not.
        *last = if *last == b'_' { b'-' } else { last.wrapping_add(1) };
        let other = String::from_utf8(other).unwrap();
        assert_ne!(ChainHash::parse(text.as_bytes()), ChainHash::parse(other.as_bytes()));
        for bad in ["", "abc", &format!("{text}="), &format!("{text}A"), &text[1..]] {
            assert_eq!(ChainHash::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
