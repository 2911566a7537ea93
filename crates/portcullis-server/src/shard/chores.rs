//! What products do again and again while the server runs.
//! Never: twice at once, or after the drain has begun.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use portcullis_audit::Record;
use portcullis_guard::{Table, TableAlarm, TableLevel, TableUse};
use portcullis_model::{Code, Limit, Severity};

use crate::setup::running::LastingTask;
use crate::shard::state::Shard;

/// Between two records of what observed limits would have refused.
const OBSERVE_MS: u64 = 1_000;
/// Between two samples of how full the tables are; each counts all buckets of limits.
const TABLES_MS: u64 = 5_000;

impl Shard {
    /// Starts every chore, on the first shard alone.
    pub(crate) fn start_chores(self: &Rc<Self>) {
        if self.index != 0 {
            return;
        }
        let vital = |name, task: LastingTask| {
            tokio::task::spawn_local(Arc::clone(&self.vitals).watch(name, task));
        };
        vital("observed_limits", Box::pin(Rc::clone(self).observe_forever()));
        vital("tables", Box::pin(Rc::clone(self).watch_tables()));
        vital("load", Box::pin(Rc::clone(self).watch_pressure()));
        for (number, chore) in self.registered.chores.iter().enumerate() {
            vital(chore.name, Box::pin(Rc::clone(self).do_forever(number)));
        }
    }

    async fn do_forever(self: Rc<Self>, number: usize) {
        while let Some(chore) = self.registered.chores.get(number) {
            if self.draining.get() {
                return;
            }
            (chore.act)(Arc::clone(&self.surroundings)).await;
            tokio::time::sleep(Duration::from_millis(chore.every_ms)).await;
        }
    }

    /// Puts on record what limits would have refused that only count.
    async fn observe_forever(self: Rc<Self>) {
        let mut before = self.gate.limits().observed_rejections();
        while !self.draining.get() {
            tokio::time::sleep(Duration::from_millis(OBSERVE_MS)).await;
            let counts = self.gate.limits().observed_rejections();
            for ((limit, count), (_, earlier)) in counts.iter().zip(&before) {
                let more = count.saturating_sub(*earlier);
                if more > 0 {
                    self.record_observed(*limit, more);
                }
            }
            self.metrics.observed(&counts);
            before = counts;
        }
    }

    /// Records which tables are nearly full, and which party fills them.
    async fn watch_tables(self: Rc<Self>) {
        let mut alarm = TableAlarm::default();
        while !self.draining.get() {
            let directory = self.gate.directory();
            let rates = self.gate.limits().rate_tables(self.now());
            for (table, level) in alarm.sample(&[&directory.tables()[..], &rates].concat()) {
                self.record_table(table, level);
            }
            tokio::time::sleep(Duration::from_millis(TABLES_MS)).await;
        }
    }

    fn record_table(&self, table: TableUse, level: TableLevel) {
        let mut record = Record::new(Code::TableNearlyFull);
        record.rule = table.table;
        (record.reason, record.severity) = match level {
            TableLevel::Normal => ("normal", Severity::Info),
            TableLevel::High => ("high", Severity::Warning),
            TableLevel::NearlyFull => ("nearly_full", Severity::Critical),
        };
        let of = Table::ALL.into_iter().find(|known| known.name() == table.table);
        let largest = of.and_then(|of| self.gate.directory().largest_party(of));
        let (used, max) = (table.used, table.max);
        let mut detail = format!("{used} of {max} entries");
        if let Some((party, held)) = largest {
            detail.push_str(&format!("; the largest party made {held} of them since the start"));
            record.labels.push(("party", party.to_string()));
        }
        record.detail = Some(detail);
        self.audit.record(record, self.now());
    }

    fn record_observed(&self, limit: Limit, count: u64) {
        let mut record = Record::new(Code::ExcessRateLimitExceeded);
        record.rule = limit.name();
        record.reason = "would_refuse";
        record.limit = Some((limit.key(), 0));
        record.detail = Some(format!("observed only: {count} would have been refused"));
        self.audit.record(record, self.now());
    }
}
