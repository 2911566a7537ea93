//! The state of the server in numbers, for the operators' interface.
//! Never: a name, an address or a text of a client.

use std::collections::BTreeMap;

use portcullis_model::TimeCounts;

use crate::load::rejected_parties::RejectedParty;
use crate::load::samples::LoadReason;

/// The state of the server in numbers. Counts are since the start.
#[derive(Debug, Clone, Default)]
pub struct ServerStatus {
    /// Open real-time connections.
    pub connections_open: u64,
    /// Messages received.
    pub messages: u64,
    /// Connections and logins that wait for a slot.
    pub waiting: u64,
    /// Rejections by the name of the limit, else of the rule.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Times of the handlers of events.
    pub handlers: TimeCounts,
    /// Each load signal, in percent of its value at which the server sheds load.
    pub signals: Vec<(&'static str, f64)>,
    /// The last change of the load level; none since the start.
    pub load_reason: Option<LoadReason>,
}

/// Reads the state of a server.
pub(crate) trait StatusReader: Send + Sync {
    /// The state in numbers; takes microseconds.
    fn status(&self) -> ServerStatus;

    /// Networks, users and origins that were rejected in the last five minutes, strongest first;
    /// takes up to a millisecond.
    fn rejected_parties(&self) -> Vec<RejectedParty>;
}
