//! Metrics of the product, read when the metrics are.
//! Never: a label that a client can choose; the product names all values before the start.

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::admin::time_metrics::{TimeFamily, TimeReader};

/// The value of a gauge.
pub(crate) type GaugeReader = Arc<dyn Fn() -> i64 + Send + Sync>;
/// Counters by the value of their label.
pub(crate) type CountsReader = Arc<dyn Fn() -> Vec<(&'static str, u64)> + Send + Sync>;

/// A metric of the product.
pub(crate) struct Measure {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) read: MeasureReader,
}

/// The type of a metric of the product.
#[derive(Clone)]
pub(crate) enum MeasureReader {
    Gauge(GaugeReader),
    Counts { label: &'static str, read: CountsReader },
    Times(TimeReader),
}

impl Measure {
    pub(crate) fn register(&self, registry: &mut Registry) {
        match self.read.clone() {
            MeasureReader::Gauge(read) => {
                registry.register(self.name, self.help, ReadGauge(read));
            }
            MeasureReader::Counts { label, read } => {
                registry.register(self.name, self.help, ReadCounts { label, read });
            }
            MeasureReader::Times(read) => {
                registry.register(self.name, self.help, TimeFamily::single(read));
            }
        }
    }
}

struct ReadGauge(GaugeReader);

impl fmt::Debug for ReadGauge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ReadGauge")
    }
}

impl EncodeMetric for ReadGauge {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encoder.encode_gauge(&(self.0)())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

struct ReadCounts {
    label: &'static str,
    read: CountsReader,
}

impl fmt::Debug for ReadCounts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ReadCounts").field("label", &self.label).finish_non_exhaustive()
    }
}

impl EncodeMetric for ReadCounts {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (value, count) in (self.read)() {
            let labels = [(self.label, value)];
            encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}
