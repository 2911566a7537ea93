//! Failed logins of each name before a success, for the security log.
//! Never: a decision; the limits of the gate have their own counts.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;
use portcullis_guard::{EntryOwner, Gate, Owner, ShareUse, Shares};
use portcullis_model::Now;

/// Most names in the table; about 150 bytes each.
const NAMES_MAX: usize = 16_384;
/// An address prefix can hold a sixteenth of the free space.
const SHARE_PART: usize = 16;
/// How long a failure is kept, in milliseconds.
const KEPT_MS: u64 = 60 * 60 * 1000;
/// Shortest time between two searches for old names, in milliseconds.
const SWEEP_EVERY_MS: u64 = 1_000;
/// From this number of failures on, the next success has a record of its own.
pub(crate) const NOTABLE_FAILURES: u32 = 5;

struct FailureEntry {
    count: u32,
    last_ms: u64,
    owner: Owner,
}

struct State {
    names: HashMap<String, FailureEntry>,
    shares: Shares,
    swept_ms: Option<u64>,
}

/// Failed logins by name. Each entry counts toward the address prefix that tried the name first.
pub(crate) struct FailureCounts {
    state: Mutex<State>,
}

impl Default for FailureCounts {
    fn default() -> Self {
        let shares = Shares::new("login_failures", NAMES_MAX, SHARE_PART, NAMES_MAX);
        let state = State { names: HashMap::new(), shares, swept_ms: None };
        Self { state: Mutex::new(state) }
    }
}

impl FailureCounts {
    /// Counts a failure. A prefix whose share is full cannot add a new name.
    pub(crate) fn count(&self, name: &str, client: IpAddr, gate: &Gate, now: Now) {
        let owner = EntryOwner::Address(client);
        self.count_for(name, gate.limits().share_owner(owner), || owner.label(), now);
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
            let failed = FailureEntry { count: 1, last_ms: now.monotonic_ms, owner };
            state.names.insert(String::from(name), failed);
        }
    }

    /// How full the table is.
    pub(crate) fn usage(&self, now: Now) -> ShareUse {
        let mut state = self.state.lock();
        state.evict_old(now);
        state.shares.usage()
    }

    /// Removes a name after a success; returns how many failures it had in the last hour.
    pub(crate) fn take(&self, name: &str, now: Now) -> u32 {
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
    fn failures_are_counted_by_name_and_expire() {
        let failures = FailureCounts::default();
        let count = |name: &str, ms| failures.count_for(name, 1, String::new, at(ms));
        (0..7).for_each(|_| count("ann", 1));
        assert_eq!(failures.take("bob", at(2)), 0);
        assert_eq!(failures.take("ann", at(2)), 7);
        assert_eq!(failures.take("ann", at(2)), 0);
        count("ann", 1);
        assert_eq!(failures.take("ann", at(1 + KEPT_MS)), 0, "expired");
    }

    #[test]
    fn prefix_with_a_full_share_does_not_hide_failures_of_other_prefixes() {
        let failures = FailureCounts::default();
        for number in 0..NAMES_MAX {
            failures.count_for(&number.to_string(), 1, String::new, at(5));
        }
        let usage = failures.usage(at(5));
        assert!(usage.used <= NAMES_MAX / SHARE_PART, "{usage:?}");
        failures.count_for("ann", 2, String::new, at(5));
        assert_eq!(failures.take("ann", at(5)), 1);
        failures.count_for("late", 1, String::new, at(5 + KEPT_MS));
        assert_eq!(failures.take("late", at(5 + KEPT_MS)), 1);
    }
}
