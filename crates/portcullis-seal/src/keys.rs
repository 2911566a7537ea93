//! The keys of a ring: one current, the others to open what is older.
//! Never: two keys of one id; a file.

use crate::field_key::FieldKey;
use crate::key_id::KeyId;
use crate::ring_error::{LineFault, RingError};

/// Most keys in a ring. Memory: under 10 KiB. Rotating monthly, that is five years unretired.
pub const KEYS_MAX: usize = 64;

/// What may be known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyFacts {
    /// Its name.
    pub id: KeyId,
    /// When it was made, in milliseconds since 1970.
    pub created_unix_ms: i64,
    /// Whether it seals new values.
    pub current: bool,
}

/// The keys, in the order they were made.
pub(crate) struct Keys {
    current: FieldKey,
    old: Vec<FieldKey>,
}

impl Keys {
    pub(crate) fn new(current: FieldKey, old: Vec<FieldKey>) -> Result<Self, LineFault> {
        let keys = Self { current, old };
        if keys.all().count() > KEYS_MAX {
            return Err(LineFault::TooMany);
        }
        for key in keys.all() {
            if keys.all().filter(|other| other.id() == key.id()).count() > 1 {
                return Err(LineFault::Doubled(key.id()));
            }
        }
        Ok(keys)
    }

    pub(crate) fn current(&self) -> &FieldKey {
        &self.current
    }

    pub(crate) fn old(&self) -> &[FieldKey] {
        &self.old
    }

    pub(crate) fn find(&self, id: KeyId) -> Option<&FieldKey> {
        self.all().find(|key| key.id() == id)
    }

    pub(crate) fn facts(&self) -> Vec<KeyFacts> {
        let facts = |key: &FieldKey, current| KeyFacts {
            id: key.id(),
            created_unix_ms: key.created_unix_ms(),
            current,
        };
        let old = self.old.iter().map(|key| facts(key, false));
        old.chain([facts(&self.current, true)]).collect()
    }

    /// Makes a fresh key the current one.
    pub(crate) fn rotated(mut self, fresh: FieldKey) -> Result<Self, RingError> {
        if self.all().count() >= KEYS_MAX {
            return Err(RingError::Full);
        }
        self.old.push(std::mem::replace(&mut self.current, fresh));
        Ok(self)
    }

    /// Takes an old key out.
    pub(crate) fn without(mut self, id: KeyId) -> Result<Self, RingError> {
        if self.current.id() == id {
            return Err(RingError::Current(id));
        }
        let before = self.old.len();
        self.old.retain(|key| key.id() != id);
        if self.old.len() == before { Err(RingError::Unknown(id)) } else { Ok(self) }
    }

    /// The current one first: it is looked for most.
    fn all(&self) -> impl Iterator<Item = &FieldKey> {
        std::iter::once(&self.current).chain(&self.old)
    }
}
