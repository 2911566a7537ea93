//! Rates, tables of a fixed size, and the share of each party.
//! Never: what their entries mean.

pub(crate) mod rate; // GCRA: so many in so long
pub(crate) mod rate_table; // buckets by key, in a table of fixed size
pub(crate) mod buckets; // which bucket a limit takes from
pub(crate) mod shares; // how much of a table one party may hold
pub(crate) mod once_table; // keys that count once
pub(crate) mod alarm; // which table is nearly full
pub(crate) mod striped; // the map they all stand in
