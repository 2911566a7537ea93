//! Counters and gauges in OpenMetrics text.
//! Never: a label that a client can choose; every label value is a fixed word.

use std::sync::atomic::AtomicU64;

use portcullis_audit::{AuditCounts, LogState};
use portcullis_guard::{CapacityCounts, Gate, LoadSignal, ShareUse, TableUse};
use portcullis_model::{Limit, LimitKey, Now};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::admin::alert_metrics::AlertMetrics;
use crate::admin::metric_labels::{
    LimitLabel, PoolLabel, QueueLabel, ReportLabel, ReportOutcome, RuleLabel, SignalLabel,
    StateLabel, TableLabel, TableRejectionLabel, WaitingLabel,
};
use crate::admin::process_metrics::{ProcessMetrics, register_build};
use crate::admin::product_metrics::Measure;
use crate::admin::time_metrics::TimeMetrics;
use crate::load::admission_queue::QueueCount;
use crate::setup::registered::QueueReport;

/// The value of `load_state` while the server drains; see [`Metrics::set_draining`].
const DRAINING: i64 = 4;

/// All metrics of a server, shared by its shards.
#[derive(Default)]
pub(crate) struct Metrics {
    registry: Registry,
    refusals: Family<RuleLabel, Counter>,
    reports: Family<ReportLabel, Counter>,
    would_refuse: Family<LimitLabel, Counter>,
    pub(crate) connections_open: Gauge,
    /// Sockets of ended connections whose peers may still read the close reason.
    pub(crate) closing: Gauge,
    /// TCP connections in the HTTP stage.
    pub(crate) http_open: Gauge,
    pub(crate) accept_failures: Counter,
    load_state: Gauge,
    load_measured: Gauge,
    load_pinned: Gauge,
    load_signals: Family<SignalLabel, Gauge<f64, AtomicU64>>,
    known_level: Gauge,
    waiting: Family<WaitingLabel, Gauge>,
    waiting_max: Family<WaitingLabel, Gauge>,
    slots_max: Family<PoolLabel, Gauge>,
    rate_buckets: Family<TableLabel, Gauge>,
    rate_buckets_max: Family<TableLabel, Gauge>,
    table_entries: Family<TableLabel, Gauge>,
    table_entries_max: Family<TableLabel, Gauge>,
    queue: Family<QueueLabel, Gauge>,
    queue_max: Family<QueueLabel, Gauge>,
    table_rejections: Family<TableRejectionLabel, Counter>,
    pub(crate) connections_total: Counter,
    pub(crate) messages_in: Counter,
    pub(crate) deliveries: Counter,
    pub(crate) http_requests: Counter,
    pre_auth: Gauge<i64>,
    authenticated: Gauge<i64>,
    log_written: Counter,
    log_sampled: Counter,
    log_lost: Counter,
    log_stdout_lost: Counter,
    log_state: Family<StateLabel, Gauge>,
    log_reserve: Gauge,
    pub(crate) alerts: AlertMetrics,
    pub(crate) times: TimeMetrics,
    process: ProcessMetrics,
    /// Names without the prefix of this server.
    standard: Registry,
}

impl Metrics {
    pub(crate) fn new(measures: &[Measure], shards: usize) -> Self {
        let mut registry = Registry::with_prefix("portcullis");
        let metrics = Self { times: TimeMetrics::new(shards), ..Self::default() };
        register_build(&mut registry, env!("CARGO_PKG_VERSION"));
        measures.iter().for_each(|measure| measure.register(&mut registry));
        metrics.register_traffic(&mut registry);
        metrics.register_load(&mut registry);
        metrics.register_log(&mut registry);
        metrics.times.register(&mut registry);
        for outcome in ReportOutcome::ALL {
            drop(metrics.reports.get_or_create(&ReportLabel { outcome: outcome.name() }));
        }
        let mut standard = Registry::default();
        metrics.process.register(&mut standard);
        Self { registry, standard, ..metrics }
    }

    fn register_traffic(&self, registry: &mut Registry) {
        registry.register("refusals", "Rejections by rule", self.refusals.clone());
        registry.register(
            "reports",
            "Reports of browsers about violated policies of pages, by outcome",
            self.reports.clone(),
        );
        registry.register(
            "connections_open",
            "Open real-time connections",
            self.connections_open.clone(),
        );
        registry.register(
            "closing",
            "Sockets of ended connections whose peers may still read the close reason",
            self.closing.clone(),
        );
        registry.register(
            "http_open",
            "TCP connections that are not real-time connections yet",
            self.http_open.clone(),
        );
        registry.register(
            "accept_failures",
            "Failed attempts to accept a connection, mostly because no file is free",
            self.accept_failures.clone(),
        );
        registry.register(
            "connections",
            "Real-time connections since the start",
            self.connections_total.clone(),
        );
        registry.register("messages", "Messages received", self.messages_in.clone());
        registry.register("deliveries", "Frames delivered", self.deliveries.clone());
        registry.register("http_requests", "HTTP requests", self.http_requests.clone());
    }

    fn register_load(&self, registry: &mut Registry) {
        registry.register(
            "would_refuse",
            "Requests that limits in observe mode would have rejected, by limit",
            self.would_refuse.clone(),
        );
        registry.register(
            "load_state",
            "Load level in force: 0 normal, 1 elevated, 2 shedding, 3 critical, 4 draining",
            self.load_state.clone(),
        );
        registry.register(
            "load_measured",
            "Measured load level, also while the operator pins another one",
            self.load_measured.clone(),
        );
        registry.register(
            "load_pinned",
            "1 while the operator pins a load level, otherwise 0",
            self.load_pinned.clone(),
        );
        registry.register(
            "load_signals",
            "Load signals: milliseconds, percent, rejections a second",
            self.load_signals.clone(),
        );
        registry.register(
            "known_level",
            "Admission rate of returning clients, in thousandths of connect_total",
            self.known_level.clone(),
        );
        registry.register(
            "waiting",
            "Connections and log-ins that wait for a slot, by admission queue",
            self.waiting.clone(),
        );
        registry.register(
            "waiting_max",
            "Capacity of each admission queue",
            self.waiting_max.clone(),
        );
        registry.register("queue", "Entries in each queue", self.queue.clone());
        registry.register("queue_max", "Capacity of each queue", self.queue_max.clone());
        self.register_slots(registry);
    }

    fn register_slots(&self, registry: &mut Registry) {
        registry.register("slots_pre_auth", "Slots used before CONNECT", self.pre_auth.clone());
        registry.register(
            "slots_authenticated",
            "Slots used by signed-in connections",
            self.authenticated.clone(),
        );
        registry.register(
            "slots_max",
            "Connection slots by pool; the pool http has that many on each thread",
            self.slots_max.clone(),
        );
        registry.register(
            "rate_buckets",
            "Rate buckets in use, by table; a full table rejects new clients",
            self.rate_buckets.clone(),
        );
        registry.register(
            "rate_buckets_max",
            "Capacity for rate buckets, by table",
            self.rate_buckets_max.clone(),
        );
        registry.register(
            "table_entries",
            "Entries of each table in memory",
            self.table_entries.clone(),
        );
        registry.register(
            "table_entries_max",
            "Capacity for entries, by table",
            self.table_entries_max.clone(),
        );
        registry.register(
            "table_rejections",
            "Entries rejected because the table, or a share of it, was full",
            self.table_rejections.clone(),
        );
    }

    fn register_log(&self, registry: &mut Registry) {
        self.alerts.register(registry);
        registry.register("log_written", "Security records written", self.log_written.clone());
        registry.register(
            "log_sampled",
            "Security records that a summary replaces",
            self.log_sampled.clone(),
        );
        registry.register(
            "log_lost",
            "Security records lost because their queue was full",
            self.log_lost.clone(),
        );
        registry.register(
            "log_stdout_lost",
            "Lines of the security log that standard output did not accept",
            self.log_stdout_lost.clone(),
        );
        registry.register(
            "log_state",
            "State of the security log's file: 1 for the current state",
            self.log_state.clone(),
        );
        registry.register(
            "log_reserve_bytes",
            "Bytes reserved on the disk for records of operations",
            self.log_reserve.clone(),
        );
    }

    /// Counts a rejection.
    pub(crate) fn count_rejection(
        &self,
        rule: &'static str,
        code: &'static str,
        limit: Option<LimitKey>,
    ) {
        let key = limit.map_or("", LimitKey::name);
        self.refusals.get_or_create(&RuleLabel { rule, code, key }).inc();
    }

    /// Counts a report of a browser.
    pub(crate) fn count_report(&self, outcome: ReportOutcome) {
        self.reports.get_or_create(&ReportLabel { outcome: outcome.name() }).inc();
    }

    /// Sets the load level, its signals and the admission queues.
    pub(crate) fn set_load(
        &self,
        gate: &Gate,
        values: [f64; LoadSignal::ALL.len()],
        queues: &[QueueCount],
    ) {
        for QueueCount { queue: room, now, max } in queues {
            self.waiting.get_or_create(&WaitingLabel { room }).set(*now as i64);
            self.waiting_max.get_or_create(&WaitingLabel { room }).set(*max as i64);
        }
        self.load_state.set(gate.load() as i64);
        self.load_measured.set(gate.limits().measured_load() as i64);
        self.load_pinned.set(i64::from(gate.limits().pinned_load().is_some()));
        self.known_level.set(i64::from(gate.limits().returning_permille()));
        for (signal, value) in LoadSignal::ALL.into_iter().zip(values) {
            let label = SignalLabel { signal: signal.name() };
            self.load_signals.get_or_create(&label).set(value);
        }
    }

    /// Sets the load level to draining.
    pub(crate) fn set_draining(&self) {
        self.load_state.set(DRAINING);
    }

    /// Sets the use of the tables of identity state.
    pub(crate) fn set_tables(&self, tables: &[ShareUse]) {
        for ShareUse { table, used, max, share_full, table_full, .. } in tables {
            self.set_table(table, (*used, *max));
            for (reason, count) in [("share", *share_full), ("table", *table_full)] {
                let label = TableRejectionLabel { table, reason };
                follow(&self.table_rejections.get_or_create(&label), count);
            }
        }
    }

    /// Sets the use of one table.
    pub(crate) fn set_table(&self, table: &'static str, (used, max): (usize, usize)) {
        self.table_entries.get_or_create(&TableLabel { table }).set(used as i64);
        self.table_entries_max.get_or_create(&TableLabel { table }).set(max as i64);
    }

    /// Sets the lengths of the product's queues.
    pub(crate) fn set_queues(&self, queues: &[QueueReport]) {
        for queue in queues {
            self.set_queue(queue.name, (queue.read)());
        }
    }

    pub(crate) fn set_queue(&self, queue: &'static str, (waiting, max): (usize, usize)) {
        self.queue.get_or_create(&QueueLabel { queue }).set(waiting as i64);
        self.queue_max.get_or_create(&QueueLabel { queue }).set(max as i64);
    }

    /// Sets the capacity of the slots, and the use of the tables of rate buckets.
    pub(crate) fn set_slots(&self, gate: &Gate, http_max: usize, now: Now) {
        let capacity = gate.options().capacity;
        let pools = [
            ("total", i64::from(capacity.total)),
            ("pre_auth", i64::from(gate.limits().pre_auth_max())),
            ("admin_reserve", i64::from(capacity.admin_reserve)),
            ("http", http_max as i64),
        ];
        for (pool, max) in pools {
            self.slots_max.get_or_create(&PoolLabel { pool }).set(max);
        }
        for TableUse { table, used, max } in gate.directory().tables() {
            self.set_table(table, (used, max));
        }
        self.set_table("blocks", gate.directory().blocks().count(now));
        for TableUse { table, used, max } in gate.limits().rate_tables(now) {
            self.rate_buckets.get_or_create(&TableLabel { table }).set(used as i64);
            self.rate_buckets_max.get_or_create(&TableLabel { table }).set(max as i64);
        }
    }

    /// Sets the counts of limits in observe mode.
    pub(crate) fn set_observed(&self, counts: &[(Limit, u64)]) {
        for (limit, count) in counts.iter().filter(|(_, count)| *count > 0) {
            let label = LimitLabel { limit: limit.name() };
            follow(&self.would_refuse.get_or_create(&label), *count);
        }
    }

    /// All metrics as OpenMetrics text.
    pub(crate) fn text(&self, slots: CapacityCounts, log: AuditCounts) -> String {
        self.pre_auth.set(i64::from(slots.pre_auth));
        self.authenticated.set(i64::from(slots.authenticated));
        self.set_queue("log", log.waiting);
        follow(&self.log_written, log.written);
        follow(&self.log_sampled, log.sampled);
        follow(&self.log_lost, log.lost);
        follow(&self.log_stdout_lost, log.stdout_lost);
        self.log_reserve.set(log.reserve_bytes as i64);
        for state in LogState::ALL {
            let label = StateLabel { state: state.name() };
            self.log_state.get_or_create(&label).set(i64::from(state == log.state));
        }
        self.process.set();
        let mut text = String::new();
        let encoded = encode_registry(&mut text, &self.registry)
            .and_then(|()| encode_registry(&mut text, &self.standard))
            .and_then(|()| encode_eof(&mut text));
        if encoded.is_err() {
            text.clear();
        }
        text
    }
}

/// Raises a counter to a count that is kept elsewhere.
pub(super) fn follow(counter: &Counter, count: u64) {
    counter.inc_by(count.saturating_sub(counter.get()));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::admin::product_metrics::MeasureReader;

    #[test]
    fn table_use_and_rejections_are_in_the_text() {
        let metrics = Metrics::new(&[], 1);
        metrics.set_tables(&[ShareUse {
            table: "ticket_uses",
            used: 3,
            max: 9,
            share_full: 2,
            table_full: 0,
            rejected_owner: Some(String::from("a user id")),
        }]);
        let text = metrics.text(CapacityCounts::default(), AuditCounts::default());
        for line in [
            "portcullis_table_entries{table=\"ticket_uses\"} 3",
            "portcullis_table_entries_max{table=\"ticket_uses\"} 9",
            "portcullis_table_rejections_total{table=\"ticket_uses\",reason=\"share\"} 2",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(!text.contains("a user"), "a user is not a label");
    }

    #[test]
    fn text_ends_with_the_open_metrics_marker() {
        let read = MeasureReader::Gauge(Arc::new(|| 42));
        let metrics = Metrics::new(&[Measure { name: "answer", help: "A number", read }], 1);
        metrics.count_rejection("origin_rejected", "forbidden_origin", None);
        metrics.count_rejection("connect_per_prefix", "rate_limited", Some(LimitKey::Prefix));
        let text =
            metrics.text(CapacityCounts { pre_auth: 1, authenticated: 2 }, AuditCounts::default());
        assert!(text.contains("portcullis_refusals_total{rule=\"origin_rejected\""), "{text}");
        assert!(text.contains("portcullis_answer 42\n"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}
