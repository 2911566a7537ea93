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
const POSITION_BYTES: usize = 8;
/// The length of the mark by which all processes of an installation recognize their ids.
const MARK_BYTES: usize = 4;

/// The random part of an id: a client that sends it acts for the session.
#[derive(Clone, Copy)]
pub(crate) struct SessionSecret([u8; SECRET_BYTES]);

impl SessionSecret {
    /// Compares in constant time.
    pub(crate) fn is(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

/// Makes and reads ids.
///
/// An id has 160 random bits and the connection id, which is encrypted with a keyed hash of them.
/// The key never leaves the process, so no table of ids is needed. A mark at the end distinguishes
/// ids of ended sessions from guesses, also after a restart. Marks of former keys are valid too,
/// because the previous process may have used one.
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

    /// A new id for a connection: its text, and the secret that the connection keeps.
    ///
    /// # Errors
    /// [`Denial::Internal`] when the system provides no randomness.
    pub(crate) fn make(&self, id: ConnectionId) -> Result<(String, SessionSecret), Denial> {
        let secret = random_bytes::<SECRET_BYTES>()?;
        let position = id.to_bits() ^ self.key.hash_one(secret);
        let mut bytes = Vec::with_capacity(POSITION_BYTES + SECRET_BYTES + MARK_BYTES);
        bytes.extend_from_slice(&position.to_be_bytes());
        bytes.extend_from_slice(&secret);
        bytes.extend_from_slice(&mark(&self.marks, &bytes));
        Ok((URL_SAFE_NO_PAD.encode(bytes), SessionSecret(secret)))
    }

    /// The connection that an id names. The caller has to compare the secret with that connection.
    pub(crate) fn read(&self, text: &str) -> Option<(ConnectionId, SessionSecret)> {
        let bytes = self.own_bytes(text)?;
        let (position, secret) = bytes.split_first_chunk::<POSITION_BYTES>()?;
        let secret: [u8; SECRET_BYTES] = secret.try_into().ok()?;
        let bits = u64::from_be_bytes(*position) ^ self.key.hash_one(secret);
        Some((ConnectionId::from_bits(bits), SessionSecret(secret)))
    }

    /// The rejection of an id without a session: a session that is gone, or a guess.
    pub(crate) fn unknown(&self, text: &str) -> Denial {
        Denial::SessionUnknown(if self.own_bytes(text).is_some() { "gone" } else { "unknown" })
    }

    /// The bytes of an id that this installation made, also after its session has ended.
    fn own_bytes(&self, text: &str) -> Option<Vec<u8>> {
        let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (id, shown) = bytes.split_at_checked(POSITION_BYTES + SECRET_BYTES)?;
        let mut keys = std::iter::once(&self.marks).chain(self.former_marks.iter());
        keys.find(|key| verify_slices_are_equal(shown, &mark(key, id)).is_ok())?;
        bytes.truncate(POSITION_BYTES + SECRET_BYTES);
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
    fn t_171_t_172_only_issued_ids_name_their_connection() {
        let new = |key| SessionIds::new(ReferenceKey::new([key; 16]), &[]);
        let is_gone =
            |ids: &SessionIds, text: &str| ids.unknown(text) == Denial::SessionUnknown("gone");
        let ids = new(7);
        let id = ConnectionId { shard: 3, number: 77 };
        let (text, kept) = ids.make(id).unwrap();
        assert_eq!(text.len(), 43);
        let (position, shown) = ids.read(&text).unwrap();
        assert!(position == id && kept.is(&shown));
        let (again, other) = ids.make(id).unwrap();
        assert!(again != text && !kept.is(&other));
        assert_ne!(new(7).read(&text).unwrap().0, id, "another process cannot read it");
        assert!(is_gone(&new(7), &text), "but it recognizes the mark");
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
