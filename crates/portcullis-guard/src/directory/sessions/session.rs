//! An own session as every shard sees it: its user, and when it ends.
//! Never: a token, or a secret from which a token can be made.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use parking_lot::RwLock;
use portcullis_model::{Now, SessionId, UserId};

/// The grace time of a token that a newer proof of identity has replaced.
///
/// The client receives `auth:expiring` a minute earlier. By then it has the new token.
const HANDOVER_MS: i64 = 65_000;

/// The stored facts of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFacts {
    /// The session (`sid`).
    pub id: SessionId,
    /// The user.
    pub user: UserId,
    /// When the user last authenticated.
    pub authenticated_unix_ms: i64,
    /// When it ends at the latest.
    pub ends_unix_ms: i64,
    /// How often the user has authenticated again; older tokens are void.
    pub generation: u64,
    /// The client's key, an uncompressed P-256 point, when it has shown one.
    pub key: Option<Vec<u8>>,
}

/// A session, the same one for every connection that was opened with it.
pub struct Session {
    /// The session (`sid`).
    pub id: SessionId,
    /// The user.
    pub user: UserId,
    authenticated_unix_ms: AtomicI64,
    ends_unix_ms: AtomicI64,
    generation: AtomicU64,
    ended: AtomicBool,
    key: RwLock<Option<Box<[u8]>>>,
}

impl Session {
    pub(crate) fn new(facts: SessionFacts) -> Self {
        Self {
            id: facts.id,
            user: facts.user,
            authenticated_unix_ms: AtomicI64::new(facts.authenticated_unix_ms),
            ends_unix_ms: AtomicI64::new(facts.ends_unix_ms),
            generation: AtomicU64::new(facts.generation),
            ended: AtomicBool::new(false),
            key: RwLock::new(facts.key.map(Vec::into_boxed_slice)),
        }
    }

    /// Whether it was ended.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Whether it is live now.
    #[must_use]
    pub fn is_live(&self, now: Now) -> bool {
        !self.is_ended() && now.unix_ms < self.ends_unix_ms.load(Ordering::Acquire)
    }

    /// The time of the last proof of identity, in milliseconds since 1970.
    #[must_use]
    pub fn authenticated_unix_ms(&self) -> i64 {
        self.authenticated_unix_ms.load(Ordering::Acquire)
    }

    /// How often the user has authenticated again within this session.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether a token of this generation was replaced by a newer proof of identity.
    #[must_use]
    pub fn has_replaced(&self, generation: u64) -> bool {
        generation < self.generation()
    }

    /// When a connection ends whose token was replaced, in milliseconds since 1970.
    pub(crate) fn handover_ends_unix_ms(&self, generation: u64) -> Option<i64> {
        let ends_ms = || self.authenticated_unix_ms().saturating_add(HANDOVER_MS);
        self.has_replaced(generation).then(ends_ms)
    }

    /// The client's key, an uncompressed P-256 point, when it has shown one.
    #[must_use]
    pub fn key(&self) -> Option<Box<[u8]>> {
        self.key.read().clone()
    }

    pub(crate) fn change(&self, facts: SessionFacts) {
        self.authenticated_unix_ms.store(facts.authenticated_unix_ms, Ordering::Release);
        self.ends_unix_ms.store(facts.ends_unix_ms, Ordering::Release);
        *self.key.write() = facts.key.map(Vec::into_boxed_slice);
        // Last: a reader that sees it also sees the time of the authentication.
        self.generation.store(facts.generation, Ordering::Release);
    }

    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }
}

impl std::fmt::Debug for Session {
    /// Without the id, which would reveal whose tokens to look for.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Session").field("user", &self.user).finish_non_exhaustive()
    }
}
