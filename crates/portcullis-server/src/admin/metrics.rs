//! Counters and gauges, with labels from our own fixed words only.
//! Never: a label a peer can choose.

use std::sync::atomic::AtomicU64;

use portcullis_audit::{AuditCounts, LogState};
use portcullis_guard::{CapacityCounts, Gate, LoadSignal, ShareUse, TableUse};
use portcullis_model::{Limit, LimitKey, Now};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::load::admission_queue::QueueCount;
use crate::setup::registered::{Measure, QueueReport};

/// The rule that refused: one series for each, so their number is fixed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RuleLabel {
    rule: &'static str,
    code: &'static str,
    /// What a limit counts by; empty for every other rule.
    key: &'static str,
}

/// One of the operator's limits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct LimitLabel {
    limit: &'static str,
}

/// What the load is measured by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct SignalLabel {
    signal: &'static str,
}

/// Where people wait.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RoomLabel {
    room: &'static str,
}

/// Places that are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct PoolLabel {
    pool: &'static str,
}

/// A table of buckets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TableLabel {
    table: &'static str,
}

/// A reason why a table takes no further entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TableRejectionLabel {
    table: &'static str,
    reason: &'static str,
}

/// How the security log's file does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StateLabel {
    state: &'static str,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct QueueLabel {
    queue: &'static str,
}

/// What [`Metrics::draining`] says in the place of a state.
const DRAINING: i64 = 4;

/// Everything counted, shared by the shards.
#[derive(Default)]
pub(crate) struct Metrics {
    registry: Registry,
    refusals: Family<RuleLabel, Counter>,
    would_refuse: Family<LimitLabel, Counter>,
    pub(crate) connections_open: Gauge,
    /// Sockets of connections that have ended and whose peers may still read why.
    pub(crate) closing: Gauge,
    /// TCP connections that are not sockets yet.
    pub(crate) http_open: Gauge,
    pub(crate) accept_failures: Counter,
    load_state: Gauge,
    load_measured: Gauge,
    load_pinned: Gauge,
    load_signals: Family<SignalLabel, Gauge<f64, AtomicU64>>,
    known_level: Gauge,
    waiting: Family<RoomLabel, Gauge>,
    waiting_max: Family<RoomLabel, Gauge>,
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
    /// In the order of [`Measure`]s.
    measures: Vec<Gauge>,
}

impl Metrics {
    pub(crate) fn new(measures: &[Measure]) -> Self {
        let mut registry = Registry::with_prefix("portcullis");
        let mut metrics = Self::default();
        for measure in measures {
            let gauge = Gauge::default();
            registry.register(measure.name, measure.help, gauge.clone());
            metrics.measures.push(gauge);
        }
        metrics.register_traffic(&mut registry);
        metrics.register_load(&mut registry);
        metrics.register_log(&mut registry);
        Self { registry, ..metrics }
    }

    fn register_traffic(&self, registry: &mut Registry) {
        registry.register("refusals", "Refusals by rule", self.refusals.clone());
        registry.register(
            "connections_open",
            "Open real-time connections",
            self.connections_open.clone(),
        );
        registry.register(
            "closing",
            "Sockets of connections that have ended, until their peers have read why",
            self.closing.clone(),
        );
        registry.register(
            "http_open",
            "TCP connections that are not real-time connections yet",
            self.http_open.clone(),
        );
        registry.register(
            "accept_failures",
            "Attempts to accept a connection that failed, mostly for want of a file",
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
            "What observed limits would have refused, by limit",
            self.would_refuse.clone(),
        );
        registry.register(
            "load_state",
            "How hard-pressed it is: 0 normal, 1 elevated, 2 shedding, 3 critical; 4 it drains",
            self.load_state.clone(),
        );
        registry.register(
            "load_measured",
            "The same as it was measured, whatever the operator has pinned",
            self.load_measured.clone(),
        );
        registry.register(
            "load_pinned",
            "Whether the operator has pinned a state: 1, or 0",
            self.load_pinned.clone(),
        );
        registry.register(
            "load_signals",
            "What that is measured by: milliseconds, percent, refusals a second",
            self.load_signals.clone(),
        );
        registry.register(
            "known_level",
            "How fast those come in who have been here before, in thousandths of connect_total",
            self.known_level.clone(),
        );
        registry.register(
            "waiting",
            "How many wait for a place: a connection, or a log-in",
            self.waiting.clone(),
        );
        registry.register("waiting_max", "How many may wait", self.waiting_max.clone());
        registry.register("queue", "How many wait in a queue", self.queue.clone());
        registry.register("queue_max", "How many may", self.queue_max.clone());
        self.register_places(registry);
    }

    fn register_places(&self, registry: &mut Registry) {
        registry.register("slots_pre_auth", "Slots used before CONNECT", self.pre_auth.clone());
        registry.register(
            "slots_authenticated",
            "Slots used by signed-in connections",
            self.authenticated.clone(),
        );
        registry.register(
            "slots_max",
            "How many there are, by pool; of http, on each thread",
            self.slots_max.clone(),
        );
        registry.register(
            "rate_buckets",
            "Buckets of limits that are not empty, by table; a full table refuses newcomers",
            self.rate_buckets.clone(),
        );
        registry.register("rate_buckets_max", "How many fit", self.rate_buckets_max.clone());
        registry.register(
            "table_entries",
            "Users, rooms, memberships and sessions in memory, by table",
            self.table_entries.clone(),
        );
        registry.register(
            "table_entries_max",
            "Entries from which on new ones are rejected, by table",
            self.table_entries_max.clone(),
        );
        registry.register(
            "table_rejections",
            "Entries rejected because a share of the table, or the table, was full",
            self.table_rejections.clone(),
        );
    }

    fn register_log(&self, registry: &mut Registry) {
        registry.register("log_written", "Security records written", self.log_written.clone());
        registry.register(
            "log_sampled",
            "Security records that a summary stands for",
            self.log_sampled.clone(),
        );
        registry.register(
            "log_lost",
            "Security records that are not in the file: their queue was full",
            self.log_lost.clone(),
        );
        registry.register(
            "log_stdout_lost",
            "Lines of the security log that standard output did not take",
            self.log_stdout_lost.clone(),
        );
        registry.register(
            "log_state",
            "How the security log's file does: 1 at the state in force",
            self.log_state.clone(),
        );
        registry.register(
            "log_reserve_bytes",
            "Bytes set aside on the disk for records of operations",
            self.log_reserve.clone(),
        );
    }

    /// Counts one refusal.
    pub(crate) fn count_rejection(
        &self,
        rule: &'static str,
        code: &'static str,
        limit: Option<LimitKey>,
    ) {
        let key = limit.map_or("", LimitKey::name);
        self.refusals.get_or_create(&RuleLabel { rule, code, key }).inc();
    }

    /// Takes over how hard-pressed the server is.
    pub(crate) fn set_load(
        &self,
        gate: &Gate,
        values: [f64; LoadSignal::ALL.len()],
        queues: &[QueueCount],
    ) {
        for QueueCount { queue: room, now, max } in queues {
            self.waiting.get_or_create(&RoomLabel { room }).set(*now as i64);
            self.waiting_max.get_or_create(&RoomLabel { room }).set(*max as i64);
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

    /// Says that the server drains, whatever was measured.
    pub(crate) fn draining(&self) {
        self.load_state.set(DRAINING);
    }

    /// Takes over how full the tables of identity state are.
    pub(crate) fn tables(&self, tables: &[ShareUse]) {
        for ShareUse { table, used, max, share_full, table_full, .. } in tables {
            self.table_entries.get_or_create(&TableLabel { table }).set(*used as i64);
            self.table_entries_max.get_or_create(&TableLabel { table }).set(*max as i64);
            for (reason, count) in [("share", *share_full), ("table", *table_full)] {
                let label = TableRejectionLabel { table, reason };
                follow(&self.table_rejections.get_or_create(&label), count);
            }
        }
    }

    /// Takes over how long each queue of the product's is.
    pub(crate) fn queued(&self, queues: &[QueueReport]) {
        for queue in queues {
            self.queue_is(queue.name, (queue.read)());
        }
    }

    /// Takes over the numbers of the product's.
    pub(crate) fn measured(&self, measures: &[Measure]) {
        for (gauge, measure) in self.measures.iter().zip(measures) {
            gauge.set((measure.read)());
        }
    }

    pub(crate) fn queue_is(&self, queue: &'static str, (waiting, most): (usize, usize)) {
        self.queue.get_or_create(&QueueLabel { queue }).set(waiting as i64);
        self.queue_max.get_or_create(&QueueLabel { queue }).set(most as i64);
    }

    /// Takes over how many places there are, and how full the tables of buckets are.
    pub(crate) fn places(&self, gate: &Gate, http_max: usize, now: Now) {
        let places = gate.options().capacity;
        let pools = [
            ("total", i64::from(places.total)),
            ("pre_auth", i64::from(gate.limits().pre_auth_max())),
            ("admin_reserve", i64::from(places.admin_reserve)),
            ("http", http_max as i64),
        ];
        for (pool, most) in pools {
            self.slots_max.get_or_create(&PoolLabel { pool }).set(most);
        }
        for TableUse { table, used, max } in gate.directory().tables() {
            self.table_entries.get_or_create(&TableLabel { table }).set(used as i64);
            self.table_entries_max.get_or_create(&TableLabel { table }).set(max as i64);
        }
        for TableUse { table, used, max } in gate.limits().rate_tables(now) {
            self.rate_buckets.get_or_create(&TableLabel { table }).set(used as i64);
            self.rate_buckets_max.get_or_create(&TableLabel { table }).set(max as i64);
        }
    }

    /// Takes over what observed limits would have refused so far.
    pub(crate) fn observed(&self, counts: &[(Limit, u64)]) {
        for (limit, count) in counts.iter().filter(|(_, count)| *count > 0) {
            let label = LimitLabel { limit: limit.name() };
            follow(&self.would_refuse.get_or_create(&label), *count);
        }
    }

    /// Everything as OpenMetrics text.
    pub(crate) fn text(&self, slots: CapacityCounts, log: AuditCounts) -> String {
        self.pre_auth.set(i64::from(slots.pre_auth));
        self.authenticated.set(i64::from(slots.authenticated));
        self.queue_is("log", log.waiting);
        follow(&self.log_written, log.written);
        follow(&self.log_sampled, log.sampled);
        follow(&self.log_lost, log.lost);
        follow(&self.log_stdout_lost, log.stdout_lost);
        self.log_reserve.set(log.reserve_bytes as i64);
        for state in LogState::ALL {
            let label = StateLabel { state: state.name() };
            self.log_state.get_or_create(&label).set(i64::from(state == log.state));
        }
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            text.clear();
        }
        text
    }
}

/// Takes over what is counted elsewhere.
fn follow(counter: &Counter, count: u64) {
    counter.inc_by(count.saturating_sub(counter.get()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_use_and_rejections_are_in_the_text() {
        let metrics = Metrics::new(&[]);
        metrics.tables(&[ShareUse {
            table: "ticket_uses",
            used: 3,
            max: 9,
            share_full: 2,
            table_full: 0,
            rejected_owner: Some(String::from("a user is no label")),
        }]);
        let text = metrics.text(CapacityCounts::default(), AuditCounts::default());
        for line in [
            "portcullis_table_entries{table=\"ticket_uses\"} 3",
            "portcullis_table_entries_max{table=\"ticket_uses\"} 9",
            "portcullis_table_rejections_total{table=\"ticket_uses\",reason=\"share\"} 2",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(!text.contains("a user"));
    }

    #[test]
    fn text_ends_as_open_metrics_does() {
        let measures = [Measure { name: "answer", help: "A number", read: Box::new(|| 42) }];
        let metrics = Metrics::new(&measures);
        metrics.measured(&measures);
        metrics.count_rejection("origin_rejected", "forbidden_origin", None);
        metrics.count_rejection("connect_per_prefix", "rate_limited", Some(LimitKey::Prefix));
        let text =
            metrics.text(CapacityCounts { pre_auth: 1, authenticated: 2 }, AuditCounts::default());
        assert!(text.contains("portcullis_refusals_total{rule=\"origin_rejected\""), "{text}");
        assert!(text.contains("portcullis_answer 42\n"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}
