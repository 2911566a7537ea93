//! Revocations of tokens and sessions, and whether they are confirmed as current.
//! Never: a database query in a decision; the store's feed reports changes here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use parking_lot::RwLock;
use portcullis_model::{Denial, Now, RevocationKind};

use crate::directory::sessions::revocations::{ReserveError, RevocationTable, digest_of};
use crate::tables::shares::{Owner, ShareError, ShareUse};

/// Every session ends after this time without a confirmation.
pub const UNCONFIRMED_MAX_MS: u64 = 60_000;

/// A token or session of a user of an issuer.
///
/// Issuers choose `jti` and `sid`, and some let users influence them. They need to be unique for
/// a user only, so a revocation names the user: it ends nothing of another user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevocationName<'a> {
    /// The issuer.
    pub issuer: &'a str,
    /// The id of the user here; empty for every user of the issuer.
    pub user: &'a str,
    /// Whether it is a token or a session.
    pub kind: RevocationKind,
    /// Its `jti` or `sid`.
    pub name: &'a str,
}

/// Early revocations, and the time of the last confirmation.
///
/// A caller remembers the epoch it looked up at: one load a message, and a look-up only after
/// something was revoked.
#[derive(Debug)]
pub struct Authority {
    epoch: AtomicU64,
    table: RwLock<RevocationTable>,
    /// Every revocation that ends later than this, in milliseconds since 1970, is in the table.
    evicted_until_ms: AtomicI64,
    /// The monotonic time of the last confirmation, plus one; 0 while none is expected.
    confirmed_ms: AtomicU64,
    failing: AtomicBool,
}

impl Default for Authority {
    fn default() -> Self {
        Self::with_table(RevocationTable::default())
    }
}

/// Space for one revocation, taken before it is stored; given back when it is dropped unused.
#[must_use = "the space is given back at once"]
pub struct RevocationSlot {
    authority: Arc<Authority>,
    digest: u128,
}

impl Drop for RevocationSlot {
    fn drop(&mut self) {
        self.authority.table.write().give_back(self.digest);
    }
}

impl Authority {
    pub(crate) fn with_table(table: RevocationTable) -> Self {
        Self {
            epoch: AtomicU64::new(0),
            table: RwLock::new(table),
            evicted_until_ms: AtomicI64::new(i64::MIN),
            confirmed_ms: AtomicU64::new(0),
            failing: AtomicBool::new(false),
        }
    }

    /// Counts revocations.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Makes every connection check its authority again.
    pub(crate) fn changed(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Takes space for a revocation out of the owner's share, before the revocation is stored.
    ///
    /// # Errors
    /// [`ShareError`] when there is no space: the caller must not store it, because it would not
    /// be in force. A request that revokes the same at the same time shares the space.
    pub fn reserve(
        self: &Arc<Self>,
        what: RevocationName<'_>,
        owner: Owner,
        label: impl FnOnce() -> String,
        now: Now,
    ) -> Result<RevocationSlot, ShareError> {
        let digest = digest_of(what);
        let mut table = self.table.write();
        let outcome = table.reserve(digest, owner, label, now);
        self.evicted_until(table.evicted_until_ms());
        drop(table);
        outcome.map(|()| RevocationSlot { authority: Arc::clone(self), digest })
    }

    /// Takes space for the one use of something, which is used up once it is stored.
    ///
    /// # Errors
    /// [`ReserveError::Used`] when it was used, or when another request is using it.
    pub fn reserve_new(
        self: &Arc<Self>,
        what: RevocationName<'_>,
        owner: Owner,
        label: impl FnOnce() -> String,
        now: Now,
    ) -> Result<RevocationSlot, ReserveError> {
        let digest = digest_of(what);
        let mut table = self.table.write();
        let outcome = table.reserve_new(digest, owner, label, now);
        self.evicted_until(table.evicted_until_ms());
        drop(table);
        outcome.map(|()| RevocationSlot { authority: Arc::clone(self), digest })
    }

    /// Puts a stored revocation in force until a time after which it would be rejected anyway.
    ///
    /// It always takes effect: the space was reserved, or the operator stored it.
    pub fn revoke(&self, what: RevocationName<'_>, until_unix_ms: i64, now: Now) {
        self.table.write().insert(digest_of(what), until_unix_ms, now);
        self.changed();
    }

    /// Notes the stored use of a one-time link until a time.
    ///
    /// No open connection depends on a link, so none is checked again.
    pub fn note_use(&self, what: RevocationName<'_>, until_unix_ms: i64, now: Now) {
        self.table.write().insert(digest_of(what), until_unix_ms, now);
    }

    /// Notes that stored revocations which ended up to this moment were deleted.
    pub fn evicted_until(&self, until_unix_ms: i64) {
        self.evicted_until_ms.fetch_max(until_unix_ms, Ordering::AcqRel);
    }

    /// Whether a token or session is revoked: for its user, or for every user of the issuer.
    #[must_use]
    pub fn is_revoked(&self, what: RevocationName<'_>) -> bool {
        let table = self.table.read();
        let of_everyone = RevocationName { user: "", ..what };
        !table.is_empty()
            && (table.contains(digest_of(what)) || table.contains(digest_of(of_everyone)))
    }

    /// Whether a token of another issuer, or a link, may be named by an evicted entry.
    ///
    /// That is so for a token which ends no later than an evicted entry: it has expired, and only a
    /// clock that was set back makes it look valid.
    #[must_use]
    pub fn may_be_evicted(&self, expires_unix_s: i64) -> bool {
        let expires_ms = expires_unix_s.saturating_mul(1000);
        expires_ms <= self.evicted_until_ms.load(Ordering::Acquire)
    }

    /// How full the table of revocations is.
    #[must_use]
    pub fn usage(&self, now: Now) -> ShareUse {
        let mut table = self.table.write();
        let usage = table.usage(now);
        self.evicted_until(table.evicted_until_ms());
        usage
    }

    /// Confirms that the directory is current. After the first call, further ones have to follow.
    pub fn confirm(&self, now: Now) {
        self.confirmed_ms.store(now.monotonic_ms.saturating_add(1), Ordering::Release);
        self.failing.store(false, Ordering::Release);
    }

    /// Records that it could not be confirmed. Returns whether this is new.
    pub fn doubt(&self) -> bool {
        !self.failing.swap(true, Ordering::AcqRel)
    }

    /// Whether the last check failed.
    pub fn is_unconfirmed(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    /// Checks whether open sessions may continue.
    pub(crate) fn check_open(&self, now: Now) -> Result<(), Denial> {
        match self.confirmed_ms.load(Ordering::Acquire) {
            0 => Ok(()),
            confirmed if now.monotonic_ms >= confirmed.saturating_add(UNCONFIRMED_MAX_MS) => {
                Err(Denial::AuthorityUnconfirmed)
            }
            _ => Ok(()),
        }
    }

    /// Whether new connections are admitted: not while the last look failed, nor when no look has
    /// succeeded for [`UNCONFIRMED_MAX_MS`].
    ///
    /// # Errors
    /// [`Denial::AuthorityUnconfirmed`].
    pub fn check_new(&self, now: Now) -> Result<(), Denial> {
        if self.is_unconfirmed() { Err(Denial::AuthorityUnconfirmed) } else { self.check_open(now) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(monotonic_ms: u64) -> Now {
        Now { monotonic_ms, unix_ms: 1_000 }
    }

    fn token<'a>(issuer: &'a str, name: &'a str) -> RevocationName<'a> {
        RevocationName { issuer, user: "ann", kind: RevocationKind::Token, name }
    }

    #[test]
    fn t_058_revocation_is_known_by_issuer_user_kind_and_name() {
        let authority = Authority::default();
        let before = authority.epoch();
        authority.revoke(token("https://id", "t1"), 5_000, at(0));
        assert_ne!(authority.epoch(), before);
        let cases = [
            ("https://id", RevocationKind::Token, "t1", true),
            ("https://id", RevocationKind::Session, "t1", false),
            ("https://id", RevocationKind::Token, "t2", false),
            ("https://other", RevocationKind::Token, "t1", false),
            ("https://i", RevocationKind::Token, "dt1", false),
        ];
        for (issuer, kind, name, expect) in cases {
            let what = RevocationName { issuer, user: "ann", kind, name };
            assert_eq!(authority.is_revoked(what), expect, "{issuer} {name}");
        }
        for user in ["bob", "annh", ""] {
            let what = RevocationName { user, ..token("https://id", "t1") };
            assert!(!authority.is_revoked(what), "{user:?}");
        }
        let of_everyone = RevocationName { user: "", ..token("https://id", "t9") };
        authority.revoke(of_everyone, 5_000, at(0));
        assert!(authority.is_revoked(token("https://id", "t9")), "an operator named no user");
    }

    #[test]
    fn used_link_outdates_no_principal() {
        let authority = Authority::default();
        let before = authority.epoch();
        authority.note_use(token("links", "l1"), 5_000, at(0));
        assert!(authority.is_revoked(token("links", "l1")));
        assert_eq!(authority.epoch(), before);
    }

    #[test]
    fn t_061_unconfirmed_authority_rejects_new_then_all_connections() {
        let refused = Err(Denial::AuthorityUnconfirmed);
        let authority = Authority::default();
        assert_eq!(authority.check_open(at(10_000_000)), Ok(()), "no confirmation is expected");
        authority.confirm(at(1_000));
        assert_eq!(authority.check_new(at(2_000)), Ok(()));
        assert!(authority.doubt() && !authority.doubt(), "news once");
        assert_eq!(authority.check_new(at(2_000)), refused);
        assert_eq!(authority.check_open(at(61_000)), Ok(()));
        assert_eq!(authority.check_open(at(61_001)), refused);
        authority.confirm(at(62_000));
        assert_eq!(authority.check_new(at(62_000)), Ok(()));
        // A confirmation that hangs is noticed as well.
        assert_eq!(authority.check_new(at(122_001)), refused);
    }

    #[test]
    fn clock_that_goes_forward_and_back_revives_no_token() {
        let authority = Arc::new(Authority::with_table(RevocationTable::of_size(4)));
        let start = Now { monotonic_ms: 0, unix_ms: 1_000_000 };
        let ends_ms = start.unix_ms + 600_000;
        authority.revoke(token("i", "t"), ends_ms, start);
        let reserve = |name: &str, now| {
            let slot = authority.reserve(token("i", name), 7, String::new, now);
            if slot.is_ok() {
                authority.revoke(token("i", name), now.unix_ms + 60_000, now);
            }
        };
        // The wall clock jumps by a day while requests fill the table, and back.
        let jump = Now { monotonic_ms: 1_000, unix_ms: start.unix_ms + 86_400_000 };
        (0..10).for_each(|number| reserve(&number.to_string(), jump));
        assert!(authority.is_revoked(token("i", "t")), "kept by the monotonic clock");
        assert!(!authority.may_be_evicted(ends_ms / 1000));
        // Later it has ended by both clocks and is evicted; a clock set back does not revive it.
        let later = Now { monotonic_ms: 700_000, unix_ms: start.unix_ms + 700_000 };
        (10..20).for_each(|number| reserve(&number.to_string(), later));
        assert!(!authority.is_revoked(token("i", "t")));
        assert!(authority.may_be_evicted(ends_ms / 1000));
        assert!(!authority.may_be_evicted(later.unix_ms / 1000 + 60));
    }

    #[test]
    fn unused_space_is_given_back_and_used_space_is_kept() {
        let authority = Arc::new(Authority::with_table(RevocationTable::of_size(2)));
        let now = at(0);
        let reserve = |name| authority.reserve(token("i", name), 7, String::new, now);
        let slots = (reserve("a").unwrap(), reserve("a").unwrap());
        assert_eq!(authority.usage(now).used, 1, "the same, at the same time");
        drop(slots);
        assert_eq!(authority.usage(now).used, 0);
        let slot = reserve("a").unwrap();
        authority.revoke(token("i", "a"), 90_000, now);
        drop(slot);
        assert_eq!(authority.usage(now).used, 1);
        drop(reserve("a").unwrap());
        assert_eq!(authority.usage(now).used, 1, "revoked again, it takes no more space");
        assert!(authority.is_revoked(token("i", "a")));
    }
}
