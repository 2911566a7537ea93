//! The pools of connections, and the slot that each connection holds.
//! Never: a count that is not returned; dropping a slot returns it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use portcullis_model::Limit;

use crate::capacity::address::{Prefix, SITE_FACTOR, prefixes};
use crate::capacity::client_class::ClientClass;
use crate::capacity::prefix_usage::{Pool, PrefixUsage};
use crate::capacity::slots::CapacityCounts;

/// How many connections there may be, in all and of one address prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapacityOptions {
    /// Connections in all.
    pub total: u32,
    /// Connections of unauthenticated clients; part of the total.
    pub pre_auth: u32,
    /// The last slots of the total, reserved for administrators.
    pub admin_reserve: u32,
    /// Connections of unauthenticated clients of one address prefix.
    pub pre_auth_per_prefix: u32,
    /// Connections of one address prefix.
    pub per_prefix: u32,
    /// TCP connections of one address prefix that are not sockets yet.
    pub http_per_prefix: u32,
}

impl CapacityOptions {
    /// How many connections may be unauthenticated when returning clients are among them. The rest
    /// is for users, so that many admission tokens cannot fill a server.
    fn pre_auth_known(&self) -> u32 {
        let part = self.total.saturating_sub(self.total / 10 * 7);
        self.pre_auth.max(part)
    }
}

impl Default for CapacityOptions {
    fn default() -> Self {
        Self {
            total: 10_000,
            pre_auth: 2_000,
            admin_reserve: 100,
            pre_auth_per_prefix: 50,
            per_prefix: 2_000,
            http_per_prefix: 250,
        }
    }
}

/// The pools. Unauthenticated clients can fill the pre-auth pool, never the whole server.
pub(crate) struct Capacity {
    counts: AtomicU64,
    /// What each prefix holds. There is one entry for each prefix that holds anything, so no more
    /// of them than connections: about 48 bytes each.
    prefixes: Box<[Mutex<HashMap<Prefix, PrefixUsage>>; STRIPES]>,
    hasher: RandomState,
}

const STRIPES: usize = 64;
/// How many times more TCP connections and TLS handshakes an address may have from which a user is
/// signed in.
pub(crate) const USER_ADDRESS_FACTOR: u32 = 4;

impl Capacity {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            counts: AtomicU64::new(0),
            prefixes: Box::new(std::array::from_fn(|_| Mutex::default())),
            hasher: RandomState::new(),
        })
    }

    pub(crate) fn counts(&self) -> CapacityCounts {
        CapacityCounts::from_bits(self.counts.load(Ordering::Relaxed))
    }

    /// Reserves a slot before sign-in. The error is the limit that is used up.
    ///
    /// `pre_auth_max` is the capacity for unauthenticated clients at the current load; `observed`
    /// tells which limits are in observe mode.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        client: IpAddr,
        class: ClientClass,
        most: &CapacityOptions,
        pre_auth_max: u32,
        observed: impl Fn(Limit) -> bool,
    ) -> Result<ConnectionSlot, Limit> {
        let CapacityOptions { total, admin_reserve, .. } = *most;
        let total =
            if class == ClientClass::Admin { total } else { total.saturating_sub(admin_reserve) };
        let pre_auth_max = match class {
            ClientClass::Unauthenticated => pre_auth_max,
            ClientClass::Returning => most.pre_auth_known(),
            ClientClass::Admin => u32::MAX,
        };
        let mut full = None;
        let reserved = self.change(|counts| {
            full = if counts.pre_auth >= pre_auth_max {
                Some(Limit::PreAuthTotal)
            } else if counts.total() >= total {
                Some(Limit::ConnectionsTotal)
            } else {
                None
            };
            let one_more = CapacityCounts { pre_auth: counts.pre_auth.saturating_add(1), ..counts };
            full.is_none_or(&observed).then_some(one_more)
        });
        if !reserved {
            return Err(full.unwrap_or(Limit::ConnectionsTotal));
        }
        let mut slot = ConnectionSlot {
            capacity: Arc::clone(self),
            pool: Pool::PreAuth,
            client,
            class,
            refunded: false,
            holds_prefix: false,
        };
        let CapacityOptions { pre_auth_per_prefix, per_prefix, .. } = *most;
        // When this rejects, dropping the slot returns what was counted above.
        self.hold(client, Pool::PreAuth, |held, factor| {
            let full = if held.pre_auth >= pre_auth_per_prefix.saturating_mul(factor) {
                Limit::PreAuthPerPrefix
            } else if held.sockets() >= per_prefix.saturating_mul(factor) {
                Limit::ConnectionsPerPrefix
            } else {
                return Ok(());
            };
            if observed(full) { Ok(()) } else { Err(full) }
        })?;
        slot.holds_prefix = true;
        Ok(slot)
    }

    /// Takes a slot for a TCP connection that is not a socket yet.
    pub(crate) fn http_slot(
        self: &Arc<Self>,
        client: IpAddr,
        most: &CapacityOptions,
        observed: impl Fn(Limit) -> bool,
    ) -> Result<HttpSlot, Limit> {
        let limit = Limit::HttpPerPrefix;
        self.hold(client, Pool::Http, |held, factor| {
            // Many clients share the address of a user: an office, a school.
            let more = if held.authenticated > 0 { USER_ADDRESS_FACTOR } else { 1 };
            let most = most.http_per_prefix.saturating_mul(factor).saturating_mul(more);
            let full = held.http >= most;
            if full && !observed(limit) { Err(limit) } else { Ok(()) }
        })?;
        Ok(HttpSlot { capacity: Arc::clone(self), client })
    }

    /// Whether a user is signed in from the narrow prefix of an address.
    pub(crate) fn has_user(&self, client: IpAddr) -> bool {
        let (narrow, _) = prefixes(client);
        self.stripe(narrow).lock().get(&narrow).is_some_and(|held| held.authenticated > 0)
    }

    /// What the prefixes of an address hold: the narrow one, then the wide one.
    pub(crate) fn held(&self, client: IpAddr) -> Vec<PrefixUsage> {
        let (narrow, wide) = prefixes(client);
        let held = |prefix| self.stripe(prefix).lock().get(&prefix).copied().unwrap_or_default();
        std::iter::once(narrow).chain(wide).map(held).collect()
    }

    /// Counts a connection for each prefix of the client, or for none. `check` gets the factor by
    /// which the prefix may hold more than a narrow one.
    fn hold(
        &self,
        client: IpAddr,
        pool: Pool,
        check: impl Fn(&PrefixUsage, u32) -> Result<(), Limit>,
    ) -> Result<(), Limit> {
        let (narrow, wide) = prefixes(client);
        self.hold_one(narrow, pool, |held| check(held, 1))?;
        let Some(wide) = wide else { return Ok(()) };
        self.hold_one(wide, pool, |held| check(held, SITE_FACTOR))
            .inspect_err(|_| self.release_one(narrow, pool))
    }

    fn hold_one(
        &self,
        prefix: Prefix,
        pool: Pool,
        check: impl FnOnce(&PrefixUsage) -> Result<(), Limit>,
    ) -> Result<(), Limit> {
        let mut stripe = self.stripe(prefix).lock();
        let known = stripe.get(&prefix).copied().unwrap_or_default();
        check(&known)?;
        let held = stripe.entry(prefix).or_default().of(pool);
        *held = held.saturating_add(1);
        Ok(())
    }

    fn release(&self, client: IpAddr, pool: Pool) {
        let (narrow, wide) = prefixes(client);
        std::iter::once(narrow).chain(wide).for_each(|prefix| self.release_one(prefix, pool));
    }

    /// Returns a connection of a prefix; the entry of an unused prefix is removed.
    fn release_one(&self, prefix: Prefix, pool: Pool) {
        let mut stripe = self.stripe(prefix).lock();
        if let Entry::Occupied(mut entry) = stripe.entry(prefix) {
            let held = entry.get_mut().of(pool);
            *held = held.saturating_sub(1);
            if *entry.get() == PrefixUsage::default() {
                entry.remove();
            }
        }
    }

    /// Moves a connection that has signed in to another pool.
    fn sign_in(&self, client: IpAddr) {
        let (narrow, wide) = prefixes(client);
        for prefix in std::iter::once(narrow).chain(wide) {
            if let Some(held) = self.stripe(prefix).lock().get_mut(&prefix) {
                held.pre_auth = held.pre_auth.saturating_sub(1);
                held.authenticated = held.authenticated.saturating_add(1);
            }
        }
    }

    fn stripe(&self, prefix: Prefix) -> &Mutex<HashMap<Prefix, PrefixUsage>> {
        let [first, rest @ ..] = &*self.prefixes;
        let index = (self.hasher.hash_one(prefix) >> 58) as usize;
        index.checked_sub(1).and_then(|index| rest.get(index)).unwrap_or(first)
    }

    fn change(&self, change: impl FnMut(CapacityCounts) -> Option<CapacityCounts>) -> bool {
        let mut change = change;
        let update = |bits| change(CapacityCounts::from_bits(bits)).map(CapacityCounts::to_bits);
        self.counts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update).is_ok()
    }
}

/// The slot of a TCP connection that is not a socket yet. Dropping it returns it.
#[must_use = "dropping the slot returns it"]
pub struct HttpSlot {
    capacity: Arc<Capacity>,
    client: IpAddr,
}

impl Drop for HttpSlot {
    fn drop(&mut self) {
        self.capacity.release(self.client, Pool::Http);
    }
}

/// The slot of one connection. Dropping it returns it.
#[must_use = "dropping the slot returns it"]
pub struct ConnectionSlot {
    capacity: Arc<Capacity>,
    pool: Pool,
    client: IpAddr,
    /// The class of its client.
    class: ClientClass,
    /// Whether the address got back what the handshake took.
    refunded: bool,
    holds_prefix: bool,
}

impl ConnectionSlot {
    pub(crate) fn client(&self) -> IpAddr {
        self.client
    }

    pub(crate) fn class(&self) -> ClientClass {
        self.class
    }

    /// Whether this is the first refund.
    pub(crate) fn refund(&mut self) -> bool {
        !std::mem::replace(&mut self.refunded, true)
    }

    pub(crate) fn is_authenticated(&self) -> bool {
        self.pool == Pool::Authenticated
    }

    /// Moves from the pre-auth pool to the authenticated one; again does nothing.
    ///
    /// # Errors
    /// [`Limit::ConnectionsTotal`] when only slots of administrators are left, the class is another
    /// one, and the limit is not in observe mode.
    pub(crate) fn authenticated(
        &mut self,
        class: ClientClass,
        most: &CapacityOptions,
        observed: impl Fn(Limit) -> bool,
    ) -> Result<(), Limit> {
        if self.pool == Pool::Authenticated {
            return Ok(());
        }
        let CapacityOptions { total, admin_reserve, .. } = *most;
        let most =
            if class == ClientClass::Admin { total } else { total.saturating_sub(admin_reserve) };
        let moved = self.capacity.change(|counts| {
            let signed_in = counts.authenticated.saturating_add(1);
            let fits = signed_in <= most || observed(Limit::ConnectionsTotal);
            fits.then_some(CapacityCounts {
                pre_auth: counts.pre_auth.saturating_sub(1),
                authenticated: signed_in,
            })
        });
        if !moved {
            return Err(Limit::ConnectionsTotal);
        }
        self.pool = Pool::Authenticated;
        self.capacity.sign_in(self.client);
        Ok(())
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let pool = self.pool;
        self.capacity.change(|mut counts| {
            match pool {
                Pool::PreAuth | Pool::Http => counts.pre_auth = counts.pre_auth.saturating_sub(1),
                Pool::Authenticated => {
                    counts.authenticated = counts.authenticated.saturating_sub(1);
                }
            }
            Some(counts)
        });
        if self.holds_prefix {
            self.capacity.release(self.client, pool);
        }
    }
}

impl std::fmt::Debug for ConnectionSlot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "ConnectionSlot({:?})", self.pool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: CapacityOptions = CapacityOptions {
        total: 5,
        pre_auth: 2,
        admin_reserve: 0,
        pre_auth_per_prefix: 100,
        per_prefix: 100,
        http_per_prefix: 100,
    };

    fn counts(pre_auth: u32, authenticated: u32) -> CapacityCounts {
        CapacityCounts { pre_auth, authenticated }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn reserve(
        capacity: &Arc<Capacity>,
        most: &CapacityOptions,
        client: &str,
        class: ClientClass,
    ) -> Result<ConnectionSlot, Limit> {
        capacity.reserve(address(client), class, most, most.pre_auth, |_| false)
    }

    #[test]
    fn t_085_unauthenticated_clients_fill_only_their_pool() {
        let capacity = Capacity::new();
        let unauthenticated =
            || reserve(&capacity, &LIMITS, "192.0.2.1", ClientClass::Unauthenticated);
        let mut slots = Vec::new();
        for _ in 0..3 {
            let mut slot = unauthenticated().unwrap();
            slot.authenticated(ClientClass::Returning, &LIMITS, |_| false).unwrap();
            slot.authenticated(ClientClass::Returning, &LIMITS, |_| false).unwrap();
            slots.push(slot);
        }
        let all_unauthenticated: Vec<_> = (0..10).filter_map(|_| unauthenticated().ok()).collect();
        assert_eq!((all_unauthenticated.len(), capacity.counts()), (2, counts(2, 3)));
        assert_eq!(unauthenticated().map(drop), Err(Limit::PreAuthTotal));
        drop(all_unauthenticated);
        let mut last: Vec<_> = (0..10).filter_map(|_| unauthenticated().ok()).collect();
        assert_eq!(last.len(), 2);
        last.iter_mut().for_each(|slot| {
            slot.authenticated(ClientClass::Returning, &LIMITS, |_| false).unwrap()
        });
        assert_eq!(unauthenticated().map(drop), Err(Limit::ConnectionsTotal));
        drop((slots, last));
        assert_eq!(capacity.counts(), counts(0, 0));
        assert_eq!(capacity.held(address("192.0.2.1")), [PrefixUsage::default()]);
    }

    #[test]
    fn returning_clients_and_administrators_get_the_last_slots() {
        let limits = CapacityOptions { total: 4, pre_auth: 1, admin_reserve: 1, ..LIMITS };
        let capacity = Capacity::new();
        let unauthenticated =
            reserve(&capacity, &limits, "192.0.2.1", ClientClass::Unauthenticated).unwrap();
        let outside = |class| reserve(&capacity, &limits, "192.0.2.1", class).map(drop);
        assert_eq!(outside(ClientClass::Unauthenticated), Err(Limit::PreAuthTotal));
        let mut known = reserve(&capacity, &limits, "192.0.2.1", ClientClass::Returning).unwrap();
        let mut another = reserve(&capacity, &limits, "192.0.2.1", ClientClass::Returning).unwrap();
        assert_eq!(outside(ClientClass::Returning), Err(Limit::ConnectionsTotal));
        let mut admin = reserve(&capacity, &limits, "192.0.2.1", ClientClass::Admin).unwrap();
        assert_eq!(outside(ClientClass::Admin), Err(Limit::ConnectionsTotal));
        drop(unauthenticated);
        known.authenticated(ClientClass::Returning, &limits, |_| false).unwrap();
        another.authenticated(ClientClass::Returning, &limits, |_| false).unwrap();
        let mut third = reserve(&capacity, &limits, "192.0.2.1", ClientClass::Admin).unwrap();
        third.authenticated(ClientClass::Returning, &limits, |_| false).unwrap();
        // Three hold slots; the fourth slot is an administrator's, whatever the cookie says.
        let full = Limit::ConnectionsTotal;
        assert_eq!(admin.authenticated(ClientClass::Returning, &limits, |_| false), Err(full));
        assert_eq!(admin.authenticated(ClientClass::Admin, &limits, |_| false), Ok(()));
        assert_eq!(capacity.counts(), counts(0, 4));
    }

    #[test]
    fn t_077_full_prefix_does_not_affect_other_prefixes() {
        let limits =
            CapacityOptions { total: 1_000, pre_auth: 1_000, pre_auth_per_prefix: 3, ..LIMITS };
        let limits = CapacityOptions { per_prefix: 5, http_per_prefix: 2, ..limits };
        let capacity = Capacity::new();
        let held = |clients: &mut dyn Iterator<Item = String>| {
            let taken = clients
                .map(|client| reserve(&capacity, &limits, &client, ClientClass::Unauthenticated));
            let taken: Vec<_> = taken.filter_map(Result::ok).collect();
            taken.len()
        };
        assert_eq!(held(&mut (0..20).map(|_| String::from("192.0.2.1"))), 3);
        assert_eq!(held(&mut (0..20).map(|n| format!("2001:db8:1:2::{n}"))), 3);
        // Eight times as many in a /48, and a rejection takes nothing.
        assert_eq!(held(&mut (0..200).map(|n| format!("2001:db8:1:{n:x}::1"))), 24);
        assert_eq!(held(&mut (0..200).map(|n| format!("192.0.2.{n}"))), 200);

        let mut slots = Vec::new();
        for _ in 0..5 {
            let mut slot =
                reserve(&capacity, &limits, "192.0.2.1", ClientClass::Unauthenticated).unwrap();
            slot.authenticated(ClientClass::Returning, &limits, |_| false).unwrap();
            slots.push(slot);
        }
        let sixth = reserve(&capacity, &limits, "192.0.2.1", ClientClass::Unauthenticated);
        assert_eq!(sixth.map(drop), Err(Limit::ConnectionsPerPrefix));
        let observed = capacity.reserve(
            address("192.0.2.1"),
            ClientClass::Unauthenticated,
            &limits,
            9,
            |_| true,
        );
        assert!(observed.is_ok(), "a limit in observe mode only counts");
        drop((slots, observed));

        let http_slots: Vec<_> = (0..5)
            .filter_map(|_| capacity.http_slot(address("192.0.2.1"), &limits, |_| false).ok())
            .collect();
        assert_eq!(http_slots.len(), 2);
        assert_eq!(capacity.held(address("192.0.2.1"))[0].http, 2);
        drop(http_slots);
        assert_eq!(capacity.counts(), counts(0, 0));
        let left: usize = capacity.prefixes.iter().map(|stripe| stripe.lock().len()).sum();
        assert_eq!(left, 0, "entries of unused prefixes are removed");
    }

    #[test]
    fn t_086_churn_from_many_threads_leaks_no_slot() {
        let limits = CapacityOptions { total: 50, pre_auth: 20, ..LIMITS };
        let capacity = Capacity::new();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let capacity = &capacity;
                scope.spawn(move || {
                    for round in 0..500 {
                        let client = format!("2001:db8:1:{thread}::{round:x}");
                        let slot =
                            reserve(capacity, &limits, &client, ClientClass::Unauthenticated);
                        let seen = capacity.counts();
                        assert!(seen.pre_auth <= 20 && seen.total() <= 50);
                        if let (Ok(mut slot), true) = (slot, (round + thread) % 2 == 0) {
                            slot.authenticated(ClientClass::Returning, &limits, |_| false).unwrap();
                        }
                    }
                });
            }
        });
        assert_eq!(capacity.counts(), counts(0, 0));
        let left: usize = capacity.prefixes.iter().map(|stripe| stripe.lock().len()).sum();
        assert_eq!(left, 0);
    }
}
