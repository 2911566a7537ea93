//! The life of one alert, and what holds its messages back.
//! Never: a message for each record.

pub(crate) mod lifecycle; // one rule and one key, from firing to resolved
pub(crate) mod messages; // the message that is due, and the limit an hour
pub(crate) mod budget; // messages an hour that clients can cause
pub(crate) mod silence; // alerts that an administrator silenced
pub(crate) mod storm; // many rules or alerts at once
pub(crate) mod view; // an incident in the form for channels
