//! Alerts: rules over records, and notifications of administrators.
//! Never: sends anything; channels take alerts from here.

pub(crate) mod notification; // one alert in one of its states, in the form for channels
pub(crate) mod sink; // the trait of a channel
pub(crate) mod options; // rules, times and thresholds
pub(crate) mod input; // the input of rules: a part of each record
pub(crate) mod rule; // rules as data, and their counts
pub(crate) mod incident; // the life of one alert
pub(crate) mod engine; // notes in, alerts out
pub(crate) mod run; // the thread, the file and the handle
