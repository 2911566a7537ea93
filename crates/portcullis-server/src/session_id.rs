//! Secret session ids that say, to this process only, where their session lives.
//! Never: an id that can be guessed, or that shows an order.

use std::hash::{BuildHasher, RandomState};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::{ConnectionId, Denial};

use crate::random::random_bytes;

/// Random bytes of an id: 160 bits.
const SECRET_BYTES: usize = 20;
const PLACE_BYTES: usize = 8;

/// The random part of an id; whoever shows it may act for the session.
#[derive(Clone, Copy)]
pub(crate) struct SessionSecret([u8; SECRET_BYTES]);

impl SessionSecret {
    /// Compares in constant time.
    pub(crate) fn is(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

/// Makes and reads ids. An id is 160 random bits, and the session's place hidden under a hash of
/// them whose key never leaves the process; so no table of ids is needed.
#[derive(Clone, Default)]
pub(crate) struct SessionIds {
    key: RandomState,
}

impl SessionIds {
    /// A new id for a connection, as text and as what the connection keeps of it.
    ///
    /// # Errors
    /// [`Denial::Internal`] when the machine gives no randomness: fail closed.
    pub(crate) fn make(&self, id: ConnectionId) -> Result<(String, SessionSecret), Denial> {
        let secret = random_bytes::<SECRET_BYTES>()?;
        let place = id.to_bits() ^ self.key.hash_one(secret);
        let mut bytes = Vec::with_capacity(PLACE_BYTES + SECRET_BYTES);
        bytes.extend_from_slice(&place.to_be_bytes());
        bytes.extend_from_slice(&secret);
        Ok((URL_SAFE_NO_PAD.encode(bytes), SessionSecret(secret)))
    }

    /// Where an id says its session lives; what it shows has yet to be compared there.
    pub(crate) fn read(&self, text: &str) -> Option<(ConnectionId, SessionSecret)> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (place, secret) = bytes.split_first_chunk::<PLACE_BYTES>()?;
        let secret: [u8; SECRET_BYTES] = secret.try_into().ok()?;
        let bits = u64::from_be_bytes(*place) ^ self.key.hash_one(secret);
        Some((ConnectionId::from_bits(bits), SessionSecret(secret)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_171_t_172_ids_name_their_place_and_nothing_else_does() {
        let ids = SessionIds::default();
        let id = ConnectionId { shard: 3, number: 77 };
        let (text, kept) = ids.make(id).unwrap();
        assert_eq!(text.len(), 38);
        let (place, shown) = ids.read(&text).unwrap();
        assert!(place == id && kept.is(&shown));
        let (again, other) = ids.make(id).unwrap();
        assert!(again != text && !kept.is(&other));
        let elsewhere = SessionIds::default().read(&text).unwrap();
        assert_ne!(elsewhere.0, id, "another process cannot read it");
        for wrong in ["", "abc", &text[1..], &format!("{text}A"), &text.replace(&text[5..6], "!")] {
            assert!(ids.read(wrong).is_none(), "{wrong:?}");
        }
        let mut changed = text.into_bytes();
        let last = changed.len() - 8;
        changed[last] = if changed[last] == b'A' { b'B' } else { b'A' };
        let (place, shown) = ids.read(std::str::from_utf8(&changed).unwrap()).unwrap();
        assert!(place != id && !kept.is(&shown));
    }
}
