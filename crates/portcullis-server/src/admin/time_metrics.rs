//! The times of handlers and deliveries: one set of histograms for each thread.
//! Never: a lock or an allocation where a time is recorded.

use std::fmt;
use std::sync::Arc;

use portcullis_model::{TimeCounts, TimeHistogram};
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

/// The times that one thread records.
#[derive(Debug, Default)]
pub(crate) struct ThreadTimes {
    /// Handlers of events.
    pub(crate) handlers: TimeHistogram,
    /// Handlers of HTTP routes.
    pub(crate) routes: TimeHistogram,
    /// Deliveries, recorded by the last thread that applies one.
    pub(crate) deliveries: TimeHistogram,
}

/// The times of all threads.
#[derive(Debug, Clone, Default)]
pub(crate) struct TimeMetrics(Arc<[ThreadTimes]>);

impl TimeMetrics {
    pub(crate) fn new(threads: usize) -> Self {
        Self((0..threads).map(|_| ThreadTimes::default()).collect())
    }

    /// The times that the thread with this index records.
    pub(crate) fn of_thread(&self, index: u16) -> Option<&ThreadTimes> {
        self.0.get(usize::from(index))
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        let handlers = [
            ("event", self.read(|times| &times.handlers)),
            ("route", self.read(|times| &times.routes)),
        ];
        registry.register(
            "handler_seconds",
            "Time from the start of a handler to its result",
            TimeFamily { label: Some("kind"), members: handlers.into() },
        );
        registry.register(
            "delivery_seconds",
            "Time from the acceptance of an event to the last outbox of its receivers",
            TimeFamily::single(self.read(|times| &times.deliveries)),
        );
    }

    /// The times of handlers of events, of all threads.
    pub(crate) fn handlers(&self) -> TimeCounts {
        self.read(|times| &times.handlers)()
    }

    fn read(&self, of: fn(&ThreadTimes) -> &TimeHistogram) -> TimeReader {
        let all = self.clone();
        Arc::new(move || {
            let threads = all.0.iter();
            threads.fold(TimeCounts::default(), |sum, times| sum.plus(&of(times).read()))
        })
    }
}

/// Reads the counts of durations that are kept elsewhere.
pub(crate) type TimeReader = Arc<dyn Fn() -> TimeCounts + Send + Sync>;

/// Histograms that are read when the metrics are; at most one label, whose values are fixed.
pub(crate) struct TimeFamily {
    label: Option<&'static str>,
    members: Vec<(&'static str, TimeReader)>,
}

impl TimeFamily {
    /// One histogram without a label.
    pub(crate) fn single(read: TimeReader) -> Self {
        Self { label: None, members: vec![("", read)] }
    }
}

impl fmt::Debug for TimeFamily {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TimeFamily").field("label", &self.label).finish_non_exhaustive()
    }
}

impl EncodeMetric for TimeFamily {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (value, read) in &self.members {
            let counts = read();
            match self.label {
                Some(label) => {
                    encode_times(&mut encoder.encode_family(&[(label, *value)])?, &counts)?
                }
                None => encode_times(&mut encoder, &counts)?,
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

fn encode_times(encoder: &mut MetricEncoder<'_>, counts: &TimeCounts) -> fmt::Result {
    let classes = counts.classes();
    encoder.encode_histogram::<NoLabelSet>(counts.sum_seconds(), counts.total(), &classes, None)
}
