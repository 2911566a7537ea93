//! Logs of the server, and what forwards them.
//! Never: the choice of what is recorded.

pub(crate) mod logs; // opens the security log and the access log
pub(crate) mod log_key; // the key of session hashes in the security log
pub(crate) mod syslog; // forwards the security log to a syslog server
pub(crate) mod alert_channels; // channels of alerts, and events for administrators
