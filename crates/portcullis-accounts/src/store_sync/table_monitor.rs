//! Says when a table of identity state, or a party's share of one, is full.
//! Never: more than one record a minute of each kind and table.

use std::collections::BTreeMap;

use portcullis_audit::{Outcome, Record};
use portcullis_guard::{Gate, ShareUse};
use portcullis_model::{Code, Now};

use crate::accounts::Accounts;

/// A table is nearly full from this many percent on, and recovered below the other.
const NEARLY_FULL_PERCENT: usize = 80;
const RECOVERED_PERCENT: usize = 70;
/// A kind of record of one table is written at most this often.
const EVERY_MS: u64 = 60_000;

/// Every table of identity state and how full it is.
pub(crate) fn tables(accounts: &Accounts, gate: &Gate, now: Now) -> [ShareUse; 6] {
    let [tickets, proofs, keys, revocations] = gate.authentication().identity_tables(now);
    let [failures, enrollments] = accounts.tables(now);
    [tickets, proofs, keys, revocations, failures, enrollments]
}

/// What was reported of one table.
#[derive(Debug, Default)]
struct Reported {
    nearly_full: bool,
    table_full: u64,
    share_full: u64,
    full_ms: Option<u64>,
    share_ms: Option<u64>,
}

/// Remembers what was reported of each table.
#[derive(Debug, Default)]
pub(crate) struct TableMonitor {
    reported: BTreeMap<&'static str, Reported>,
}

impl TableMonitor {
    /// The records that the use of the tables asks for.
    pub(crate) fn look(&mut self, tables: &[ShareUse], now: Now) -> Vec<Record> {
        tables.iter().flat_map(|table| self.look_at(table, now)).collect()
    }

    fn look_at(&mut self, table: &ShareUse, now: Now) -> Vec<Record> {
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
        let is_news = percent >= NEARLY_FULL_PERCENT && !reported.nearly_full;
        if (rejects || is_news) && due(reported.full_ms) {
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
    fn full_table_and_full_share_are_reported_once_a_minute() {
        let mut monitor = TableMonitor::default();
        let mut look = |seen: ShareUse, second: u64| {
            let now = Now { monotonic_ms: second * 1_000, unix_ms: 0 };
            let records = monitor.look(&[seen], now);
            records.iter().map(|record| record.code).collect::<Vec<_>>()
        };
        assert_eq!(look(table(79, 0, 0), 0), []);
        assert_eq!(look(table(80, 0, 0), 1), [Code::TableFull]);
        assert_eq!(look(table(90, 0, 0), 120), [], "no news");
        assert_eq!(look(table(100, 0, 1), 121), [Code::TableFull]);
        assert_eq!(look(table(100, 0, 9), 130), [], "within the minute");
        assert_eq!(look(table(100, 0, 9), 181), [Code::TableFull]);
        assert_eq!(look(table(10, 3, 9), 182), [Code::TableShareFull]);
        assert_eq!(look(table(10, 3, 9), 500), []);
        assert_eq!(look(table(80, 3, 9), 501), [Code::TableFull], "again after a recovery");
    }
}
