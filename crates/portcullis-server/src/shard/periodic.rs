//! Tasks that run at intervals on the first shard: those of the product and of the limits.
//! Never: one run twice at the same time, or a run after the drain has started.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use portcullis_audit::Record;
use portcullis_guard::{Table, TableAlarm, TableLevel, TableUse};
use portcullis_model::{Code, Limit, Severity};

use crate::setup::task_health::BackgroundTask;
use crate::shard::load::load_loop;
use crate::shard::state::Shard;

/// The interval between two records of requests that limits in observe mode would have rejected.
const OBSERVE_MS: u64 = 1_000;
/// The interval between two samples of the tables; each one counts all buckets of limits.
const TABLES_MS: u64 = 5_000;

/// Starts all periodic tasks, on the first shard only.
pub(crate) fn start_periodic_tasks(shard: &Rc<Shard>) {
    if shard.index != 0 {
        return;
    }
    let start = |name, task: BackgroundTask| {
        tokio::task::spawn_local(Arc::clone(&shard.server.health).watch(name, task));
    };
    start("observed_limits", Box::pin(observe_loop(Rc::clone(shard))));
    start("tables", Box::pin(table_loop(Rc::clone(shard))));
    start("load", Box::pin(load_loop(Rc::clone(shard))));
    for (index, task) in shard.server.registered.periodic_tasks.iter().enumerate() {
        start(task.name, Box::pin(product_loop(Rc::clone(shard), index)));
    }
}

async fn product_loop(shard: Rc<Shard>, index: usize) {
    while let Some(task) = shard.server.registered.periodic_tasks.get(index) {
        if shard.drain.started.get() {
            return;
        }
        (task.run)(Arc::clone(&shard.services)).await;
        tokio::time::sleep(Duration::from_millis(task.interval_ms)).await;
    }
}

/// Records the requests that limits in observe mode would have rejected.
async fn observe_loop(shard: Rc<Shard>) {
    let mut before = shard.server.gate.limits().observed_rejections();
    while !shard.drain.started.get() {
        tokio::time::sleep(Duration::from_millis(OBSERVE_MS)).await;
        let counts = shard.server.gate.limits().observed_rejections();
        for ((limit, count), (_, earlier)) in counts.iter().zip(&before) {
            let more = count.saturating_sub(*earlier);
            if more > 0 {
                record_observed(&shard, *limit, more);
            }
        }
        shard.server.metrics.set_observed(&counts);
        before = counts;
    }
}

/// Records which tables are nearly full, and which party has the most entries in them.
async fn table_loop(shard: Rc<Shard>) {
    let mut alarm = TableAlarm::default();
    while !shard.drain.started.get() {
        let directory = shard.server.gate.directory();
        let rates = shard.server.gate.limits().rate_tables(shard.now());
        for (table, level) in alarm.sample(&[&directory.tables()[..], &rates].concat()) {
            record_table(&shard, table, level);
        }
        tokio::time::sleep(Duration::from_millis(TABLES_MS)).await;
    }
}

fn record_table(shard: &Shard, table: TableUse, level: TableLevel) {
    let mut record = Record::new(Code::TableNearlyFull);
    record.rule = table.table;
    (record.reason, record.severity) = match level {
        TableLevel::Normal => ("normal", Severity::Info),
        TableLevel::High => ("high", Severity::Warning),
        TableLevel::NearlyFull => ("nearly_full", Severity::Critical),
    };
    let of = Table::ALL.into_iter().find(|known| known.name() == table.table);
    let largest = of.and_then(|of| shard.server.gate.directory().largest_party(of));
    let (used, max) = (table.used, table.max);
    let mut detail = format!("{used} of {max} entries");
    if let Some((party, held)) = largest {
        detail.push_str(&format!("; the largest party made {held} of them since the start"));
        record.labels.push(("party", party.to_string()));
    }
    record.detail = Some(detail);
    shard.server.audit.record(record, shard.now());
}

fn record_observed(shard: &Shard, limit: Limit, count: u64) {
    let mut record = Record::new(Code::ExcessRateLimitExceeded);
    record.rule = limit.name();
    record.reason = "would_refuse";
    record.limit = Some((limit.key(), 0));
    record.detail = Some(format!("observe mode: {count} would have been rejected"));
    shard.server.audit.record(record, shard.now());
}
