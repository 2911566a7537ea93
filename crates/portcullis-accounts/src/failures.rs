//! How often a name was tried in vain before it was right, for whoever reads the security log.
//! Never: a decision; the gate counts what it decides by.

use std::collections::HashMap;

use parking_lot::Mutex;
use portcullis_model::Now;

/// Names remembered; about 100 bytes each.
const NAMES_MAX: usize = 16_384;
/// How long a failure is remembered.
const KEPT_MS: u64 = 60 * 60 * 1000;
/// From so many on a success is worth a record of its own.
pub(crate) const NOTABLE: u32 = 5;

/// Failed log-ins by name, in the order of their last one only roughly.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    names: Mutex<HashMap<String, (u32, u64)>>,
}

impl Failures {
    /// Counts one more. When the table is full of what is recent, a new name is not counted.
    pub(crate) fn count(&self, name: &str, now: Now) {
        let mut names = self.names.lock();
        if names.len() >= NAMES_MAX && !names.contains_key(name) {
            names.retain(|_, (_, last_ms)| now.monotonic_ms.saturating_sub(*last_ms) < KEPT_MS);
            if names.len() >= NAMES_MAX {
                return;
            }
        }
        let entry = names.entry(String::from(name)).or_insert((0, 0));
        *entry = (entry.0.saturating_add(1), now.monotonic_ms);
    }

    /// Forgets a name that was right; gives how often it had been wrong lately.
    pub(crate) fn settle(&self, name: &str, now: Now) -> u32 {
        match self.names.lock().remove(name) {
            Some((count, last_ms)) if now.monotonic_ms.saturating_sub(last_ms) < KEPT_MS => count,
            Some(_) | None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_by_name_and_forgotten() {
        let at = |monotonic_ms| Now { monotonic_ms, unix_ms: 0 };
        let failures = Failures::default();
        for _ in 0..7 {
            failures.count("ann", at(1));
        }
        assert_eq!(failures.settle("bob", at(2)), 0);
        assert_eq!(failures.settle("ann", at(2)), 7);
        assert_eq!(failures.settle("ann", at(2)), 0);
        failures.count("ann", at(1));
        assert_eq!(failures.settle("ann", at(1 + KEPT_MS)), 0, "long ago");
        for number in 0..NAMES_MAX + 10 {
            failures.count(&number.to_string(), at(5));
        }
        assert_eq!(failures.names.lock().len(), NAMES_MAX);
        failures.count("late", at(5 + KEPT_MS));
        assert_eq!(failures.settle("late", at(5 + KEPT_MS)), 1);
    }
}
