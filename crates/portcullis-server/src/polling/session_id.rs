//! Secret session ids that name, for this process only, the shard of their session.
//! Never: a predictable id, or one that reveals an order.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_guard::ReferenceKey;
use portcullis_model::{ConnectionId, Denial};

use crate::random::random_bytes;

/// Random bytes of an id: 160 bits.
const SECRET_BYTES: usize = 20;
const PLACE_BYTES: usize = 8;
/// Bytes by which every process of this installation knows an id that one of them made.
const MARK_BYTES: usize = 4;

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
/// them whose key never leaves the process; so no table of ids is needed. A mark at the end tells
/// ids of sessions that are gone, also with a process that ended, from guesses. Marks of former
/// keys are read as well, because the process that ended may have used one.
#[derive(Clone)]
pub(crate) struct SessionIds {
    key: RandomState,
    marks: ReferenceKey,
    former_marks: Arc<[ReferenceKey]>,
}

impl SessionIds {
    pub(crate) fn new(marks: ReferenceKey, former_marks: &[ReferenceKey]) -> Self {
        Self { key: RandomState::new(), marks, former_marks: Arc::from(former_marks) }
    }

    /// A new id for a connection, as text and as what the connection keeps of it.
    ///
    /// # Errors
    /// [`Denial::Internal`] when the machine gives no randomness: fail closed.
    pub(crate) fn make(&self, id: ConnectionId) -> Result<(String, SessionSecret), Denial> {
        let secret = random_bytes::<SECRET_BYTES>()?;
        let place = id.to_bits() ^ self.key.hash_one(secret);
        let mut bytes = Vec::with_capacity(PLACE_BYTES + SECRET_BYTES + MARK_BYTES);
        bytes.extend_from_slice(&place.to_be_bytes());
        bytes.extend_from_slice(&secret);
        bytes.extend_from_slice(&mark(&self.marks, &bytes));
        Ok((URL_SAFE_NO_PAD.encode(bytes), SessionSecret(secret)))
    }

    /// The connection that an id names; its secret has yet to be compared there.
    pub(crate) fn read(&self, text: &str) -> Option<(ConnectionId, SessionSecret)> {
        let bytes = self.own_bytes(text)?;
        let (place, secret) = bytes.split_first_chunk::<PLACE_BYTES>()?;
        let secret: [u8; SECRET_BYTES] = secret.try_into().ok()?;
        let bits = u64::from_be_bytes(*place) ^ self.key.hash_one(secret);
        Some((ConnectionId::from_bits(bits), SessionSecret(secret)))
    }

    /// The rejection of an id without a session: a session that is gone, or a guess.
    pub(crate) fn unknown(&self, text: &str) -> Denial {
        Denial::SessionUnknown(if self.own_bytes(text).is_some() { "gone" } else { "unknown" })
    }

    /// The bytes of an id that this installation made, whatever has become of its session.
    fn own_bytes(&self, text: &str) -> Option<Vec<u8>> {
        let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (id, shown) = bytes.split_at_checked(PLACE_BYTES + SECRET_BYTES)?;
        let mut keys = std::iter::once(&self.marks).chain(self.former_marks.iter());
        keys.find(|key| verify_slices_are_equal(shown, &mark(key, id)).is_ok())?;
        bytes.truncate(PLACE_BYTES + SECRET_BYTES);
        Some(bytes)
    }
}

fn mark(key: &ReferenceKey, id: &[u8]) -> [u8; MARK_BYTES] {
    key.mark("session id", id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_171_t_172_ids_name_their_place_and_nothing_else_does() {
        let new = |key| SessionIds::new(ReferenceKey::new([key; 16]), &[]);
        let is_gone =
            |ids: &SessionIds, text: &str| ids.unknown(text) == Denial::SessionUnknown("gone");
        let ids = new(7);
        let id = ConnectionId { shard: 3, number: 77 };
        let (text, kept) = ids.make(id).unwrap();
        assert_eq!(text.len(), 43);
        let (place, shown) = ids.read(&text).unwrap();
        assert!(place == id && kept.is(&shown));
        let (again, other) = ids.make(id).unwrap();
        assert!(again != text && !kept.is(&other));
        assert_ne!(new(7).read(&text).unwrap().0, id, "another process cannot read it");
        assert!(is_gone(&new(7), &text), "but it knows whose it was");
        assert!(new(8).read(&text).is_none() && !is_gone(&new(8), &text));
        let rotated = SessionIds::new(
            ReferenceKey::new([8; 16]),
            &[ReferenceKey::new([9; 16]), ReferenceKey::new([7; 16])],
        );
        assert!(is_gone(&rotated, &text), "also after the key was rotated");
        assert!(!is_gone(&new(7), &rotated.make(id).unwrap().0), "new ids have the newest key");
        for wrong in ["", "abc", &text[1..], &format!("{text}A"), &text.replace(&text[5..6], "!")] {
            assert!(ids.read(wrong).is_none() && !is_gone(&ids, wrong), "{wrong:?}");
        }
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'E' } else { b'A' };
            let changed = std::str::from_utf8(&changed).unwrap();
            assert!(ids.read(changed).is_none() && !is_gone(&ids, changed), "{at}");
        }
    }
}
