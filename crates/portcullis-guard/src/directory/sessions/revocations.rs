//! Revoked tokens and sessions, as keyed digests, in shares by user.
//! Never: an entry evicted by the wall clock alone.

use std::collections::HashMap;

use aws_lc_rs::digest::{Context, SHA256};
use portcullis_model::{Now, RevocationKind};

use crate::directory::sessions::authority::RevocationName;
use crate::tables::shares::{Owner, ShareError, ShareUse, Shares};

/// Most revocations at a time; about 100 bytes each, 25 MiB.
const REVOCATIONS_MAX: usize = 262_144;
/// A user's part of the free space, and its ceiling. Beyond it a logout voids all earlier tokens
/// of the user instead, which needs no entry.
const SHARE_PART: usize = 1_024;
const SHARE_MAX: usize = 64;
/// The owner of revocations that were loaded, or stored by an operator.
const NO_OWNER: Owner = 0;

#[derive(Debug)]
struct Entry {
    owner: Owner,
    until_unix_ms: i64,
    /// When it ends by the monotonic clock.
    until_ms: u64,
}

/// Space for a revocation which is being stored.
#[derive(Debug)]
struct Pending {
    owner: Owner,
    /// Requests that are storing the same revocation; they share the space.
    holders: usize,
}

/// Why a one-time use cannot be reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReserveError {
    /// It was used before, or another request is using it.
    Used,
    /// There is no space for it.
    Full(ShareError),
}

/// The table of [`crate::Authority`].
#[derive(Debug)]
pub(crate) struct RevocationTable {
    entries: HashMap<u128, Entry>,
    /// Space that was reserved for revocations which are being stored.
    pending: HashMap<u128, Pending>,
    shares: Shares,
    evicted_until_ms: i64,
    /// When the whole table was last searched for ended entries.
    swept_ms: Option<u64>,
}

/// The table is searched for ended entries at most this often.
const SWEEP_EVERY_MS: u64 = 1_000;

impl Default for RevocationTable {
    fn default() -> Self {
        Self::with_shares(Shares::new("revocations", REVOCATIONS_MAX, SHARE_PART, SHARE_MAX))
    }
}

impl RevocationTable {
    fn with_shares(shares: Shares) -> Self {
        Self {
            entries: HashMap::new(),
            pending: HashMap::new(),
            shares,
            evicted_until_ms: i64::MIN,
            swept_ms: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn of_size(max: usize) -> Self {
        Self::with_shares(Shares::new("revocations", max, 1, max))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn contains(&self, digest: u128) -> bool {
        self.entries.contains_key(&digest)
    }

    /// Takes space for a revocation that is about to be stored.
    ///
    /// Requests that revoke the same at the same time share the space: each of them is confirmed
    /// only after its own commit, and the first commit puts the revocation in force.
    pub(crate) fn reserve(
        &mut self,
        digest: u128,
        owner: Owner,
        label: impl FnOnce() -> String,
        now: Now,
    ) -> Result<(), ShareError> {
        if let Some(pending) = self.pending.get_mut(&digest) {
            pending.holders += 1;
            return Ok(());
        }
        if self.entries.contains_key(&digest) {
            return Ok(());
        }
        if self.shares.check(owner).is_err() {
            self.evict_ended(now);
        }
        self.shares.take(owner, label)?;
        self.pending.insert(digest, Pending { owner, holders: 1 });
        Ok(())
    }

    /// Takes space for a one-time use, which must be neither stored nor about to be stored.
    pub(crate) fn reserve_new(
        &mut self,
        digest: u128,
        owner: Owner,
        label: impl FnOnce() -> String,
        now: Now,
    ) -> Result<(), ReserveError> {
        if self.pending.contains_key(&digest) || self.entries.contains_key(&digest) {
            return Err(ReserveError::Used);
        }
        self.reserve(digest, owner, label, now).map_err(ReserveError::Full)
    }

    /// Gives back one holder's part of the space; the last holder frees it if nothing was stored.
    pub(crate) fn give_back(&mut self, digest: u128) {
        let Some(pending) = self.pending.get_mut(&digest) else { return };
        pending.holders = pending.holders.saturating_sub(1);
        if pending.holders == 0 {
            self.shares.give_back(pending.owner);
            self.pending.remove(&digest);
        }
    }

    /// Puts a revocation in force; the later end counts.
    pub(crate) fn insert(&mut self, digest: u128, until_unix_ms: i64, now: Now) {
        let left_ms = until_unix_ms.saturating_sub(now.unix_ms);
        let until_ms = now.monotonic_ms.saturating_add(u64::try_from(left_ms).unwrap_or(0));
        if let Some(entry) = self.entries.get_mut(&digest) {
            entry.until_unix_ms = entry.until_unix_ms.max(until_unix_ms);
            entry.until_ms = entry.until_ms.max(until_ms);
            return;
        }
        let owner = self.pending.remove(&digest).map(|pending| pending.owner);
        let owner = owner.unwrap_or_else(|| {
            self.shares.add(NO_OWNER);
            NO_OWNER
        });
        self.entries.insert(digest, Entry { owner, until_unix_ms, until_ms });
    }

    /// Evicts entries that have ended by both clocks.
    fn evict_ended(&mut self, now: Now) {
        if self.swept_ms.is_some_and(|at| now.monotonic_ms.saturating_sub(at) < SWEEP_EVERY_MS) {
            return;
        }
        self.swept_ms = Some(now.monotonic_ms);
        let Self { entries, shares, evicted_until_ms, .. } = self;
        entries.retain(|_, entry| {
            let ended = entry.until_unix_ms <= now.unix_ms && entry.until_ms <= now.monotonic_ms;
            if ended {
                shares.give_back(entry.owner);
                *evicted_until_ms = (*evicted_until_ms).max(entry.until_unix_ms);
            }
            !ended
        });
    }

    /// The latest end of an entry that was evicted, in milliseconds since 1970.
    pub(crate) fn evicted_until_ms(&self) -> i64 {
        self.evicted_until_ms
    }

    /// How full the table is, without entries that have ended.
    pub(crate) fn usage(&mut self, now: Now) -> ShareUse {
        self.evict_ended(now);
        self.shares.usage()
    }
}

/// 128 bits of a digest over issuer, user, kind and name, each with its length.
pub(crate) fn digest_of(what: RevocationName<'_>) -> u128 {
    let mut context = Context::new(&SHA256);
    let kind = match what.kind {
        RevocationKind::Token => b"t",
        RevocationKind::Session => b"s",
    };
    for part in [what.issuer.as_bytes(), what.user.as_bytes(), kind, what.name.as_bytes()] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let digest = context.finish();
    digest.as_ref().iter().take(16).fold(0, |sum, byte| (sum << 8) | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now { monotonic_ms: 5_000, unix_ms: 1_000 };

    fn fill(table: &mut RevocationTable, owner: Owner) -> usize {
        let digest = |number: usize| (u128::from(owner) << 64) | number as u128;
        (0..SHARE_MAX * 2)
            .filter(|number| {
                let reserved = table.reserve(digest(*number), owner, String::new, NOW).is_ok();
                if reserved {
                    table.insert(digest(*number), 600_000, NOW);
                }
                reserved
            })
            .count()
    }

    #[test]
    fn user_that_fills_its_share_rejects_no_other_user() {
        let mut table = RevocationTable::default();
        assert_eq!(fill(&mut table, 1), SHARE_MAX);
        assert_eq!(fill(&mut table, 2), SHARE_MAX);
        assert_eq!(table.usage(NOW).share_full, 2 * SHARE_MAX as u64);
    }

    #[test]
    fn stored_revocation_is_in_force_without_free_space() {
        let mut table = RevocationTable::of_size(1);
        for digest in 1..=3 {
            table.insert(digest, 600_000, NOW);
            assert!(table.contains(digest));
        }
        assert_eq!(table.reserve(4, 9, String::new, NOW), Err(ShareError::TableFull));
        let later = Now { monotonic_ms: 700_000, unix_ms: 700_000 };
        assert_eq!(table.reserve(4, 9, String::new, later), Ok(()));
        assert_eq!(table.evicted_until_ms(), 600_000);
    }

    #[test]
    fn usage_counts_no_ended_revocation() {
        let mut table = RevocationTable::of_size(4);
        table.insert(1, 10_000, NOW);
        table.insert(2, 900_000, NOW);
        assert_eq!(table.usage(NOW).used, 2);
        let later = Now { monotonic_ms: 20_000, unix_ms: 16_000 };
        assert_eq!(table.usage(later).used, 1);
        assert_eq!(table.evicted_until_ms(), 10_000);
    }

    #[test]
    fn simultaneous_reservations_share_one_slot_until_the_last_holder_is_gone() {
        let mut table = RevocationTable::of_size(4);
        let reserve = |table: &mut RevocationTable| table.reserve(1, 7, String::new, NOW);
        assert_eq!((reserve(&mut table), reserve(&mut table)), (Ok(()), Ok(())));
        assert_eq!(table.usage(NOW).used, 1);
        table.give_back(1);
        assert_eq!(table.usage(NOW).used, 1, "the other request is still storing it");
        table.insert(1, 600_000, NOW);
        table.give_back(1);
        assert!(table.contains(1));
        assert_eq!(table.usage(NOW).used, 1);
    }

    #[test]
    fn one_time_use_is_reserved_once_while_stored_and_while_pending() {
        let mut table = RevocationTable::of_size(4);
        let reserve = |table: &mut RevocationTable| table.reserve_new(1, 7, String::new, NOW);
        assert_eq!(reserve(&mut table), Ok(()));
        assert_eq!(reserve(&mut table), Err(ReserveError::Used), "another request uses it");
        table.give_back(1);
        assert_eq!(reserve(&mut table), Ok(()), "the first request has failed");
        table.insert(1, 600_000, NOW);
        assert_eq!(reserve(&mut table), Err(ReserveError::Used), "it was stored");
    }
}
