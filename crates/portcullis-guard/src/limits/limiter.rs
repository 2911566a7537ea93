//! The limiter: every rate and capacity, enforced or in observe mode.
//! Never: a rejection that does not name its limit.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use portcullis_model::{Denial, Limit, Now, UserId};

use crate::capacity::address;
use crate::capacity::client_class::ClientClass;
use crate::capacity::pools::{Capacity, ConnectionSlot, HttpSlot};
use crate::capacity::slots::CapacityCounts;
use crate::limits::attempt::{Attempt, Trace};
use crate::limits::connection_usage::AddressBuckets;
use crate::limits::event_rates::EventRates;
use crate::limits::observe::ObservedRejections;
use crate::load::current::CurrentLoad;
use crate::policy::current::{CurrentPolicy, PolicyGuard};
use crate::tables::buckets::{Rates, TableUse};
use crate::tables::rate::Rate;
use crate::tables::shares::{EntryOwner, Owner};

/// The limits of each client: rates, capacities and the load of the server.
pub struct Limiter {
    policy: Arc<CurrentPolicy>,
    pub(crate) rates: Rates,
    pub(crate) capacity: Arc<Capacity>,
    pub(crate) observed: ObservedRejections,
    pub(crate) load: CurrentLoad,
    /// The rates of events of a trace; a server has those of its declared events.
    pub(crate) traced_events: EventRates,
    /// Receives a trace entry for everything that limits count.
    pub(crate) trace: OnceLock<Trace>,
    connections: AtomicU64,
}

impl Limiter {
    pub(crate) fn new(policy: &Arc<CurrentPolicy>) -> Self {
        let in_force = policy.load();
        Self {
            rates: Rates::new(in_force.options.rate_keys_max),
            capacity: Capacity::new(),
            observed: ObservedRejections::default(),
            load: CurrentLoad::new(in_force.options.load),
            traced_events: EventRates::default(),
            trace: OnceLock::new(),
            connections: AtomicU64::new(0),
            policy: Arc::clone(policy),
        }
    }

    /// The options in force.
    pub(crate) fn policy(&self) -> PolicyGuard {
        self.policy.load()
    }

    /// Whether a limit is in observe mode; counts a rejection that it would have made.
    pub(crate) fn lets_pass(&self, limit: Limit) -> bool {
        let is_observed = self.policy().observed.is(limit);
        if is_observed {
            self.observed.count(limit);
        }
        is_observed
    }

    /// The number of the next connection, for traces.
    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    /// How many connections there are.
    #[must_use]
    pub fn counts(&self) -> CapacityCounts {
        self.capacity.counts()
    }

    /// The owner of the share that a table entry counts toward.
    #[must_use]
    pub fn share_owner(&self, owner: EntryOwner<'_>) -> Owner {
        match owner {
            EntryOwner::User(user) => self.rates.key(user),
            EntryOwner::Address(client) => {
                let (narrow, wide) = address::prefixes(client);
                self.rates.key(wide.unwrap_or(narrow))
            }
        }
    }

    /// How often each limit in observe mode would have rejected, since the start.
    #[must_use]
    pub fn observed_rejections(&self) -> Vec<(Limit, u64)> {
        self.observed.rejections()
    }

    /// Turns the outcome of a limit into a decision; a limit in observe mode never rejects.
    pub(crate) fn judged(&self, limit: Limit, outcome: Result<(), u64>) -> Result<(), Denial> {
        match outcome {
            Err(retry_after_ms) if !self.lets_pass(limit) => {
                Err(Denial::Limit { limit, retry_after_ms: retry_after_ms.max(1) })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    pub(crate) fn take_of_prefix(
        &self,
        limit: Limit,
        rate: &Rate,
        client: IpAddr,
        now: Now,
    ) -> Result<(), Denial> {
        self.judged(limit, address::take(&self.rates, limit, client, rate, now))
    }

    /// As [`Limiter::take_of_prefix`]; the wait of a rejection includes the clients that were
    /// rejected before.
    pub(crate) fn take_in_turn(
        &self,
        limit: Limit,
        rate: &Rate,
        client: IpAddr,
        now: Now,
    ) -> Result<(), Denial> {
        let taken = address::take(&self.rates, limit, client, rate, now);
        let (narrow, _) = address::prefixes(client);
        let turn = taken.map_err(|wait_ms| {
            let before_ms = self.rates.queue(limit, self.rates.key(narrow), rate, now);
            wait_ms.saturating_add(before_ms).min(rate.period_ms)
        });
        self.judged(limit, turn)
    }

    pub(crate) fn take_of_all(&self, limit: Limit, rate: &Rate, now: Now) -> Result<(), Denial> {
        self.judged(limit, self.rates.take(limit, 0, rate, now))
    }

    pub(crate) fn take_of_user(
        &self,
        limit: Limit,
        rate: &Rate,
        key: u64,
        now: Now,
    ) -> Result<(), Denial> {
        self.judged(limit, self.rates.take(limit, key, rate, now))
    }

    /// Takes a slot for an accepted TCP connection, before anything is read from it.
    ///
    /// # Errors
    /// [`Denial::Limit`] when its address holds the most slots permitted.
    pub fn take_http_slot(&self, client: IpAddr) -> Result<HttpSlot, Denial> {
        let http_slot = self
            .capacity
            .http_slot(client, &self.policy().options.capacity, |limit| self.lets_pass(limit));
        http_slot.map_err(|limit| Denial::Limit { limit, retry_after_ms: 0 })
    }

    pub(crate) fn reserve(
        &self,
        client: IpAddr,
        class: ClientClass,
    ) -> Result<ConnectionSlot, Denial> {
        let observed = |limit| self.lets_pass(limit);
        let most = self.policy().options.capacity;
        let slot = self.capacity.reserve(client, class, &most, self.pre_auth_max(), observed);
        slot.map_err(|limit| Denial::Limit { limit, retry_after_ms: 0 })
    }

    /// Checks that an address is not blocked for violations. A blocked attempt prolongs the block.
    ///
    /// # Errors
    /// [`Denial::Limit`].
    pub(crate) fn check_penalty(&self, client: IpAddr, now: Now) -> Result<(), Denial> {
        let blocked = self.check_blocked(client, now);
        if blocked.is_err() {
            // Further attempts prolong the block.
            let (narrow, _) = address::prefixes(client);
            let options = &self.policy().options;
            let (limit, rate) = (Limit::PenaltyPerPrefix, &options.penalty_per_prefix);
            let key = self.rates.key(narrow);
            self.rates.count_violation(limit, key, rate, options.penalty, now);
        }
        blocked
    }

    /// As [`Limiter::check_penalty`], without prolonging the block: for requests that a page of
    /// another site may have caused.
    pub(crate) fn check_blocked(&self, client: IpAddr, now: Now) -> Result<(), Denial> {
        let limit = Limit::PenaltyPerPrefix;
        let (narrow, _) = address::prefixes(client);
        self.judged(limit, self.rates.check_block(limit, self.rates.key(narrow), now))
    }

    /// Checks that a user is not blocked for violations.
    ///
    /// # Errors
    /// [`Denial::Limit`].
    pub(crate) fn check_user_penalty(&self, user: &UserId, now: Now) -> Result<(), Denial> {
        let limit = Limit::PenaltyPerUser;
        let key = self.rates.key(user);
        let outcome = self.rates.check_block(limit, key, now);
        self.judged(limit, outcome)
    }

    /// Counts a violation: of the user, where one is signed in, otherwise of the address.
    pub(crate) fn count_violation(&self, client: Option<IpAddr>, user: Option<&UserId>, now: Now) {
        self.note_done(now, || Attempt::Violation {
            client: client.filter(|_| user.is_none()),
            user: user.map(UserId::to_string),
        });
        let (policy, rates) = (self.policy(), &self.rates);
        let options = &policy.options;
        match (user, client) {
            (Some(user), _) => {
                let (limit, rate) = (Limit::PenaltyPerUser, &options.penalty_per_user);
                rates.count_violation(limit, rates.key(user), rate, options.penalty, now);
            }
            (None, Some(client)) => {
                let (limit, rate) = (Limit::PenaltyPerPrefix, &options.penalty_per_prefix);
                let (narrow, _) = address::prefixes(client);
                rates.count_violation(limit, rates.key(narrow), rate, options.penalty, now);
            }
            (None, None) => {}
        }
    }

    /// The buckets of an address, computed once for a connection.
    #[must_use]
    pub fn address_buckets(&self, client: IpAddr) -> AddressBuckets {
        let (narrow, wide) = address::prefixes(client);
        AddressBuckets {
            narrow: self.rates.key(narrow),
            wide: wide.map(|wide| self.rates.key(wide)),
            client: Some(client),
            connection: self.next_connection(),
        }
    }

    /// Applies the rates of a reload to the counts that all clients share.
    ///
    /// Each other count follows when it is used next.
    pub fn renew_totals(&self, now: Now) {
        self.rates.cap_totals(self.policy().options.rates(), now);
    }

    /// The usage of the tables of buckets.
    #[must_use]
    pub fn rate_tables(&self, now: Now) -> [TableUse; 3] {
        self.rates.tables(now)
    }
}
