//! When a TLS handshake begins: one after the other, so that a burst keeps nobody else waiting.
//! Never: a wait for whoever comes alone, or one longer than a second.

use std::cell::Cell;

use portcullis_guard::TlsClass;

/// Longest wait for a turn; whoever would wait longer is turned away.
const WAIT_MAX_MS: u64 = 1_000;

/// The next free moments of one thread, in microseconds since the process began.
#[derive(Debug, Default)]
pub(crate) struct TlsSchedule {
    neighbours_us: Cell<u64>,
    fresh_us: Cell<u64>,
    often_us: Cell<u64>,
}

impl TlsSchedule {
    /// Takes the next turn of a lane; gives how long it is until then, in milliseconds. None where
    /// that is too long; nothing is taken then.
    ///
    /// `every_us` is how far turns lie apart at the fastest rate there may be.
    pub(crate) fn take(&self, lane: TlsClass, now_ms: u64, every_us: u64) -> Option<u64> {
        let next = match lane {
            TlsClass::UserAddress => &self.neighbours_us,
            TlsClass::Infrequent => &self.fresh_us,
            TlsClass::Frequent => &self.often_us,
        };
        let now_us = now_ms.saturating_mul(1_000);
        let turn_us = next.get().max(now_us);
        let wait_ms = (turn_us - now_us) / 1_000;
        if every_us > 0 && wait_ms > WAIT_MAX_MS {
            return None;
        }
        next.set(turn_us.saturating_add(every_us));
        Some(if every_us > 0 { wait_ms } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_alone_does_not_wait_and_a_burst_is_spread() {
        let turns = TlsSchedule::default();
        let waits = |lane, now_ms, count| -> Vec<_> {
            (0..count).filter_map(|_| turns.take(lane, now_ms, 2_500)).collect()
        };
        assert_eq!(waits(TlsClass::Frequent, 1_000, 5), [0, 2, 5, 7, 10]);
        // Those from where somebody is signed in do not stand behind them.
        assert_eq!(waits(TlsClass::UserAddress, 1_000, 2), [0, 2]);
        assert_eq!(waits(TlsClass::Frequent, 1_005, 1), [7]);
        assert_eq!(waits(TlsClass::Frequent, 2_000, 2), [0, 2]);
        assert_eq!((0..999).map(|_| turns.take(TlsClass::Frequent, 9_000, 1)).max(), Some(Some(0)));
    }

    #[test]
    fn nobody_waits_longer_than_a_second_and_nobody_where_nothing_is_limited() {
        let turns = TlsSchedule::default();
        let take = |now_ms, every_us| turns.take(TlsClass::Frequent, now_ms, every_us);
        let waits: Vec<_> = (0..5_000).filter_map(|_| take(1_000, 2_000)).collect();
        assert_eq!((waits.len(), waits.last()), (501, Some(&1_000)));
        // Those who were turned away have not taken a turn from anybody.
        assert_eq!(take(2_000, 2_000), Some(2));
        assert!((0..5_000).all(|_| take(2_000, 0) == Some(0)));
    }
}
