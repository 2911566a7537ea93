//! The operator's look at the limits: explained, and lifted.
//! Never: a look that takes anything.

use std::net::IpAddr;

use portcullis_model::{Limit, LimitKey, Now, UserId};

use crate::capacity::address::{self, SITE_FACTOR};
use crate::capacity::prefix_usage::PrefixUsage;
use crate::gate_options::GateOptions;
use crate::limits::attempt::Attempt;
use crate::limits::limiter::Limiter;
use crate::tables::rate::Rate;

/// How far a limit is used up for one address, user or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitState {
    /// Which limit.
    pub limit: Limit,
    /// How many are used up at the moment.
    pub used: u32,
    /// How many there are.
    pub count: u32,
    /// Until all of them are there again, from none; 0 for what is held and given back.
    pub period_ms: u64,
    /// Until the next one passes; 0 when one passes now.
    pub wait_ms: u64,
    /// Whether the limit only counts.
    pub observed: bool,
}

impl Limiter {
    /// How far the limits of an address are used up, and what it holds: its narrow prefix, then its
    /// wide one.
    #[must_use]
    pub fn explain_address(&self, client: IpAddr, now: Now) -> Vec<(Vec<LimitState>, PrefixUsage)> {
        let (narrow, wide) = address::prefixes(client);
        let keys = std::iter::once((self.rates.key(narrow), 1))
            .chain(wide.map(|wide| (self.rates.key(wide), SITE_FACTOR)));
        let held = self.capacity.held(client);
        keys.zip(held)
            .map(|((key, factor), held)| {
                let limits = by_prefix(&self.options);
                let states =
                    limits.map(|(limit, rate)| self.state(limit, &rate.times(factor), key, now));
                (states.collect(), held)
            })
            .collect()
    }

    /// How far the limits of a user are used up.
    #[must_use]
    pub fn explain_user(&self, user: &UserId, name: &str, now: Now) -> Vec<LimitState> {
        let name = self.name_key(name);
        let states = self.options.rates().into_iter().filter_map(|(limit, rate)| {
            let key = self.key_of_user(limit, user, name)?;
            Some(self.state(limit, &rate, key, now))
        });
        states.collect()
    }

    /// How far the limits that all share are used up.
    #[must_use]
    pub fn explain_total(&self, now: Now) -> Vec<LimitState> {
        let limits = self.options.rates().into_iter();
        let limits = limits.filter(|(limit, _)| limit.key() == portcullis_model::LimitKey::Total);
        limits.map(|(limit, rate)| self.state(limit, &rate, 0, now)).collect()
    }

    /// Empties every bucket of an address, penalties too.
    pub fn unlock_address(&self, client: IpAddr, now: Now) {
        self.note_done(now, || Attempt::UnlockedAddress { client });
        let (narrow, wide) = address::prefixes(client);
        for prefix in std::iter::once(narrow).chain(wide) {
            let key = self.rates.key(prefix);
            by_prefix(&self.options).for_each(|(limit, _)| self.rates.forget(limit, key));
        }
    }

    /// Empties every bucket of a user, penalties too.
    pub fn unlock_user(&self, user: &UserId, name: &str, now: Now) {
        let name = self.name_key(name);
        self.note_done(now, || Attempt::UnlockedUser { user: user.to_string(), name });
        self.forget_user(user, name);
    }

    pub(crate) fn forget_user(&self, user: &UserId, name: u64) {
        for (limit, _) in self.options.rates() {
            if let Some(key) = self.key_of_user(limit, user, name) {
                self.rates.forget(limit, key);
            }
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
            used: self.rates.used(limit, key, rate, now),
            count: rate.count,
            period_ms: rate.period_ms,
            wait_ms: self.rates.look(limit, key, rate, now).err().unwrap_or(0),
            observed: self.observed.is(limit),
        }
    }
}

fn by_prefix(options: &GateOptions) -> impl Iterator<Item = (Limit, Rate)> + use<> {
    let prefix = LimitKey::Prefix;
    options.rates().into_iter().filter(move |(limit, _)| limit.key() == prefix)
}
