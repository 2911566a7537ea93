//! Records when a table of identity state, or the share of one party, is full.
//! Never: more than one record a minute for each kind and table.

use std::collections::BTreeMap;

use portcullis_audit::{Outcome, Record};
use portcullis_guard::{Gate, ShareUse};
use portcullis_model::{Code, Now};

use crate::accounts::Accounts;

/// A table is nearly full from this percentage on, and recovered below the second one.
const NEARLY_FULL_PERCENT: usize = 80;
const RECOVERED_PERCENT: usize = 70;
/// Shortest time between two records of one kind and table, in milliseconds.
const EVERY_MS: u64 = 60_000;

/// The use of all tables of identity state.
pub(crate) fn tables(accounts: &Accounts, gate: &Gate, now: Now) -> [ShareUse; 6] {
    let [tickets, proofs, keys, revocations] = gate.authentication().identity_tables(now);
    let [failures, enrollments] = accounts.tables(now);
    [tickets, proofs, keys, revocations, failures, enrollments]
}

/// The last reports about one table.
#[derive(Debug, Default)]
struct TableReport {
    nearly_full: bool,
    table_full: u64,
    share_full: u64,
    full_ms: Option<u64>,
    share_ms: Option<u64>,
}

/// Decides which uses of tables need a record.
#[derive(Debug, Default)]
pub(crate) struct TableMonitor {
    reported: BTreeMap<&'static str, TableReport>,
}

impl TableMonitor {
    /// The records that are due for the use of the tables.
    pub(crate) fn check(&mut self, tables: &[ShareUse], now: Now) -> Vec<Record> {
        tables.iter().flat_map(|table| self.check_table(table, now)).collect()
    }

    fn check_table(&mut self, table: &ShareUse, now: Now) -> Vec<Record> {
        let reported = self.reported.entry(table.table).or_default();
        let due = |last: Option<u64>| {
            last.is_none_or(|at| now.monotonic_ms.saturating_sub(at) >= EVERY_MS)
        };
        let percent = table.used.saturating_mul(100) / table.max.max(1);
        let mut records = Vec::new();
        if percent < RECOVERED_PERCENT {
            reported.nearly_full = false;
        }
        let rejects = table.table_full > reported.table_full;
        let is_new = percent >= NEARLY_FULL_PERCENT && !reported.nearly_full;
        if (rejects || is_new) && due(reported.full_ms) {
            reported.nearly_full = true;
            reported.table_full = table.table_full;
            reported.full_ms = Some(now.monotonic_ms);
            let state = if rejects { "full" } else { "nearly full" };
            records.push(record(Code::TableFull, table, state));
        }
        if table.share_full > reported.share_full && due(reported.share_ms) {
            reported.share_full = table.share_full;
            reported.share_ms = Some(now.monotonic_ms);
            let owner = table.rejected_owner.as_deref().unwrap_or("unknown");
            let mut record = record(Code::TableShareFull, table, "a share is full");
            record.labels.push(("party", String::from(owner)));
            records.push(record);
        }
        records
    }
}

fn record(code: Code, table: &ShareUse, state: &str) -> Record {
    let mut record = Record::new(code);
    record.outcome = Outcome::Success;
    record.rule = table.table;
    record.detail = Some(format!(
        "table {}: {state}; {} of {} entries used, {} rejected by share, {} by space",
        table.table, table.used, table.max, table.share_full, table.table_full
    ));
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(used: usize, share_full: u64, table_full: u64) -> ShareUse {
        let rejected_owner = Some(String::from("eve"));
        ShareUse { table: "test", used, max: 100, share_full, table_full, rejected_owner }
    }

    #[test]
    fn full_table_and_full_share_are_recorded_once_a_minute() {
        let mut monitor = TableMonitor::default();
        let mut check = |usage: ShareUse, second: u64| {
            let now = Now { monotonic_ms: second * 1_000, unix_ms: 0 };
            let records = monitor.check(&[usage], now);
            records.iter().map(|record| record.code).collect::<Vec<_>>()
        };
        assert_eq!(check(table(79, 0, 0), 0), []);
        assert_eq!(check(table(80, 0, 0), 1), [Code::TableFull]);
        assert_eq!(check(table(90, 0, 0), 120), [], "no change");
        assert_eq!(check(table(100, 0, 1), 121), [Code::TableFull]);
        assert_eq!(check(table(100, 0, 9), 130), [], "within the minute");
        assert_eq!(check(table(100, 0, 9), 181), [Code::TableFull]);
        assert_eq!(check(table(10, 3, 9), 182), [Code::TableShareFull]);
        assert_eq!(check(table(10, 3, 9), 500), []);
        assert_eq!(check(table(80, 3, 9), 501), [Code::TableFull], "again after a recovery");
    }
}
