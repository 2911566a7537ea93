//! Servers that are measured, and the measurement of their processes.
//! Never: work of clients.

pub(crate) mod measure; // processor time and memory of another process
pub(crate) mod explain; // rejections of a server while a row failed
pub(crate) mod plenty; // limits that no benchmark reaches
pub(crate) mod echo_server; // the engine with every guard on and three small events
pub(crate) mod contender; // the servers that are measured
