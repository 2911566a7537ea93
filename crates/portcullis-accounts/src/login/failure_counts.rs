//! How often a name was tried in vain before it was right, for whoever reads the security log.
//! Never: a decision; the gate counts what it decides by.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;
use portcullis_guard::{EntryOwner, Gate, Owner, ShareUse, Shares};
use portcullis_model::Now;

/// Names remembered; about 150 bytes each.
const NAMES_MAX: usize = 16_384;
/// An address prefix holds a sixteenth of the free space at most.
const SHARE_PART: usize = 16;
/// How long a failure is remembered.
const KEPT_MS: u64 = 60 * 60 * 1000;
/// The table is searched for old names at most this often.
const SWEEP_EVERY_MS: u64 = 1_000;
/// From so many on a success is worth a record of its own.
pub(crate) const NOTABLE: u32 = 5;

struct Failed {
    count: u32,
    last_ms: u64,
    owner: Owner,
}

struct State {
    names: HashMap<String, Failed>,
    shares: Shares,
    swept_ms: Option<u64>,
}

/// Failed log-ins by name, in shares by the address prefix that tried a name first.
pub(crate) struct Failures {
    state: Mutex<State>,
}

impl Default for Failures {
    fn default() -> Self {
        let shares = Shares::new("login_failures", NAMES_MAX, SHARE_PART, NAMES_MAX);
        let state = State { names: HashMap::new(), shares, swept_ms: None };
        Self { state: Mutex::new(state) }
    }
}

impl Failures {
    /// Counts one more. A prefix whose share is full adds no new name.
    pub(crate) fn count(&self, name: &str, client: IpAddr, gate: &Gate, now: Now) {
        let owner = EntryOwner::Address(client);
        self.count_for(name, gate.limits().owner(owner), || owner.label(), now);
    }

    fn count_for(&self, name: &str, owner: Owner, label: impl FnOnce() -> String, now: Now) {
        let mut state = self.state.lock();
        if let Some(failed) = state.names.get_mut(name) {
            failed.count = failed.count.saturating_add(1);
            failed.last_ms = now.monotonic_ms;
            return;
        }
        if state.shares.check(owner).is_err() {
            state.evict_old(now);
        }
        if state.shares.take(owner, label).is_ok() {
            let failed = Failed { count: 1, last_ms: now.monotonic_ms, owner };
            state.names.insert(String::from(name), failed);
        }
    }

    /// How full the table is.
    pub(crate) fn usage(&self, now: Now) -> ShareUse {
        let mut state = self.state.lock();
        state.evict_old(now);
        state.shares.usage()
    }

    /// Forgets a name that was right; gives how often it had been wrong lately.
    pub(crate) fn settle(&self, name: &str, now: Now) -> u32 {
        let mut state = self.state.lock();
        let Some(failed) = state.names.remove(name) else { return 0 };
        state.shares.give_back(failed.owner);
        if now.monotonic_ms.saturating_sub(failed.last_ms) < KEPT_MS { failed.count } else { 0 }
    }
}

impl State {
    fn evict_old(&mut self, now: Now) {
        if self.swept_ms.is_some_and(|at| now.monotonic_ms.saturating_sub(at) < SWEEP_EVERY_MS) {
            return;
        }
        self.swept_ms = Some(now.monotonic_ms);
        let Self { names, shares, .. } = self;
        names.retain(|_, failed| {
            let recent = now.monotonic_ms.saturating_sub(failed.last_ms) < KEPT_MS;
            if !recent {
                shares.give_back(failed.owner);
            }
            recent
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(monotonic_ms: u64) -> Now {
        Now { monotonic_ms, unix_ms: 0 }
    }

    #[test]
    fn failures_are_counted_by_name_and_evicted() {
        let failures = Failures::default();
        let count = |name: &str, ms| failures.count_for(name, 1, String::new, at(ms));
        (0..7).for_each(|_| count("ann", 1));
        assert_eq!(failures.settle("bob", at(2)), 0);
        assert_eq!(failures.settle("ann", at(2)), 7);
        assert_eq!(failures.settle("ann", at(2)), 0);
        count("ann", 1);
        assert_eq!(failures.settle("ann", at(1 + KEPT_MS)), 0, "long ago");
    }

    #[test]
    fn address_that_fills_its_share_hides_no_failure_of_others() {
        let failures = Failures::default();
        for number in 0..NAMES_MAX {
            failures.count_for(&number.to_string(), 1, String::new, at(5));
        }
        let usage = failures.usage(at(5));
        assert!(usage.used <= NAMES_MAX / SHARE_PART, "{usage:?}");
        failures.count_for("ann", 2, String::new, at(5));
        assert_eq!(failures.settle("ann", at(5)), 1);
        failures.count_for("late", 1, String::new, at(5 + KEPT_MS));
        assert_eq!(failures.settle("late", at(5 + KEPT_MS)), 1);
    }
}
