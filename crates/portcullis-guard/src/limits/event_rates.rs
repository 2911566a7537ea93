//! The rates of single events, for the operator who explains or resets the limits of a user.
//! Never: on the path of a message; the rule of an event has its rate.

use std::sync::{PoisonError, RwLock};

use crate::tables::rate::Rate;

/// The rate of each event that has one, by name. The names are those that are declared.
#[derive(Debug, Default)]
pub(crate) struct EventRates {
    listed: RwLock<Vec<(String, Rate)>>,
}

impl EventRates {
    /// Adds an event. Events of one name in several namespaces share their count; the first rate
    /// stays.
    pub(crate) fn add(&self, name: &str, rate: Rate) {
        let mut listed = self.listed.write().unwrap_or_else(PoisonError::into_inner);
        if !listed.iter().any(|(known, _)| known == name) {
            listed.push((String::from(name), rate));
        }
    }

    /// All events with a rate.
    pub(crate) fn all(&self) -> Vec<(String, Rate)> {
        self.listed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
