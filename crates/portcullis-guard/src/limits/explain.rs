//! Explains limits to the operator, and clears them.
//! Never: an explanation that takes from a bucket; it can cap one of a former rate.

use std::net::IpAddr;

use portcullis_model::{Limit, LimitKey, Now, UserId};

use crate::capacity::address::{self, SITE_FACTOR};
use crate::capacity::prefix_usage::PrefixUsage;
use crate::gate_options::GateOptions;
use crate::limits::attempt::Attempt;
use crate::limits::limiter::Limiter;
use crate::tables::rate::Rate;

/// The usage of a limit, for one address, one user or in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitState {
    /// Which limit.
    pub limit: Limit,
    /// The event, for the rate of a single event.
    pub event: Option<String>,
    /// How many are used up now.
    pub used: u32,
    /// How many there are.
    pub count: u32,
    /// Time until a used-up limit is free again, in ms; 0 for capacities.
    pub period_ms: u64,
    /// Time until the next attempt passes, in ms; 0 when it passes now.
    pub wait_ms: u64,
    /// Whether the limit is in observe mode.
    pub observed: bool,
}

impl Limiter {
    /// The usage of the limits of an address, and what it holds: its narrow prefix, then its wide
    /// one.
    #[must_use]
    pub fn explain_address(&self, client: IpAddr, now: Now) -> Vec<(Vec<LimitState>, PrefixUsage)> {
        let (narrow, wide) = address::prefixes(client);
        let keys = std::iter::once((self.rates.key(narrow), 1))
            .chain(wide.map(|wide| (self.rates.key(wide), SITE_FACTOR)));
        let held = self.capacity.held(client);
        keys.zip(held)
            .map(|((key, factor), held)| {
                let limits = by_prefix(&self.policy().options);
                let states =
                    limits.map(|(limit, rate)| self.state(limit, &rate.times(factor), key, now));
                (states.collect(), held)
            })
            .collect()
    }

    /// The usage of the limits of a user.
    #[must_use]
    pub fn explain_user(&self, user: &UserId, name: &str, now: Now) -> Vec<LimitState> {
        let name = self.name_key(name);
        let states = self.policy().options.rates().into_iter().filter_map(|(limit, rate)| {
            let key = self.key_of_user(limit, user, name)?;
            Some(self.state(limit, &rate, key, now))
        });
        states.chain(self.used_events(user, now)).collect()
    }

    /// The key of the rate of a single event. Events of one name in several namespaces share their
    /// count if their rates have the same period. A reload with another period starts a new count.
    pub(crate) fn event_key(&self, user: &UserId, name: &str, rate: &Rate) -> u64 {
        self.rates.key((user, name, rate.period_ms))
    }

    /// The rates of single events, one for each name and period.
    fn event_rates(&self) -> Vec<(String, Rate)> {
        let policy = self.policy();
        let declared = policy.events.iter();
        let declared = declared.filter_map(|event| Some((String::from(event.name), event.rate?)));
        let mut rates: Vec<_> = declared.chain(self.traced_events.all()).collect();
        let place = |(name, rate): &(String, Rate)| (name.clone(), rate.period_ms);
        rates.sort_by_key(place);
        rates.dedup_by_key(|entry| place(entry));
        rates
    }

    /// The usage of the rates of single events that the user has used.
    fn used_events(&self, user: &UserId, now: Now) -> Vec<LimitState> {
        let events = self.event_rates().into_iter();
        let states = events.map(|(name, rate)| {
            let key = self.event_key(user, &name, &rate);
            let state = self.state(Limit::EventPerUser, &rate, key, now);
            LimitState { event: Some(name), ..state }
        });
        states.filter(|state| state.used > 0).collect()
    }

    /// The usage of the limits that all clients share.
    #[must_use]
    pub fn explain_total(&self, now: Now) -> Vec<LimitState> {
        let limits = self.policy().options.rates().into_iter();
        let limits = limits.filter(|(limit, _)| limit.key() == portcullis_model::LimitKey::Total);
        limits.map(|(limit, rate)| self.state(limit, &rate, 0, now)).collect()
    }

    /// Clears every bucket of an address, and its block.
    pub fn unlock_address(&self, client: IpAddr, now: Now) {
        self.note_done(now, || Attempt::UnlockedAddress { client });
        let (narrow, wide) = address::prefixes(client);
        for prefix in std::iter::once(narrow).chain(wide) {
            let key = self.rates.key(prefix);
            by_prefix(&self.policy().options).for_each(|(limit, _)| self.rates.clear(limit, key));
        }
    }

    /// Clears every bucket of a user, and the block.
    pub fn unlock_user(&self, user: &UserId, name: &str, now: Now) {
        let name = self.name_key(name);
        self.note_done(now, || Attempt::UnlockedUser { user: user.to_string(), name });
        self.clear_user(user, name);
    }

    pub(crate) fn clear_user(&self, user: &UserId, name: u64) {
        for (limit, _) in self.policy().options.rates() {
            if let Some(key) = self.key_of_user(limit, user, name) {
                self.rates.clear(limit, key);
            }
        }
        for (name, rate) in self.event_rates() {
            self.rates.clear(Limit::EventPerUser, self.event_key(user, &name, &rate));
        }
    }

    fn key_of_user(&self, limit: Limit, user: &UserId, name: u64) -> Option<u64> {
        match limit {
            Limit::LoginPerUser | Limit::LoginFailedPerUser | Limit::CodeFailedPerUser => {
                Some(name)
            }
            Limit::TicketPerUser
            | Limit::MessagePerUser
            | Limit::BytesPerUser
            | Limit::NamespacePerUser
            | Limit::SignaturePerUser
            | Limit::PenaltyPerUser => Some(self.rates.key(user)),
            _ => None,
        }
    }

    fn state(&self, limit: Limit, rate: &Rate, key: u64, now: Now) -> LimitState {
        LimitState {
            limit,
            event: None,
            used: self.rates.used(limit, key, rate, now),
            count: rate.count,
            period_ms: rate.period_ms,
            wait_ms: self.rates.check(limit, key, rate, now).err().unwrap_or(0),
            observed: self.policy().observed.is(limit),
        }
    }
}

fn by_prefix(options: &GateOptions) -> impl Iterator<Item = (Limit, Rate)> + use<> {
    let prefix = LimitKey::Prefix;
    options.rates().into_iter().filter(move |(limit, _)| limit.key() == prefix)
}
