//! Counts of durations in fixed classes, cheap enough for the path of a message.
//! Never: allocates, locks or waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the classes in microseconds; a last class has no bound.
const BOUNDS_US: [u64; 17] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];
const CLASSES: usize = BOUNDS_US.len() + 1;

/// Counts of durations. Each thread has one of its own, so that threads do not contend.
///
/// Memory: 256 bytes, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct TimeHistogram {
    counts: [AtomicU64; CLASSES],
    sum_ns: AtomicU64,
}

impl TimeHistogram {
    /// Counts one duration.
    pub fn record(&self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let class = BOUNDS_US.partition_point(|bound_us| bound_us * 1_000 < ns);
        if let Some(count) = self.counts.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// The counts so far.
    #[must_use]
    pub fn read(&self) -> TimeCounts {
        TimeCounts {
            counts: self.counts.each_ref().map(|count| count.load(Ordering::Relaxed)),
            sum_ns: self.sum_ns.load(Ordering::Relaxed),
        }
    }
}

/// The counts of one or several histograms.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TimeCounts {
    counts: [u64; CLASSES],
    sum_ns: u64,
}

impl TimeCounts {
    /// Adds the counts of another histogram.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.saturating_add(more);
        }
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self
    }

    /// The upper bound of each class in seconds with its own count; the last bound is infinite.
    #[must_use]
    pub fn classes(&self) -> [(f64, u64); CLASSES] {
        let mut bounds = BOUNDS_US.iter().map(|us| *us as f64 / 1_000_000.0);
        self.counts.map(|count| (bounds.next().unwrap_or(f64::INFINITY), count))
    }

    /// The number of durations.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of the durations, in seconds.
    #[must_use]
    pub fn sum_seconds(&self) -> f64 {
        self.sum_ns as f64 / 1_000_000_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_is_counted_in_the_first_class_that_includes_it() {
        let cases = [
            (Duration::ZERO, 0.000_05),
            (Duration::from_micros(50), 0.000_05),
            (Duration::from_nanos(50_001), 0.000_1),
            (Duration::from_millis(1), 0.001),
            (Duration::from_secs(10), 10.0),
            (Duration::from_secs(11), f64::INFINITY),
            (Duration::MAX, f64::INFINITY),
        ];
        for (time, bound) in cases {
            let histogram = TimeHistogram::default();
            histogram.record(time);
            let classes = histogram.read().classes();
            let counted: Vec<_> = classes.iter().filter(|(_, count)| *count > 0).collect();
            assert_eq!(counted, [&(bound, 1)], "{time:?}");
        }
    }

    #[test]
    fn counts_of_several_threads_add_up() {
        let each = [TimeHistogram::default(), TimeHistogram::default()];
        each.iter().for_each(|of_thread| of_thread.record(Duration::from_millis(500)));
        let all =
            each.iter().fold(TimeCounts::default(), |sum, of_thread| sum.plus(&of_thread.read()));
        assert_eq!((all.total(), all.sum_seconds()), (2, 1.0));
    }
}
