//! The operator's limits in use: taken, or only observed; explained, and lifted.
//! Never: a limit that refuses without a name.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use portcullis_model::{Denial, Limit, Now, UserId};

use crate::capacity::address;
use crate::capacity::client_class::ClientClass;
use crate::capacity::pools::{Capacity, ConnectionSlot, HttpSlot};
use crate::capacity::slots::CapacityCounts;
use crate::error::GateError;
use crate::gate_options::GateOptions;
use crate::limits::attempt::{Attempt, Trace};
use crate::limits::connection_usage::AddressBuckets;
use crate::limits::observe::ObservedLimits;
use crate::load::current::CurrentLoad;
use crate::tables::buckets::{Rates, TableUse};
use crate::tables::rate::Rate;
use crate::tables::shares::{EntryOwner, Owner};

/// Rates, capacities and the load of the server: what each client may take.
pub struct Limiter {
    pub(crate) options: Arc<GateOptions>,
    pub(crate) rates: Rates,
    pub(crate) capacity: Arc<Capacity>,
    pub(crate) observed: ObservedLimits,
    pub(crate) load: CurrentLoad,
    /// Where what limits count is written down, if a trace is wanted.
    pub(crate) trace: OnceLock<Trace>,
    connections: AtomicU64,
}

impl Limiter {
    pub(crate) fn build(options: &Arc<GateOptions>) -> Result<Self, GateError> {
        Ok(Self {
            rates: Rates::new(options.rate_keys_max),
            capacity: Capacity::new(options.capacity),
            observed: ObservedLimits::parse(&options.observe)?,
            load: CurrentLoad::new(options.load),
            trace: OnceLock::new(),
            connections: AtomicU64::new(0),
            options: Arc::clone(options),
        })
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

    /// Whose share of a table an entry counts toward.
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

    /// What a limit has to say, unless it is only observed.
    pub(crate) fn judged(&self, limit: Limit, outcome: Result<(), u64>) -> Result<(), Denial> {
        match outcome {
            Err(retry_after_ms) if !self.observed.lets_pass(limit) => {
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

    /// As [`Gate::take_of_prefix`]; a rejection tells how long it takes until all have passed that
    /// were rejected before.
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

    /// A seat for an accepted TCP connection, before anything of it is read.
    ///
    /// # Errors
    /// [`Denial::Limit`] when its address holds as many as it may.
    pub fn take_http_slot(&self, client: IpAddr) -> Result<HttpSlot, Denial> {
        let seat = self.capacity.seat(client, |limit| self.observed.lets_pass(limit));
        seat.map_err(|limit| Denial::Limit { limit, retry_after_ms: 0 })
    }

    pub(crate) fn reserve(
        &self,
        client: IpAddr,
        class: ClientClass,
    ) -> Result<ConnectionSlot, Denial> {
        let observed = |limit| self.observed.lets_pass(limit);
        let slot = self.capacity.reserve(client, class, self.pre_auth_max(), observed);
        slot.map_err(|limit| Denial::Limit { limit, retry_after_ms: 0 })
    }

    /// Whether the address is kept out for what it did.
    ///
    /// # Errors
    /// [`Denial::Limit`].
    pub(crate) fn check_penalty(&self, client: IpAddr, now: Now) -> Result<(), Denial> {
        let blocked = self.check_blocked(client, now);
        if blocked.is_err() {
            // Going on with it makes it longer.
            let (narrow, _) = address::prefixes(client);
            let (limit, rate) = (Limit::PenaltyPerPrefix, &self.options.penalty_per_prefix);
            self.rates.fault(limit, self.rates.key(narrow), rate, self.options.penalty, now);
        }
        blocked
    }

    /// The same for what another site's page may have caused, which makes nothing longer.
    pub(crate) fn check_blocked(&self, client: IpAddr, now: Now) -> Result<(), Denial> {
        let (limit, rate) = (Limit::PenaltyPerPrefix, &self.options.penalty_per_prefix);
        let (narrow, _) = address::prefixes(client);
        self.judged(limit, self.rates.kept_out(limit, self.rates.key(narrow), rate, now))
    }

    /// Whether the user is kept out for what they did.
    ///
    /// # Errors
    /// [`Denial::Limit`].
    pub(crate) fn check_user_penalty(&self, user: &UserId, now: Now) -> Result<(), Denial> {
        let limit = Limit::PenaltyPerUser;
        let key = self.rates.key(user);
        let outcome = self.rates.kept_out(limit, key, &self.options.penalty_per_user, now);
        self.judged(limit, outcome)
    }

    /// Counts a violation: of the user, where one is signed in, otherwise of the address.
    ///
    /// Never both: who shares an address with somebody has not done what they did. And never of a
    /// proxy of the operator's: what comes by it without a client's address is nobody's.
    pub(crate) fn count_violation(&self, client: Option<IpAddr>, user: Option<&UserId>, now: Now) {
        self.note_done(now, || Attempt::Violation {
            client: client.filter(|_| user.is_none()),
            user: user.map(UserId::to_string),
        });
        let (options, rates) = (&self.options, &self.rates);
        match (user, client) {
            (Some(user), _) => {
                let (limit, rate) = (Limit::PenaltyPerUser, &options.penalty_per_user);
                rates.fault(limit, rates.key(user), rate, options.penalty, now);
            }
            (None, Some(client)) => {
                let (limit, rate) = (Limit::PenaltyPerPrefix, &options.penalty_per_prefix);
                let (narrow, _) = address::prefixes(client);
                rates.fault(limit, rates.key(narrow), rate, options.penalty, now);
            }
            (None, None) => {}
        }
    }

    /// The buckets of an address, for a connection's life.
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

    /// How full the tables of buckets are.
    #[must_use]
    pub fn rate_tables(&self, now: Now) -> [TableUse; 3] {
        self.rates.tables(now)
    }
}
