//! The minimum receive rate: how long the server waits for a peer's data.
//! Never: a clock; times and byte counts are passed in.

use std::pin::pin;
use std::time::Duration;

use portcullis_model::Now;
use tokio::time::timeout;

use crate::setup::options::Options;

/// The shortest timer: the sockets are polled before it fires.
const LAST_POLL: Duration = Duration::from_millis(1);

/// The rate at which one head, body or handshake has to arrive.
///
/// The bytes since the first one have to match the time after the grace period. So a slow sender
/// is rejected soon, and a client with an unstable line is not. Bytes that arrived while the server
/// was busy count, however late they are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReceiveRate {
    until_ms: u64,
    /// The start of the minimum rate; before it, only the deadline applies.
    since_ms: Option<u64>,
    grace_ms: u64,
    min_bytes_per_s: u64,
}

/// Why the server stops waiting for a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReceiveTimeout {
    /// The time is up.
    Deadline,
    /// The peer was too slow.
    Slow,
}

impl ReceiveRate {
    /// The rate applies from the first byte on.
    pub(crate) fn from_first_byte(options: &Options, now: Now) -> Self {
        Self {
            until_ms: now.monotonic_ms.saturating_add(options.handshake_timeout_ms),
            since_ms: None,
            grace_ms: options.receive_grace_ms,
            min_bytes_per_s: options.receive_min_bytes_per_s.max(1),
        }
    }

    /// The rate applies from now on.
    pub(crate) fn from_now(options: &Options, now: Now) -> Self {
        Self { since_ms: Some(now.monotonic_ms), ..Self::from_first_byte(options, now) }
    }

    /// Sets another deadline, from now on.
    pub(crate) fn within(self, timeout_ms: u64, now: Now) -> Self {
        Self { until_ms: now.monotonic_ms.saturating_add(timeout_ms), ..self }
    }

    /// The time to wait for further bytes, and the reason when that time is over.
    pub(crate) fn wait(&mut self, bytes: usize, now: Now) -> (Duration, ReceiveTimeout) {
        let now_ms = now.monotonic_ms;
        if bytes > 0 {
            self.since_ms = self.since_ms.or(Some(now_ms));
        }
        let earned_ms = (bytes as u64).saturating_mul(1_000) / self.min_bytes_per_s;
        let slow_ms = self.since_ms.map_or(u64::MAX, |since_ms| {
            since_ms.saturating_add(self.grace_ms).saturating_add(earned_ms)
        });
        let (due_ms, late) = if slow_ms < self.until_ms {
            (slow_ms, ReceiveTimeout::Slow)
        } else {
            (self.until_ms, ReceiveTimeout::Deadline)
        };
        (Duration::from_millis(due_ms.saturating_sub(now_ms)), late)
    }
}

/// Waits for the data of a peer, and polls once more when the time is up.
///
/// In a process that was delayed, timers may fire before the sockets are polled.
pub(crate) async fn in_time<F: Future>(wait: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    match timeout(wait, &mut future).await {
        Ok(outcome) => Some(outcome),
        Err(_elapsed) => timeout(LAST_POLL, future).await.ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(monotonic_ms: u64) -> Now {
        Now { monotonic_ms, ..Now::default() }
    }

    /// Checks steps: elapsed time, received bytes, expected wait, and its reason.
    fn check(start: fn(&Options, Now) -> ReceiveRate, steps: &[(u64, usize, u64, ReceiveTimeout)]) {
        let mut rate = start(&Options::default(), at(50_000));
        for (after_ms, bytes, wait_ms, late) in steps {
            let outcome = rate.wait(*bytes, at(50_000 + after_ms));
            assert_eq!(outcome, (Duration::from_millis(*wait_ms), *late), "{after_ms}: {bytes}");
        }
    }

    #[test]
    fn t_240_t_242_slow_sender_is_rejected_before_the_deadline() {
        use ReceiveTimeout::{Deadline, Slow};
        // A hundred bytes a second.
        let slow = [
            (0, 0, 2_000, Slow),
            (1_000, 100, 1_200, Slow),
            (2_000, 200, 400, Slow),
            (2_400, 240, 80, Slow),
            (2_500, 250, 0, Slow),
        ];
        check(ReceiveRate::from_now, &slow);
        // Before the first byte of a peer, only the deadline applies.
        let late = [
            (0, 0, 10_000, Deadline),
            (7_000, 0, 3_000, Deadline),
            (7_500, 1, 2_002, Slow),
            (9_600, 1, 0, Slow),
        ];
        check(ReceiveRate::from_first_byte, &late);
        // Fast enough until the deadline.
        let steady = [
            (1_000, 500, 2_000, Slow),
            (6_000, 3_000, 2_000, Slow),
            (9_000, 4_500, 1_000, Deadline),
            (10_000, 5_000, 0, Deadline),
        ];
        check(ReceiveRate::from_now, &steady);
        // A large count does not overflow.
        check(ReceiveRate::from_now, &[(0, usize::MAX, 10_000, Deadline)]);
    }
}
