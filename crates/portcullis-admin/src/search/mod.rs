//! Searches of the security log: conditions that its lines are compared with.
//! Never: a JSON parser for a line that cannot fit.

pub(crate) mod filter; // conditions of records
pub(crate) mod period; // the period of records and files
