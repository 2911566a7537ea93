//! The rates of single events, for the operator who explains or resets the limits of a user.
//! Never: on the path of a message; the rule of an event has its rate.

use std::sync::{PoisonError, RwLock};

use crate::tables::rate::Rate;

/// The rates of each event that has one, by name and period. The names are those that are declared.
#[derive(Debug, Default)]
pub(crate) struct EventRates {
    listed: RwLock<Vec<(String, Rate)>>,
}

impl EventRates {
    /// Adds an event. Events of one name in several namespaces share their count if their rates
    /// have the same period; the first of these rates stays.
    pub(crate) fn add(&self, name: &str, rate: Rate) {
        let mut listed = self.listed.write().unwrap_or_else(PoisonError::into_inner);
        let is_listed =
            |(known, of): &(String, Rate)| known == name && of.period_ms == rate.period_ms;
        if !listed.iter().any(is_listed) {
            listed.push((String::from(name), rate));
        }
    }

    /// All events with a rate.
    pub(crate) fn all(&self) -> Vec<(String, Rate)> {
        self.listed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
