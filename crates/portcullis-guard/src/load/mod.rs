//! The load of the server, and what an overloaded server rejects.
//! Never: sampling, clocks.

pub(crate) mod machine; // how hard-pressed the server is
pub(crate) mod current; // the current load, as all threads see it
