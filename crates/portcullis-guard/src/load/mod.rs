//! The load of the server, and what an overloaded server rejects.
//! Never: sampling, clocks.

pub(crate) mod machine; // how hard-pressed the server is
pub(crate) mod shedding; // what a hard-pressed server does without
