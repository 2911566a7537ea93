//! The hourly budget of messages that clients cause: eight, and four of storms.
//! Never: limits what the server itself reports.

use std::collections::VecDeque;

const HOUR_MS: i64 = 60 * 60_000;
/// Messages an hour about rules that clients cause. Those of a storm come in addition; see
/// `messages.rs`: four an hour.
const MESSAGES_MAX: usize = 8;

/// The times of the last messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ClientBudget {
    pub(crate) times: VecDeque<i64>,
}

impl ClientBudget {
    /// Whether a message may be sent.
    pub(crate) fn has_room(&mut self, at_ms: i64) -> bool {
        while self.times.front().is_some_and(|time| at_ms - time >= HOUR_MS) {
            self.times.pop_front();
        }
        self.times.len() < MESSAGES_MAX
    }

    pub(crate) fn take(&mut self, at_ms: i64) {
        self.times.push_back(at_ms);
    }
}
