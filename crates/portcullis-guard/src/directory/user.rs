//! A user as every shard sees them: facts that change under open connections.
//! Never: a password, a token, or anything else a decision does not need.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use portcullis_model::{Denial, Now, Roles, UserId};

use crate::authentication::second_factor::FactorGap;
pub use crate::directory::user_facts::UserFacts;

/// A mute that lasts longer has no end that a user would read: a year has four digits.
const YEAR_10000_UNIX_MS: i64 = 253_402_300_800_000;

/// Restrictions of a user: disabled, banned, muted, tokens revoked.
struct Restrictions {
    disabled: AtomicBool,
    valid_after_unix_ms: AtomicI64,
    banned_until_unix_ms: AtomicI64,
    muted_until_unix_ms: AtomicI64,
}

/// A user, the same one for every connection, shard and handler that holds it.
///
/// A change is seen by open connections at once: they hold this, and read it at every message.
pub struct User {
    /// The id.
    pub id: UserId,
    /// Whether the user belongs to another issuer.
    pub external: bool,
    name: RwLock<Arc<str>>,
    roles: AtomicU32,
    restrictions: Restrictions,
    roles_after_unix_ms: AtomicI64,
    withheld: AtomicU32,
    setup_only: AtomicBool,
    epoch: AtomicU64,
    sessions_epoch: AtomicU64,
    /// In the order of their start. An evicted one is marked.
    connections: Mutex<Vec<Arc<HeldConnection>>>,
}

impl User {
    pub(crate) fn new(facts: UserFacts) -> Self {
        Self {
            id: facts.id,
            external: facts.external,
            name: RwLock::new(Arc::from(facts.name)),
            roles: AtomicU32::new(facts.roles.bits()),
            restrictions: Restrictions {
                disabled: AtomicBool::new(facts.disabled),
                valid_after_unix_ms: AtomicI64::new(facts.valid_after_unix_ms),
                banned_until_unix_ms: AtomicI64::new(facts.banned_until_unix_ms),
                muted_until_unix_ms: AtomicI64::new(facts.muted_until_unix_ms),
            },
            roles_after_unix_ms: AtomicI64::new(facts.roles_after_unix_ms),
            withheld: AtomicU32::new(facts.withheld.bits()),
            setup_only: AtomicBool::new(facts.setup_only),
            epoch: AtomicU64::new(0),
            sessions_epoch: AtomicU64::new(0),
            connections: Mutex::default(),
        }
    }

    /// The current facts of the user.
    #[must_use]
    pub fn facts(&self) -> UserFacts {
        UserFacts {
            id: self.id.clone(),
            name: self.name().to_string(),
            roles: self.roles(),
            disabled: self.restrictions.disabled.load(Ordering::Acquire),
            valid_after_unix_ms: self.valid_after_unix_ms(),
            banned_until_unix_ms: self.restrictions.banned_until_unix_ms.load(Ordering::Acquire),
            muted_until_unix_ms: self.restrictions.muted_until_unix_ms.load(Ordering::Acquire),
            roles_after_unix_ms: self.roles_after_unix_ms.load(Ordering::Acquire),
            withheld: self.withheld(),
            setup_only: self.is_setup_only(),
            external: self.external,
        }
    }

    /// The name others see.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.name.read())
    }

    /// The current roles of the user that are in force.
    #[must_use]
    pub fn roles(&self) -> Roles {
        Roles::from_bits(self.roles.load(Ordering::Acquire))
    }

    /// Whether the user is locked out, by an operator or by a ban that has not ended.
    #[must_use]
    pub fn is_barred(&self, now: Now) -> bool {
        self.restrictions.disabled.load(Ordering::Acquire)
            || now.unix_ms < self.restrictions.banned_until_unix_ms.load(Ordering::Acquire)
    }

    /// Whether the user may not speak, now.
    #[must_use]
    pub fn is_muted(&self, now: Now) -> bool {
        now.unix_ms < self.restrictions.muted_until_unix_ms.load(Ordering::Acquire)
    }

    /// Whether the user may send content that other users read.
    ///
    /// # Errors
    /// [`Denial::Muted`] with the end of the mute.
    pub fn check_not_muted(&self, now: Now) -> Result<(), Denial> {
        let until_unix_ms = self.restrictions.muted_until_unix_ms.load(Ordering::Acquire);
        let left_ms = until_unix_ms.saturating_sub(now.unix_ms);
        match u64::try_from(left_ms) {
            Ok(retry_after_ms) if retry_after_ms > 0 => Err(Denial::Muted {
                until_unix_ms: Some(until_unix_ms).filter(|until| *until < YEAR_10000_UNIX_MS),
                retry_after_ms,
            }),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Roles that the user holds and that have no effect until the user adds a second factor.
    #[must_use]
    pub fn withheld(&self) -> Roles {
        Roles::from_bits(self.withheld.load(Ordering::Acquire))
    }

    /// Whether the user can do nothing until then.
    #[must_use]
    pub fn is_setup_only(&self) -> bool {
        self.setup_only.load(Ordering::Acquire)
    }

    /// The restrictions that a missing second factor causes.
    #[must_use]
    pub fn factor_gap(&self) -> FactorGap {
        FactorGap { withheld: self.withheld(), setup_only: self.is_setup_only() }
    }

    /// Tokens issued before this moment are revoked; 0 when none ever were.
    #[must_use]
    pub fn valid_after_unix_ms(&self) -> i64 {
        self.restrictions.valid_after_unix_ms.load(Ordering::Acquire)
    }

    /// Whether roles in a token of another issuer are in force already, or older than the last
    /// change of the roles.
    ///
    /// Remembers the newest token seen, so that an older one cannot bring other roles back.
    #[must_use]
    pub fn has_applied_roles(&self, roles: Roles, issued_unix_ms: i64) -> bool {
        if issued_unix_ms < self.roles_after_unix_ms.load(Ordering::Acquire) {
            return true;
        }
        let applied = self.roles() == roles;
        if applied {
            self.roles_after_unix_ms.fetch_max(issued_unix_ms, Ordering::AcqRel);
        }
        applied
    }

    /// Counts changes of roles, of being disabled, and revocations.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Counts changes that end sessions: being disabled or banned, revocations, and the loss of a
    /// second factor that all users need.
    ///
    /// A changed role ends none; it is in force at the next message.
    #[must_use]
    pub fn sessions_epoch(&self) -> u64 {
        self.sessions_epoch.load(Ordering::Acquire)
    }

    /// How many connections the user has.
    #[must_use]
    pub fn connections(&self) -> u32 {
        u32::try_from(self.connections.lock().len()).unwrap_or(u32::MAX)
    }

    /// Takes one of the user's connection slots; at most `max` are held at a time.
    ///
    /// An evicted slot is free at once; its connection ends at its next check.
    pub(crate) fn connect(
        self: &Arc<Self>,
        max: u32,
        when_full: WhenFull,
        now: Now,
    ) -> Option<UserSlot> {
        let mut held = self.connections.lock();
        let full = held.len() >= usize::try_from(max).unwrap_or(usize::MAX);
        let evicts = match (full, when_full) {
            (false, _) => false,
            (true, WhenFull::Reject) => return None,
            (true, WhenFull::EvictOldest) if held.is_empty() => return None,
            (true, WhenFull::EvictOldest) => {
                held.remove(0).evict(EVICTED_OLDEST);
                true
            }
            (true, WhenFull::EvictSilent { since_ms }) => {
                let silent =
                    held.iter().enumerate().min_by_key(|(_, held)| held.last_received_ms())?;
                let (index, _) =
                    Some(silent).filter(|(_, held)| held.last_received_ms() < since_ms)?;
                held.remove(index).evict(EVICTED_SILENT);
                true
            }
        };
        let one = Arc::new(HeldConnection::default());
        one.last_received_ms.store(now.monotonic_ms, Ordering::Relaxed);
        held.push(Arc::clone(&one));
        Some(UserSlot { user: Arc::clone(self), held: one, evicts })
    }

    /// Whether a client of the user has sent nothing since this moment.
    #[must_use]
    pub fn has_silent_connection(&self, since_ms: u64) -> bool {
        self.connections.lock().iter().any(|held| held.last_received_ms() < since_ms)
    }

    /// Ends the user for every connection that holds it: the account was removed.
    pub(crate) fn end(&self) {
        self.restrictions.disabled.store(true, Ordering::Release);
        self.sessions_epoch.fetch_add(1, Ordering::AcqRel);
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Stores new facts. Only one caller changes a user at a time.
    ///
    /// The facts are stored before the epochs, so a reader of the new epoch sees the facts.
    pub(crate) fn change(&self, facts: UserFacts) {
        let disabled =
            self.restrictions.disabled.swap(facts.disabled, Ordering::AcqRel) != facts.disabled;
        let swapped = |cell: &AtomicI64, value| cell.swap(value, Ordering::AcqRel) != value;
        let revoked = swapped(&self.restrictions.valid_after_unix_ms, facts.valid_after_unix_ms);
        let banned = swapped(&self.restrictions.banned_until_unix_ms, facts.banned_until_unix_ms);
        let setup_only = self.setup_only.swap(facts.setup_only, Ordering::AcqRel);
        // Connections of a user who has removed a second factor that all users need.
        let factor_lost = facts.setup_only && !setup_only;
        let ends_sessions = disabled || revoked || banned || factor_lost;
        swapped(&self.restrictions.muted_until_unix_ms, facts.muted_until_unix_ms);
        self.withheld.store(facts.withheld.bits(), Ordering::Release);
        let roles = facts.roles.bits();
        let changes_roles = self.roles.swap(roles, Ordering::AcqRel) != roles;
        let after_unix_ms = facts.roles_after_unix_ms;
        let seen_unix_ms = self.roles_after_unix_ms.fetch_max(after_unix_ms, Ordering::AcqRel);
        if changes_roles && after_unix_ms < seen_unix_ms {
            // Changed here, and a token that was seen is dated later, for its issuer's clock is
            // ahead: it does not bring the roles back.
            self.roles_after_unix_ms.store(seen_unix_ms.saturating_add(1), Ordering::Release);
        }
        if *self.name().as_ref() != *facts.name {
            *self.name.write() = Arc::from(facts.name);
        }
        if ends_sessions {
            self.sessions_epoch.fetch_add(1, Ordering::AcqRel);
        }
        if ends_sessions || changes_roles {
            self.epoch.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("User").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The handling of one more connection of a user at the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenFull {
    Reject,
    EvictOldest,
    /// The one that has been silent longest is evicted, if it has sent nothing since `since_ms`.
    EvictSilent {
        since_ms: u64,
    },
}

const EVICTED_OLDEST: u8 = 1;
const EVICTED_SILENT: u8 = 2;

/// A connection as its user's other connections see it.
#[derive(Debug, Default)]
struct HeldConnection {
    /// 0 while it is open, otherwise how it was evicted.
    evicted: AtomicU8,
    /// The time of the last data from the client, on the monotonic clock.
    last_received_ms: AtomicU64,
}

impl HeldConnection {
    fn last_received_ms(&self) -> u64 {
        self.last_received_ms.load(Ordering::Relaxed)
    }

    fn evict(&self, how: u8) {
        self.evicted.store(how, Ordering::Release);
    }
}

/// The time of the last data from a client, readable outside its connection.
#[derive(Debug, Clone)]
pub struct LastActivity(Arc<HeldConnection>);

impl LastActivity {
    /// On the monotonic clock, in milliseconds.
    #[must_use]
    pub fn monotonic_ms(&self) -> u64 {
        self.0.last_received_ms()
    }
}

/// One of a user's connection slots; dropping it gives it back.
pub(crate) struct UserSlot {
    user: Arc<User>,
    held: Arc<HeldConnection>,
    evicts: bool,
}

impl UserSlot {
    pub(crate) fn user(&self) -> &Arc<User> {
        &self.user
    }

    pub(crate) fn last_activity(&self) -> LastActivity {
        LastActivity(Arc::clone(&self.held))
    }

    /// Notes that the client has sent something.
    pub(crate) fn record_activity(&self, now: Now) {
        self.held.last_received_ms.store(now.monotonic_ms, Ordering::Relaxed);
    }

    /// Whether a newer connection has evicted it.
    pub(crate) fn is_evicted(&self) -> bool {
        self.held.evicted.load(Ordering::Acquire) != 0
    }

    /// Whether it was evicted because its client was silent.
    pub(crate) fn is_evicted_silent(&self) -> bool {
        self.held.evicted.load(Ordering::Acquire) == EVICTED_SILENT
    }

    /// Whether another one had to go for it.
    pub(crate) fn evicts(&self) -> bool {
        self.evicts
    }
}

impl Drop for UserSlot {
    fn drop(&mut self) {
        let mut held = self.user.connections.lock();
        held.retain(|other| !Arc::ptr_eq(other, &self.held));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use portcullis_model::Role;

    use super::*;

    fn facts() -> UserFacts {
        UserFacts::new(UserId::parse("ann").unwrap(), String::from("Ann"))
    }

    #[test]
    fn t_083_of_fifty_at_once_exactly_five_succeed() {
        let user = Arc::new(User::new(facts()));
        let barrier = Barrier::new(50);
        let slots: Vec<_> = std::thread::scope(|scope| {
            let connect = || {
                scope.spawn(|| {
                    barrier.wait();
                    user.connect(5, WhenFull::Reject, Now::default())
                })
            };
            let threads: Vec<_> = (0..50).map(|_| connect()).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!((slots.len(), user.connections()), (5, 5));
        drop(slots);
        assert_eq!(user.connections(), 0);
        for when_full in
            [WhenFull::Reject, WhenFull::EvictOldest, WhenFull::EvictSilent { since_ms: u64::MAX }]
        {
            assert!(user.connect(0, when_full, Now::default()).is_none());
        }
    }

    #[test]
    fn mute_is_denied_with_its_end_until_it_ends() {
        let now = |unix_ms| Now { monotonic_ms: 0, unix_ms };
        let user = |muted_until_unix_ms| User::new(UserFacts { muted_until_unix_ms, ..facts() });
        let denied = Denial::Muted { until_unix_ms: Some(9_000), retry_after_ms: 1_000 };
        assert_eq!(user(9_000).check_not_muted(now(8_000)), Err(denied));
        assert_eq!(user(9_000).check_not_muted(now(9_000)), Ok(()));
        assert_eq!(user(0).check_not_muted(now(0)), Ok(()));
        let Err(denial) = user(i64::MAX).check_not_muted(now(8_000)) else { panic!("muted") };
        assert_eq!(denial.retry_after_ms(), None, "it has no end");
    }

    #[test]
    fn t_084_oldest_connection_is_evicted_when_configured() {
        let user = Arc::new(User::new(facts()));
        let connect = || user.connect(2, WhenFull::EvictOldest, Now::default()).unwrap();
        let slots = [connect(), connect(), connect()];
        assert_eq!(slots.each_ref().map(UserSlot::is_evicted), [true, false, false]);
        assert_eq!(slots.each_ref().map(UserSlot::evicts), [false, false, true]);
        let [first, second, third] = slots;
        assert_eq!(user.connections(), 2);
        drop(first);
        assert_eq!(user.connections(), 2, "its place was another's already");
        drop((second, third));
        assert_eq!(user.connections(), 0);
    }

    #[test]
    fn t_084_longest_silent_connection_is_evicted() {
        let user = Arc::new(User::new(facts()));
        let at = |ms| Now { monotonic_ms: ms, unix_ms: 0 };
        let connect = |since_ms, ms| user.connect(3, WhenFull::EvictSilent { since_ms }, at(ms));
        let slots: Vec<_> = (1..4).map(|ms| connect(0, ms).unwrap()).collect();
        slots[0].record_activity(at(100));
        slots[2].record_activity(at(50));
        assert!(!user.has_silent_connection(2) && user.has_silent_connection(3));
        assert!(connect(2, 200).is_none(), "all were active since");
        let fourth = connect(100, 200).unwrap();
        let evicted: Vec<_> = slots.iter().map(UserSlot::is_evicted_silent).collect();
        assert_eq!(evicted, [false, true, false], "the connection with the oldest activity");
        assert!(fourth.evicts() && user.connections() == 3);
        assert!(connect(50, 200).is_none());
    }

    /// The first moment at which something is over; 0 for what never began or never ends.
    fn until(holds: impl Fn(Now) -> bool) -> i64 {
        let at = |unix_ms| Now { monotonic_ms: 0, unix_ms };
        (0..20).find(|ms| !holds(at(*ms))).unwrap_or(0)
    }

    #[test]
    fn change_of_a_user_is_visible_to_every_holder() {
        let cases: [(UserFacts, u64, u64); 10] = [
            (facts(), 0, 0),
            (UserFacts { name: String::from("Anna"), ..facts() }, 0, 0),
            (UserFacts { roles: Roles::user().with(Role::Admin), ..facts() }, 1, 0),
            (UserFacts { disabled: true, ..facts() }, 1, 1),
            (UserFacts { valid_after_unix_ms: 9, ..facts() }, 1, 1),
            (UserFacts { banned_until_unix_ms: 9, ..facts() }, 1, 1),
            (UserFacts { muted_until_unix_ms: 9, ..facts() }, 0, 0),
            (UserFacts { roles_after_unix_ms: 9, ..facts() }, 0, 0),
            (UserFacts { withheld: Roles::NONE.with(Role::Admin), ..facts() }, 0, 0),
            (UserFacts { setup_only: true, ..facts() }, 1, 1),
        ];
        for (new, epoch, sessions_epoch) in cases {
            let user = User::new(facts());
            user.change(new.clone());
            assert_eq!((user.epoch(), user.sessions_epoch()), (epoch, sessions_epoch), "{new:?}");
            let seen = UserFacts {
                id: user.id.clone(),
                name: user.name().to_string(),
                roles: user.roles(),
                disabled: user.is_barred(Now { unix_ms: 9, ..Now::default() }),
                valid_after_unix_ms: user.valid_after_unix_ms(),
                banned_until_unix_ms: until(|now| user.is_barred(now)),
                muted_until_unix_ms: until(|now| user.is_muted(now)),
                roles_after_unix_ms: user.roles_after_unix_ms.load(Ordering::Acquire),
                withheld: user.withheld(),
                setup_only: user.is_setup_only(),
                external: user.external,
            };
            assert_eq!(seen, new);
        }
    }

    #[test]
    fn older_token_of_another_issuer_does_not_bring_roles_back() {
        let admin = Roles::user().with(Role::Admin);
        let user = User::new(UserFacts { roles: admin, roles_after_unix_ms: 10, ..facts() });
        assert!(!user.has_applied_roles(Roles::user(), 10), "of the same moment");
        assert!(user.has_applied_roles(Roles::user(), 9), "older");
        // The same roles again, in a newer token: older tokens are ignored.
        assert!(user.has_applied_roles(admin, 30));
        assert!(user.has_applied_roles(Roles::user(), 29));
        assert!(!user.has_applied_roles(Roles::user(), 30));
        // The role is taken here at a moment that the issuer's clock is ahead of.
        user.change(UserFacts { roles_after_unix_ms: 25, ..facts() });
        assert!(user.has_applied_roles(admin, 30));
        assert!(!user.has_applied_roles(admin, 31));
        // Another change leaves that as it is.
        user.change(UserFacts { roles_after_unix_ms: 25, muted_until_unix_ms: 9, ..facts() });
        assert!(user.has_applied_roles(admin, 30) && !user.has_applied_roles(admin, 31));
    }
}
