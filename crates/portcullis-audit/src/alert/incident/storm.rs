//! Many rules or alerts at once become one alert, `STORM`.
//! Never: holds back a critical alert, or one that clients do not cause.

use std::collections::{BTreeSet, VecDeque};

use super::lifecycle::Incident;
use crate::alert::notification::AlertKey;

/// The rule of the alert that stands for many.
pub(crate) const STORM: &str = "STORM";
/// More rules than these within five minutes are a storm.
const RULES_MAX: usize = 5;
const RULES_MS: i64 = 5 * 60_000;
/// So many alerts within ten minutes are a storm.
const ALERTS_MAX: usize = 50;
const ALERTS_MS: i64 = 10 * 60_000;
/// Alerts that are remembered.
const LOG_MAX: usize = 256;

/// Rules that fired within ten minutes, and the alert that stands for them.
#[derive(Debug, Default)]
pub(crate) struct Storm {
    fired: VecDeque<(i64, String)>,
    pub(crate) incident: Option<Incident>,
    /// The rules that it stands for, with their open alerts.
    pub(crate) rules: Vec<(AlertKey, u64)>,
    /// The rules of its last message.
    pub(crate) sent: BTreeSet<String>,
}

impl Storm {
    /// An alert that was not sent before fires.
    pub(crate) fn add(&mut self, rule: &str, at_ms: i64) {
        if self.fired.len() >= LOG_MAX {
            self.fired.pop_front();
        }
        self.fired.push_back((at_ms, String::from(rule)));
    }

    /// Whether there are too many rules or alerts.
    pub(crate) fn is_due(&mut self, at_ms: i64) -> bool {
        while self.fired.front().is_some_and(|(time, _)| at_ms - time > ALERTS_MS) {
            self.fired.pop_front();
        }
        let recent = self.fired.iter().filter(|(time, _)| at_ms - time <= RULES_MS);
        let rules: BTreeSet<&str> = recent.map(|(_, rule)| rule.as_str()).collect();
        rules.len() > RULES_MAX || self.fired.len() >= ALERTS_MAX
    }

    /// Whether it stands for a rule that its last message did not name.
    pub(crate) fn has_new_rule(&self) -> bool {
        self.is_open() && self.rules.iter().any(|(rule, _)| !self.sent.contains(&rule.value))
    }

    pub(crate) fn is_open(&self) -> bool {
        self.incident.as_ref().is_some_and(Incident::is_open)
    }
}
