//! Figures of the siege: by second, in total, and against limits.
//! Never: clients or servers.

pub(crate) mod timeline; // what happened in each second
pub(crate) mod totals; // what some seconds come to
pub(crate) mod line; // what has to hold
