//! Figures of the siege: by second, in total, and against limits.
//! Never: clients or servers.

pub(crate) mod tally; // what became of a flood
pub(crate) mod timeline; // what happened in each second
pub(crate) mod totals; // what some seconds come to
pub(crate) mod outcome; // the outcome of one run
pub(crate) mod line; // what has to hold
