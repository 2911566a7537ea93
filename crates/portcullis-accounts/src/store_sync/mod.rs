//! Keeps the directory and the store in agreement, and reports when that fails.
//! Never: HTTP routes or events.

pub(crate) mod account_feed; // what committed changes of people mean
pub(crate) mod external_changes; // what others did to the store, as records
pub(crate) mod watcher; // keeps what is known true
pub(crate) mod readiness; // the store in `/ready`
pub(crate) mod table_monitor; // whether a table or share is full
