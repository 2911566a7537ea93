//! Parts of all experiments with one shared address: constants, counts, outcomes.
//! Never: the course of an experiment.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::siege::figures::line::LineVerdict;
use crate::siege::server::defence::Defence;

/// The address of all users.
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 50, 0, 1);
/// Users in one room.
pub(super) const MEMBERS: usize = 10;

/// The number of occurrences of each event, by its name.
pub(crate) type Counts = BTreeMap<String, u64>;

/// The outcome of one experiment with one defence.
pub(crate) struct SharedOutcome {
    pub(crate) defence: Defence,
    /// In the order of the columns of the experiment.
    pub(crate) figures: Vec<String>,
    /// Rejections of the server, by rule; empty if the server reports none.
    pub(crate) rejections: Counts,
    /// Attempts that failed, by what their clients saw.
    pub(crate) failures: Counts,
    pub(crate) verdicts: Vec<LineVerdict>,
}

/// Counts one more.
pub(super) fn count(counts: &mut Counts, name: String) {
    *counts.entry(name).or_default() += 1;
}

/// Everything that was counted.
pub(super) fn total(counts: &Counts) -> u64 {
    counts.values().sum()
}
