//! What happened in each second of a run, by the time at which it was meant to happen.
//! Never: a latency from the moment of sending; whoever is late by itself must not look fast.

use std::sync::{Mutex, PoisonError};

use portcullis_model::{Clock, SystemClock};

/// An answer that takes longer is of no use to whoever waits for it.
pub(crate) const IN_TIME_MS: u64 = 250;
/// Whoever comes in later than that has given up.
pub(crate) const ARRIVED_MS: u64 = 2_000;

/// One second.
#[derive(Debug, Clone, Default)]
pub(crate) struct Second {
    /// Messages honest users were to send.
    pub(crate) due: u32,
    /// Those acknowledged in time.
    pub(crate) good: u32,
    /// How long acknowledgements took, in milliseconds.
    pub(crate) latencies_ms: Vec<u32>,
    /// Honest users who wanted to come in.
    pub(crate) wanted_in: u32,
    /// Those who were in time.
    pub(crate) came_in: u32,
    /// Connections of honest users that were lost.
    pub(crate) lost: u32,
    /// What attackers were to try.
    pub(crate) offered: u32,
    /// What of it the generator had no hands for.
    pub(crate) held_back: u32,
    /// What of it succeeded.
    pub(crate) let_in: u32,
    /// Processor time of the server, in percent of one.
    pub(crate) processor: f64,
    /// Its resident memory, in MiB.
    pub(crate) resident_mib: f64,
    /// Its state: 0 normal to 3 critical; none where it has none.
    pub(crate) state: Option<u8>,
    /// How late the honest were by themselves at most, in milliseconds.
    pub(crate) late_ms: u64,
}

/// A run.
pub(crate) struct Timeline {
    clock: SystemClock,
    seconds: Mutex<Vec<Second>>,
}

impl Timeline {
    pub(crate) fn new(seconds: usize) -> Self {
        let seconds = Mutex::new(vec![Second::default(); seconds]);
        Self { clock: SystemClock::start(), seconds }
    }

    /// Milliseconds since the run began.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now().monotonic_ms
    }

    /// Notes something of the second that a moment lies in; what comes after the run is let go.
    pub(crate) fn note(&self, at_ms: u64, note: impl FnOnce(&mut Second)) {
        let index = usize::try_from(at_ms / 1_000).unwrap_or(usize::MAX);
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(second) = seconds.get_mut(index) {
            note(second);
        }
    }

    /// An acknowledgement of what was to be sent then.
    pub(crate) fn acknowledged(&self, due_ms: u64, right: bool) {
        let took_ms = self.now_ms().saturating_sub(due_ms);
        self.note(due_ms, |second| {
            second.latencies_ms.push(u32::try_from(took_ms).unwrap_or(u32::MAX));
            second.good += u32::from(right && took_ms <= IN_TIME_MS);
        });
    }

    /// Waits until then.
    pub(crate) async fn wait(&self, at_ms: u64) {
        let wait_ms = at_ms.saturating_sub(self.now_ms());
        if wait_ms > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(wait_ms)).await;
        }
    }

    /// Waits until then; notes how late the honest were by themselves.
    pub(crate) async fn until(&self, at_ms: u64) {
        self.wait(at_ms).await;
        let late_ms = self.now_ms().saturating_sub(at_ms);
        self.note(at_ms, |second| second.late_ms = second.late_ms.max(late_ms));
    }

    pub(crate) fn into_seconds(self) -> Vec<Second> {
        self.seconds.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What some seconds come to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Totals {
    /// Good messages of those due, in percent.
    pub(crate) goodput: f64,
    /// Who came in of those who wanted, in percent; none where nobody wanted.
    pub(crate) arrivals: Option<f64>,
    pub(crate) p50_ms: u32,
    pub(crate) p99_ms: u32,
    pub(crate) offered: u32,
    pub(crate) held_back: u32,
    pub(crate) let_in: u32,
    pub(crate) processor: f64,
    pub(crate) resident_mib: f64,
    pub(crate) late_ms: u64,
}

impl Totals {
    pub(crate) fn of(seconds: &[Second]) -> Self {
        let sum = |of: fn(&Second) -> u32| seconds.iter().map(of).sum::<u32>();
        let mut latencies: Vec<_> =
            seconds.iter().flat_map(|second| second.latencies_ms.iter().copied()).collect();
        latencies.sort_unstable();
        let at = |permille: usize| {
            let index = latencies.len().saturating_sub(1) * permille / 1_000;
            latencies.get(index).copied().unwrap_or_default()
        };
        let (wanted, came) = (sum(|second| second.wanted_in), sum(|second| second.came_in));
        let largest = |of: fn(&Second) -> f64| seconds.iter().map(of).fold(0.0, f64::max);
        Self {
            goodput: percent(sum(|second| second.good), sum(|second| second.due)),
            arrivals: (wanted > 0).then(|| percent(came, wanted)),
            p50_ms: at(500),
            p99_ms: at(990),
            offered: sum(|second| second.offered),
            held_back: sum(|second| second.held_back),
            let_in: sum(|second| second.let_in),
            processor: seconds.iter().map(|second| second.processor).sum::<f64>()
                / seconds.len().max(1) as f64,
            resident_mib: largest(|second| second.resident_mib),
            late_ms: seconds.iter().map(|second| second.late_ms).max().unwrap_or_default(),
        }
    }
}

fn percent(part: u32, of: u32) -> f64 {
    if of == 0 { 0.0 } else { f64::from(part) * 100.0 / f64::from(of) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_late_counts_for_the_second_it_was_meant_for() {
        let timeline = Timeline::new(2);
        timeline.note(0, |second| second.due += 2);
        timeline.acknowledged(0, true);
        timeline.acknowledged(0, false);
        timeline.note(5_000, |second| second.due += 1);
        let seconds = timeline.into_seconds();
        assert_eq!((seconds[0].due, seconds[0].good, seconds[0].latencies_ms.len()), (2, 1, 2));
        assert_eq!(seconds[1].due, 0, "the run was over");
    }

    #[test]
    fn totals() {
        let second = |good, latencies: &[u32], processor| Second {
            due: 4,
            good,
            latencies_ms: latencies.to_vec(),
            processor,
            resident_mib: processor,
            ..Second::default()
        };
        let totals = Totals::of(&[second(4, &[1, 2, 3, 9], 10.0), second(2, &[300, 5], 30.0)]);
        assert_eq!((totals.goodput, totals.arrivals), (75.0, None));
        assert_eq!((totals.p50_ms, totals.p99_ms), (3, 9));
        assert_eq!((totals.processor, totals.resident_mib), (20.0, 30.0));
        assert_eq!(Totals::of(&[]), Totals::default());
    }
}
