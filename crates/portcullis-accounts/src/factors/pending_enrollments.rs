//! Secrets of second factors that wait for their first code.
//! Never: on disk; a restart discards them.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;
use portcullis_guard::{EntryOwner, Owner, ShareUse, Shares};
use portcullis_model::{Denial, Now, Secret, SessionId, UserId};

/// How long a secret waits for its first code, in milliseconds.
const PENDING_MAX_MS: u64 = 10 * 60 * 1000;
/// Most pending enrollments; about 250 bytes each. A user has one at most.
const PENDING_MAX: usize = 4_096;
/// An address prefix can hold an eighth of the free space.
const SHARE_PART: usize = 8;

struct PendingEnrollment {
    session: SessionId,
    secret: Secret<Vec<u8>>,
    since_ms: u64,
    owner: Owner,
}

/// Secrets that wait for their first code. Each counts toward an address prefix.
pub(crate) struct PendingEnrollments {
    state: Mutex<State>,
}

struct State {
    pending: HashMap<UserId, PendingEnrollment>,
    shares: Shares,
}

impl Default for PendingEnrollments {
    fn default() -> Self {
        let shares = Shares::new("totp_enrollments", PENDING_MAX, SHARE_PART, PENDING_MAX);
        Self { state: Mutex::new(State { pending: HashMap::new(), shares }) }
    }
}

impl PendingEnrollments {
    /// Stores a secret; it replaces an earlier one of the user.
    pub(crate) fn insert(
        &self,
        user: &UserId,
        session: SessionId,
        secret: Secret<Vec<u8>>,
        (owner, client): (Owner, IpAddr),
        now: Now,
    ) -> Result<(), Denial> {
        let mut state = self.state.lock();
        state.remove(user);
        if state.shares.check(owner).is_err() {
            state.evict_old(now);
        }
        let taken = state.shares.take(owner, || EntryOwner::Address(client).label());
        taken.map_err(|_| Denial::ShareFull("totp_enrollments"))?;
        let enrollment = PendingEnrollment { session, secret, since_ms: now.monotonic_ms, owner };
        state.pending.insert(user.clone(), enrollment);
        Ok(())
    }

    /// The secret that this session has requested; it stays until it is confirmed or expires.
    pub(crate) fn find(
        &self,
        user: &UserId,
        session: &SessionId,
        now: Now,
    ) -> Option<Secret<Vec<u8>>> {
        let state = self.state.lock();
        let found = state.pending.get(user).filter(|found| found.session == *session)?;
        found.is_valid(now).then(|| found.secret.clone())
    }

    /// Removes the enrollment of the user.
    pub(crate) fn remove(&self, user: &UserId) {
        self.state.lock().remove(user);
    }

    /// How full the table is.
    pub(crate) fn usage(&self, now: Now) -> ShareUse {
        let mut state = self.state.lock();
        state.evict_old(now);
        state.shares.usage()
    }
}

impl State {
    fn remove(&mut self, user: &UserId) {
        if let Some(removed) = self.pending.remove(user) {
            self.shares.give_back(removed.owner);
        }
    }

    fn evict_old(&mut self, now: Now) {
        let Self { pending, shares } = self;
        pending.retain(|_, enrollment| {
            let valid = enrollment.is_valid(now);
            if !valid {
                shares.give_back(enrollment.owner);
            }
            valid
        });
    }
}

impl PendingEnrollment {
    fn is_valid(&self, now: Now) -> bool {
        now.monotonic_ms.saturating_sub(self.since_ms) < PENDING_MAX_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_with_a_full_share_leaves_space_for_other_prefixes() {
        let enrollments = PendingEnrollments::default();
        let client = IpAddr::from([127, 0, 0, 1]);
        let insert = |number: usize, owner: Owner, ms: u64| {
            let user = UserId::parse(&format!("user{number}")).unwrap();
            let session = SessionId::parse(&format!("s{number}")).unwrap();
            let now = Now { monotonic_ms: ms, unix_ms: 0 };
            enrollments.insert(&user, session, Secret::new(vec![1]), (owner, client), now)
        };
        let accepted = (0..PENDING_MAX).filter(|number| insert(*number, 1, 0).is_ok()).count();
        assert!(accepted <= PENDING_MAX / SHARE_PART, "{accepted}");
        assert_eq!(insert(9_999, 1, 0), Err(Denial::ShareFull("totp_enrollments")));
        assert_eq!(insert(9_998, 2, 0), Ok(()));
        assert_eq!(insert(9_998, 2, 0), Ok(()), "a user has one at most");
        assert_eq!(insert(9_999, 1, PENDING_MAX_MS), Ok(()), "expired ones make space");
    }
}
