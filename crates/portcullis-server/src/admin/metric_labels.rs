//! The labels of metrics.
//! Never: a value that a client can choose; so the number of series is fixed.

use prometheus_client::encoding::EncodeLabelSet;

/// The rule of a rejection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RuleLabel {
    pub(crate) rule: &'static str,
    pub(crate) code: &'static str,
    /// The key of a limit; empty for other rules.
    pub(crate) key: &'static str,
}

/// One of the operator's limits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct LimitLabel {
    pub(crate) limit: &'static str,
}

/// The outcome of a report; the label of its counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReportOutcome {
    /// It is recorded; the security log samples such records.
    Recorded,
    /// It is not recorded: the network of the client, or all clients, have sent too many.
    Dropped,
}

impl ReportOutcome {
    pub(crate) const ALL: [Self; 2] = [Self::Recorded, Self::Dropped];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Dropped => "dropped",
        }
    }
}

/// The outcome of reports.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ReportLabel {
    pub(crate) outcome: &'static str,
}

/// A signal of the load.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct SignalLabel {
    pub(crate) signal: &'static str,
}

/// An admission queue; the label is `room`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct WaitingLabel {
    pub(crate) room: &'static str,
}

/// Connection slots that are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct PoolLabel {
    pub(crate) pool: &'static str,
}

/// A table of fixed size.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TableLabel {
    pub(crate) table: &'static str,
}

/// The reason why a table rejected an entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TableRejectionLabel {
    pub(crate) table: &'static str,
    pub(crate) reason: &'static str,
}

/// The state of the security log's file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StateLabel {
    pub(crate) state: &'static str,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct QueueLabel {
    pub(crate) queue: &'static str,
}
