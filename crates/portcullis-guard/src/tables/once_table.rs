//! Keys that count once (used tickets, proofs): each is kept until it could not be accepted anyway.
//! Never: a key evicted early; a table without space rejects the new key instead.

use std::collections::{BTreeSet, HashMap};

use parking_lot::Mutex;
use portcullis_model::Now;

use crate::tables::shares::{Owner, ShareError, ShareUse, Shares};

/// A keyed or plain digest of a ticket or proof, cut to 128 bits.
pub(crate) type OnceKey = [u8; 16];

/// Why a key is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnceError {
    /// It was used before.
    Used,
    /// There is no space for it.
    Full(ShareError),
}

/// A table of used keys, in shares by owner.
///
/// Time is monotonic: a wall clock that goes forward and back brings no key back. Worst-case
/// memory: about 130 bytes a key.
#[derive(Debug)]
pub(crate) struct OnceTable {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    keys: HashMap<OnceKey, Owner>,
    ends: BTreeSet<(u64, OnceKey)>,
    shares: Shares,
}

impl OnceTable {
    pub(crate) fn new(shares: Shares) -> Self {
        let state = State { keys: HashMap::new(), ends: BTreeSet::new(), shares };
        Self { state: Mutex::new(state) }
    }

    /// Uses a key, which is remembered until `until_ms` of the monotonic clock.
    pub(crate) fn consume(
        &self,
        key: OnceKey,
        owner: Owner,
        label: impl FnOnce() -> String,
        until_ms: u64,
        now: Now,
    ) -> Result<(), OnceError> {
        let mut state = self.state.lock();
        state.evict_ended(now);
        if state.keys.contains_key(&key) {
            return Err(OnceError::Used);
        }
        state.shares.take(owner, label).map_err(OnceError::Full)?;
        state.keys.insert(key, owner);
        state.ends.insert((until_ms, key));
        Ok(())
    }

    pub(crate) fn usage(&self, now: Now) -> ShareUse {
        let mut state = self.state.lock();
        state.evict_ended(now);
        state.shares.usage()
    }
}

impl State {
    fn evict_ended(&mut self, now: Now) {
        while let Some((until_ms, key)) = self.ends.first().copied() {
            if now.monotonic_ms < until_ms {
                return;
            }
            self.ends.pop_first();
            if let Some(owner) = self.keys.remove(&key) {
                self.shares.give_back(owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(monotonic_ms: u64) -> Now {
        Now { monotonic_ms, unix_ms: 0 }
    }

    fn key(number: u32) -> OnceKey {
        let mut key = [0; 16];
        key[..4].copy_from_slice(&number.to_be_bytes());
        key
    }

    #[test]
    fn key_counts_once_until_its_end() {
        let table = OnceTable::new(Shares::new("test", 100, 4, 100));
        let consume = |number, ms| table.consume(key(number), 1, String::new, ms + 10, at(ms));
        assert_eq!(consume(1, 0), Ok(()));
        assert_eq!(consume(1, 9), Err(OnceError::Used));
        assert_eq!(consume(1, 10), Ok(()), "its end has passed");
    }

    #[test]
    fn owner_that_fills_its_share_blocks_no_other_owner() {
        let table = OnceTable::new(Shares::new("test", 100, 4, 100));
        let consume = |number, owner, ms| {
            table.consume(key(number), owner, || format!("owner {owner}"), ms + 10, at(ms))
        };
        let accepted = (0..100).filter(|number| consume(*number, 1, 0).is_ok()).count();
        assert_eq!(accepted, 20);
        assert_eq!(consume(200, 1, 0), Err(OnceError::Full(ShareError::ShareFull)));
        assert_eq!(consume(200, 2, 0), Ok(()));
        assert_eq!(consume(201, 1, 10), Ok(()), "ended keys make space");
        let usage = table.usage(at(10));
        assert_eq!((usage.used, usage.rejected_owner.as_deref()), (1, Some("owner 1")));
    }
}
