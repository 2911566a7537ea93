//! The kind of a record (code and rule), and counts of records that were not written.
//! Never: a kind that a client can choose; codes and rules are constants of this program.

use std::collections::HashMap;

use portcullis_model::{Code, Severity};

/// Code and rule of a record.
pub(crate) type Kind = (Code, &'static str);

/// The records of one kind that were not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KindTotal {
    pub(crate) count: u64,
    /// The highest severity among the records.
    pub(crate) severity: Severity,
}

/// The counts of all kinds. The number of kinds bounds the memory.
#[derive(Debug, Default)]
pub(crate) struct KindTotals {
    totals: HashMap<Kind, KindTotal>,
}

impl KindTotals {
    /// Adds records to the count of a kind.
    pub(crate) fn add(&mut self, kind: Kind, more: KindTotal) {
        self.totals.entry(kind).or_insert(KindTotal { count: 0, ..more }).add(more);
    }

    /// Removes and returns all counts.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (Kind, KindTotal)> + '_ {
        self.totals.drain()
    }
}

impl KindTotal {
    /// Adds the count of other records; keeps the higher severity.
    pub(crate) fn add(&mut self, more: Self) {
        self.count += more.count;
        self.severity = self.severity.max(more.severity);
    }
}
