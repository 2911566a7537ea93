//! Rules as data, and the tables that count for them.
//! Never: a table that grows with the number of clients.

pub(crate) mod condition; // the records that a rule counts
pub(crate) mod rules; // a rule, its triggers, all rules
pub(crate) mod builtin; // A1 to A18, F1 to F3, without A13
mod builtin_log; // A13
pub(crate) mod overrides; // changes to rules by the configuration
pub(crate) mod slot; // the counts of one key
pub(crate) mod table; // the keys of one trigger
pub(crate) mod distinct; // different values without a key
pub(crate) mod first_seen; // values that were seen before
