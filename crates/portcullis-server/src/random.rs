//! Identifiers nobody can guess, and references that need only be different.
//! Never: a predictable secret; without randomness the caller is refused.

use std::cell::Cell;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::{Denial, Reference};

/// A secret identifier of `BYTES` random bytes, as base64url text.
///
/// # Errors
/// [`Denial::Internal`] when the machine gives no randomness: fail closed.
pub fn random_id<const BYTES: usize>() -> Result<String, Denial> {
    random_bytes::<BYTES>().map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

/// Secret random bytes.
pub(crate) fn random_bytes<const BYTES: usize>() -> Result<[u8; BYTES], Denial> {
    let mut bytes = [0u8; BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Denial::Internal("randomness"))?;
    Ok(bytes)
}

/// Makes the short references that a refused peer and the security record share.
///
/// They need to be distinct, not secret: a seeded counter, mixed (`SplitMix64`).
#[derive(Debug)]
pub(crate) struct References {
    state: Cell<u64>,
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl References {
    pub(crate) fn new() -> Self {
        let mut seed = [0u8; 8];
        // A failed seed only makes references of two restarts alike.
        let _seeded = SystemRandom::new().fill(&mut seed);
        Self { state: Cell::new(u64::from_le_bytes(seed)) }
    }

    /// A number spread evenly over 64 bits; for jitter and references, never for secrets.
    pub(crate) fn next_number(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn next(&self) -> Option<Reference> {
        let mut number = self.next_number();
        let mut text = [0u8; 10];
        for slot in &mut text {
            let index = usize::try_from(number & 31).unwrap_or_default();
            *slot = ALPHABET.get(index).copied().unwrap_or(b'0');
            number >>= 5;
        }
        std::str::from_utf8(&text).ok().and_then(|text| Reference::parse(text).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_differ_and_ids_carry_their_bits() {
        let references = References::new();
        assert_ne!(references.next(), references.next());
        let id = random_id::<20>().unwrap();
        assert_eq!(id.len(), 27);
        assert_ne!(id, random_id::<20>().unwrap());
    }
}
