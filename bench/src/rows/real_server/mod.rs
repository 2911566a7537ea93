//! Rows of the real binary, with its store.
//! Never: a server of the benchmark's own.

pub(crate) mod product; // guarded, stored chat messages
pub(crate) mod look_up; // a look-up beside reads of history
pub(crate) mod capacity; // slopes for the page about capacity
pub(crate) mod backup; // acknowledgements beside a backup
