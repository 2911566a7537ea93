//! The interface of alert channels: the engine delivers alerts through it.
//! Never: waits; a sink that has no space says so and gets the newest state later.

use std::sync::Arc;

use super::notification::Alert;

/// Whether a sink took a state of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinkOutcome {
    /// It is in the sink's queue or was filtered on purpose.
    Accepted,
    /// The queue is full: the engine counts it, and the next state of the alert is offered.
    Full,
}

/// A receiver of alerts with a bounded queue of its own.
///
/// The engine calls [`AlertSink::offer`] on its one thread, with all states of an alert in their
/// order. Alerts are rare: at most 12 an hour that clients caused, and 4 an hour of each other
/// alert. States that a filter held back are merged, so a sink can get `resolved` without each
/// state before. It never gets `resolved` of an alert that it was not offered before.
pub trait AlertSink: Send + Sync {
    /// A word for logs and metrics: the name of the channel.
    fn name(&self) -> &str;

    /// Takes one state of an alert. Returns at once: no I/O, no lock that a writer holds.
    fn offer(&self, alert: &Arc<Alert>) -> SinkOutcome;
}
