//! Metrics of the alert engine: open alerts, evaluated records, messages.
//! Never: a label that a client can choose.

use portcullis_audit::{AlertEngineCounts, AlertSeverity};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::admin::metrics::follow;

/// The urgency of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SeverityLabel {
    severity: &'static str,
}

/// The counts of the engine.
#[derive(Debug, Default)]
pub(crate) struct AlertMetrics {
    open: Family<SeverityLabel, Gauge>,
    evaluated: Counter,
    dropped: Counter,
    messages: Counter,
    rejected: Counter,
    restarts: Counter,
}

impl AlertMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("alerts_open", "Open alerts, by severity", self.open.clone());
        let counters = [
            ("alert_evaluations", "Records that alert rules evaluated", &self.evaluated),
            (
                "alert_notes_dropped",
                "Records that alert rules with a key did not see, because too many came at once",
                &self.dropped,
            ),
            ("alert_messages", "Alerts offered to channels", &self.messages),
            ("alert_rejected", "Alerts that a channel had no space for", &self.rejected),
            ("alert_engine_restarts", "Starts of the alert engine after a fault", &self.restarts),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
    }

    pub(crate) fn set(&self, counts: &AlertEngineCounts) {
        for (severity, open) in AlertSeverity::ALL.into_iter().zip(counts.open) {
            let label = SeverityLabel { severity: severity.name() };
            self.open.get_or_create(&label).set(open as i64);
        }
        follow(&self.evaluated, counts.evaluated);
        follow(&self.dropped, counts.dropped);
        follow(&self.messages, counts.messages);
        follow(&self.rejected, counts.rejected);
        follow(&self.restarts, counts.restarts);
    }
}
