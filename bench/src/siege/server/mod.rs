//! The server under siege: how it is configured, started and read.
//! Never: clients.

pub(crate) mod defence; // kinds of servers, and what experiments need
pub(crate) mod disk; // what a server writes to its data directory
pub(crate) mod launch; // how it is configured and started
pub(crate) mod target; // the server under siege
