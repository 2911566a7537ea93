//! Keeps the directory and the store in agreement, and reports when that fails.
//! Never: HTTP routes or events.

pub(crate) mod account_feed; // effects of committed changes of users
pub(crate) mod blocks; // blocked networks, and the record of their end
pub(crate) mod external_changes; // records of changes by other programs
pub(crate) mod watcher; // keeps the directory up to date
pub(crate) mod readiness; // the store in `/ready`
pub(crate) mod table_monitor; // whether a table or share is full
