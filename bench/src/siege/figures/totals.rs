//! Totals of some seconds of a run.
//! Never: something that was not answered counted as fast, or something not read as zero.

use std::fmt;

use crate::siege::figures::tally::Tally;
use crate::siege::figures::timeline::{Arrival, FLOODS_MAX, Second};
use crate::siege::server::disk::Growth;

/// The latency of answers at one rank among all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Delay {
    /// Nothing was due.
    #[default]
    Nothing,
    /// So many microseconds.
    Took(u32),
    /// No answer within this wait, in milliseconds.
    Beyond(u32),
}

impl Delay {
    /// In milliseconds, if an answer arrived.
    pub(crate) fn took_ms(self) -> Option<f64> {
        match self {
            Self::Took(us) => Some(f64::from(us) / 1_000.0),
            Self::Nothing | Self::Beyond(_) => None,
        }
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("-"),
            Self::Took(us) => write!(f, "{:.1} ms", f64::from(*us) / 1_000.0),
            Self::Beyond(ms) => write!(f, "> {ms} ms"),
        }
    }
}

/// The totals of some seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Totals {
    /// Good messages of those due, in percent.
    pub(crate) goodput: f64,
    /// Messages stored at all of those due, in percent.
    pub(crate) stored: f64,
    /// Messages that were rejected, in percent of those due.
    pub(crate) refused: f64,
    /// Connected clients of those with an admission token who tried, in percent; `None` without
    /// attempts.
    pub(crate) arrivals: Option<f64>,
    /// The same of each kind, in the order of [`Arrival::ALL`].
    pub(crate) arrivals_by_kind: [Option<f64>; 3],
    pub(crate) p50: Delay,
    pub(crate) p90: Delay,
    pub(crate) p99: Delay,
    pub(crate) floods: [Tally; FLOODS_MAX],
    pub(crate) processor: Option<f64>,
    /// The most that was read.
    pub(crate) resident_mib: Option<f64>,
    pub(crate) passwords: Option<u32>,
    /// The growth of the data directory, and the largest growth in a second.
    pub(crate) growth: Option<Growth>,
    pub(crate) growth_max: Option<Growth>,
    pub(crate) late_ms: u64,
}

impl Totals {
    pub(crate) fn of(seconds: &[Second]) -> Self {
        let sum = |of: fn(&Second) -> u32| seconds.iter().map(of).sum::<u32>();
        let due = sum(|second| second.due);
        let stored = seconds.iter().map(|second| second.latencies_us.len()).sum::<usize>();
        let stored = u32::try_from(stored).unwrap_or(u32::MAX);
        let coming = |kinds: &[Arrival]| {
            let of = |second: &Second, kind: &Arrival| {
                second.coming.get(*kind as usize).copied().unwrap_or_default()
            };
            let all = || seconds.iter().flat_map(|it| kinds.iter().map(move |kind| of(it, kind)));
            let wanted: u32 = all().map(|coming| coming.wanted).sum();
            (wanted > 0).then(|| percent(all().map(|coming| coming.came).sum(), wanted))
        };
        let mut floods = [Tally::default(); FLOODS_MAX];
        for second in seconds {
            for (total, tally) in floods.iter_mut().zip(second.floods) {
                *total = total.and(tally);
            }
        }
        let read: Vec<_> = seconds.iter().filter_map(|second| second.processor).collect();
        let grown = || seconds.iter().filter_map(|second| second.growth);
        let resident = seconds.iter().filter_map(|second| second.resident_mib);
        Self {
            goodput: percent(sum(|second| second.good), due),
            stored: percent(stored, due),
            refused: percent(sum(|second| second.refused), due),
            arrivals: coming(&[Arrival::Returning, Arrival::Elsewhere]),
            arrivals_by_kind: Arrival::ALL.map(|kind| coming(&[kind])),
            p50: rank(seconds, 500),
            p90: rank(seconds, 900),
            p99: rank(seconds, 990),
            floods,
            processor: (!read.is_empty()).then(|| read.iter().sum::<f64>() / read.len() as f64),
            resident_mib: resident.reduce(f64::max),
            passwords: seconds.iter().filter_map(|second| second.passwords).max(),
            growth: grown().reduce(Growth::and),
            growth_max: grown().reduce(Growth::larger),
            late_ms: seconds.iter().map(|second| second.late_ms).max().unwrap_or_default(),
        }
    }
}

/// The delay at a rank; unanswered operations rank after all answered ones.
fn rank(seconds: &[Second], permille: usize) -> Delay {
    let mut answered: Vec<_> =
        seconds.iter().flat_map(|second| second.latencies_us.iter().copied()).collect();
    let missing = |second: &Second| {
        let seen = second.latencies_us.len() + second.refused as usize;
        (second.due as usize).saturating_sub(seen)
    };
    let all = answered.len() + seconds.iter().map(missing).sum::<usize>();
    if all == 0 {
        return Delay::Nothing;
    }
    answered.sort_unstable();
    // Rounded up: the slowest of a hundred is among a hundred, not among 101.
    let index = (all * permille).div_ceil(1_000).saturating_sub(1);
    answered.get(index).map_or_else(
        || {
            let waited = seconds.iter().filter(|second| missing(second) > 0);
            Delay::Beyond(waited.map(|second| second.waited_ms).min().unwrap_or_default())
        },
        |us| Delay::Took(*us),
    )
}

fn percent(part: u32, of: u32) -> f64 {
    if of == 0 { 0.0 } else { f64::from(part) * 100.0 / f64::from(of) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::siege::figures::timeline::Coming;

    fn second(due: u32, good: u32, latencies: &[u32]) -> Second {
        Second {
            due,
            good,
            latencies_us: latencies.to_vec(),
            waited_ms: 7_000,
            ..Second::default()
        }
    }

    #[test]
    fn totals() {
        let known = Coming { wanted: 2, came: 1 };
        let first = Second {
            processor: Some(10.0),
            resident_mib: Some(10.0),
            coming: [known, Coming { wanted: 2, came: 2 }, Coming { wanted: 1, came: 0 }],
            ..second(4, 4, &[1_000, 2_000, 3_000, 9_000])
        };
        let other = Second {
            processor: Some(30.0),
            resident_mib: Some(30.0),
            ..second(4, 2, &[300_000, 5_000, 4_000, 4_049])
        };
        let totals = Totals::of(&[first, other, Second::default()]);
        assert_eq!((totals.goodput, totals.stored), (75.0, 100.0));
        assert_eq!((totals.arrivals, totals.arrivals_by_kind[2]), (Some(75.0), Some(0.0)));
        assert_eq!(totals.p50, Delay::Took(4_000));
        assert_eq!((totals.p90, totals.p99), (Delay::Took(300_000), Delay::Took(300_000)));
        assert_eq!(totals.p99.to_string(), "300.0 ms");
        assert_eq!(Delay::Took(4_449).to_string(), "4.4 ms");
        assert_eq!((totals.processor, totals.resident_mib), (Some(20.0), Some(30.0)));
        assert_eq!(Totals::of(&[]), Totals::default());
    }

    #[test]
    fn unanswered_operation_is_slower_than_any_answer() {
        let totals = Totals::of(&[second(4, 3, &[1, 2, 3])]);
        assert_eq!((totals.p50, totals.p99), (Delay::Took(2), Delay::Beyond(7_000)));
        assert_eq!(totals.p99.to_string(), "> 7000 ms");
        assert_eq!(Totals::of(&[second(4, 0, &[])]).p50, Delay::Beyond(7_000));
        // A rejected message was answered, and is counted separately.
        let refused = Second { refused: 1, ..second(4, 3, &[1, 2, 3]) };
        let totals = Totals::of(&[refused]);
        assert_eq!((totals.p99, totals.refused), (Delay::Took(3), 25.0));
    }
}
