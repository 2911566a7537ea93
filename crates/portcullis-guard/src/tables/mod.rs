//! Rates, tables of a fixed size, and the share of each party.
//! Never: the meaning of their entries.

pub(crate) mod network_table; // networks around an address
pub(crate) mod rate; // rates as GCRA
pub(crate) mod block; // the block of a key after violations
pub(crate) mod rate_table; // buckets by key, in a table of fixed size
pub(crate) mod buckets; // the buckets of all rates
pub(crate) mod shares; // the share of each party
pub(crate) mod once_table; // keys that count once
pub(crate) mod alarm; // which table is nearly full
pub(crate) mod striped; // a map in stripes
