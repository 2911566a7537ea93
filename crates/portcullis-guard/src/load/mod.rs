//! The load of the server, and what an overloaded server rejects.
//! Never: sampling, clocks.

pub(crate) mod machine; // the load of the server as a state
pub(crate) mod current; // the current load, as all threads see it
