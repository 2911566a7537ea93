//! The load of the server as a state, computed from samples.
//! Never: sampling, clocks.

pub(crate) mod state; // the states of the load
pub(crate) mod signal; // the signals that it is computed from
pub(crate) mod level_machine; // from samples to a state
pub(crate) mod current; // the current load, as all threads see it
