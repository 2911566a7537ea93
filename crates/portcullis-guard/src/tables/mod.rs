//! Tables of a fixed size, and the share of each party.
//! Never: what their entries mean.

pub(crate) mod shares; // how much of a table one party may hold
pub(crate) mod once_table; // keys that count once
pub(crate) mod alarm; // which table is nearly full
pub(crate) mod striped; // the map they all stand in
