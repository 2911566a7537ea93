//! When a TLS handshake begins: one after the other, so that a burst keeps nobody else waiting.
//! Never: a wait for whoever comes alone, or a longer one than the burst that the limit allows.

use std::cell::Cell;

use portcullis_guard::TlsLane;

/// The next free moments of one thread, in microseconds since the process began.
#[derive(Debug, Default)]
pub(crate) struct TlsTurns {
    strangers_us: Cell<u64>,
    neighbours_us: Cell<u64>,
}

impl TlsTurns {
    /// Takes the next turn of a lane; gives how long it is until then, in milliseconds.
    ///
    /// `every_us` is how far turns lie apart at the fastest rate there may be.
    pub(crate) fn take(&self, lane: TlsLane, now_ms: u64, every_us: u64) -> u64 {
        let next = match lane {
            TlsLane::Strangers => &self.strangers_us,
            TlsLane::Neighbours => &self.neighbours_us,
        };
        let now_us = now_ms.saturating_mul(1_000);
        let turn_us = next.get().max(now_us);
        next.set(turn_us.saturating_add(every_us));
        (turn_us - now_us) / 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_alone_does_not_wait_and_a_burst_is_spread() {
        let turns = TlsTurns::default();
        let waits = |lane, now_ms, count| -> Vec<_> {
            (0..count).map(|_| turns.take(lane, now_ms, 2_500)).collect()
        };
        assert_eq!(waits(TlsLane::Strangers, 1_000, 5), [0, 2, 5, 7, 10]);
        // Those from where somebody is signed in do not stand behind them.
        assert_eq!(waits(TlsLane::Neighbours, 1_000, 2), [0, 2]);
        assert_eq!(waits(TlsLane::Strangers, 1_005, 1), [7]);
        assert_eq!(waits(TlsLane::Strangers, 2_000, 2), [0, 2]);
        assert_eq!((0..1_000).map(|_| turns.take(TlsLane::Strangers, 9_000, 1)).max(), Some(0));
    }
}
