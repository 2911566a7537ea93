//! The keys of a keyring: the current one, and older ones that only open.
//! Never: two keys of one id; a file.

use crate::field_key::FieldKey;
use crate::key_id::KeyId;
use crate::keyring_error::KeyringError;
use crate::line_fault::{KEYS_MAX, LineFault};

/// The public facts of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyFacts {
    /// Its name.
    pub id: KeyId,
    /// When it was created, in milliseconds since 1970.
    pub created_unix_ms: i64,
    /// Whether it seals new values.
    pub current: bool,
}

/// The keys, in the order of their creation.
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

    /// Makes a new key the current one.
    pub(crate) fn rotated(mut self, fresh: FieldKey) -> Result<Self, KeyringError> {
        if self.all().count() >= KEYS_MAX {
            return Err(KeyringError::Full);
        }
        self.old.push(std::mem::replace(&mut self.current, fresh));
        Ok(self)
    }

    /// Removes an old key.
    pub(crate) fn without(mut self, id: KeyId) -> Result<Self, KeyringError> {
        if self.current.id() == id {
            return Err(KeyringError::Current(id));
        }
        let before = self.old.len();
        self.old.retain(|key| key.id() != id);
        if self.old.len() == before { Err(KeyringError::Unknown(id)) } else { Ok(self) }
    }

    /// The current key first, because most look-ups are for it.
    fn all(&self) -> impl Iterator<Item = &FieldKey> {
        std::iter::once(&self.current).chain(&self.old)
    }
}
