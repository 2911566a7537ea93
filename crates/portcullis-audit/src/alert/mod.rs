//! Alerts: rules over records, and what administrators are notified of.
//! Never: sends anything; channels take alerts from here.

pub(crate) mod notification; // one alert in one of its states, as channels get it
pub(crate) mod sink; // what a channel implements
pub(crate) mod options; // rules, times and thresholds
pub(crate) mod input; // what rules see of each record
pub(crate) mod rule; // rules as data, and their counts
pub(crate) mod incident; // the life of one alert
pub(crate) mod engine; // notes in, alerts out
pub(crate) mod run; // the thread, the file and the handle
