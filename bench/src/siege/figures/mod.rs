//! Figures of the siege: by second, in total, and against limits.
//! Never: clients or servers.

pub(crate) mod tally; // the outcome of a flood
pub(crate) mod timeline; // the events of each second
pub(crate) mod pairs; // two settings, measured in turn
pub(crate) mod totals; // totals of some seconds
pub(crate) mod outcome; // the outcome of one run
pub(crate) mod line; // the criteria of an experiment
