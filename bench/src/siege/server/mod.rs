//! The server under siege: its configuration, its start and its figures.
//! Never: clients.

pub(crate) mod defence; // kinds of servers, and the needs of experiments
pub(crate) mod disk; // bytes that a server writes to its data directory
pub(crate) mod launch; // configuration and start of a server
pub(crate) mod target; // the server under siege
