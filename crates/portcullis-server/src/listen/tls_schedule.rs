//! The start times of TLS handshakes: spread, so that a burst does not delay other clients.
//! Never: a wait for a single handshake, or one longer than a second.

use std::cell::Cell;

use portcullis_guard::TlsClass;

/// The longest wait; a client that would wait longer is rejected.
const WAIT_MAX_MS: u64 = 1_000;

/// The next free start time of each rate class, in microseconds of the monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct TlsSchedule {
    user_address_us: Cell<u64>,
    infrequent_us: Cell<u64>,
    frequent_us: Cell<u64>,
}

impl TlsSchedule {
    /// Takes the next start time of a rate class. Returns the wait in milliseconds. When the wait
    /// is too long, returns `None` and takes no start time.
    ///
    /// `interval_us` is the shortest interval between two handshakes.
    pub(crate) fn take(&self, class: TlsClass, now_ms: u64, interval_us: u64) -> Option<u64> {
        let next = match class {
            TlsClass::UserAddress => &self.user_address_us,
            TlsClass::Infrequent => &self.infrequent_us,
            TlsClass::Frequent => &self.frequent_us,
        };
        let now_us = now_ms.saturating_mul(1_000);
        let start_us = next.get().max(now_us);
        let wait_ms = (start_us - now_us) / 1_000;
        if interval_us > 0 && wait_ms > WAIT_MAX_MS {
            return None;
        }
        next.set(start_us.saturating_add(interval_us));
        Some(if interval_us > 0 { wait_ms } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_handshake_does_not_wait_and_burst_is_spread() {
        let schedule = TlsSchedule::default();
        let waits = |class, now_ms, count| -> Vec<_> {
            (0..count).filter_map(|_| schedule.take(class, now_ms, 2_500)).collect()
        };
        assert_eq!(waits(TlsClass::Frequent, 1_000, 5), [0, 2, 5, 7, 10]);
        // Handshakes from addresses of users have their own schedule.
        assert_eq!(waits(TlsClass::UserAddress, 1_000, 2), [0, 2]);
        assert_eq!(waits(TlsClass::Frequent, 1_005, 1), [7]);
        assert_eq!(waits(TlsClass::Frequent, 2_000, 2), [0, 2]);
        assert_eq!(
            (0..999).map(|_| schedule.take(TlsClass::Frequent, 9_000, 1)).max(),
            Some(Some(0))
        );
    }

    #[test]
    fn wait_is_at_most_a_second_and_zero_without_a_limit() {
        let schedule = TlsSchedule::default();
        let take = |now_ms, interval_us| schedule.take(TlsClass::Frequent, now_ms, interval_us);
        let waits: Vec<_> = (0..5_000).filter_map(|_| take(1_000, 2_000)).collect();
        assert_eq!((waits.len(), waits.last()), (501, Some(&1_000)));
        // Rejected handshakes have taken no start time.
        assert_eq!(take(2_000, 2_000), Some(2));
        assert!((0..5_000).all(|_| take(2_000, 0) == Some(0)));
    }
}
