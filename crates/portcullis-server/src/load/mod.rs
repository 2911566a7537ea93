//! The load of the machine, and connections that wait for capacity.
//! Never: a decision: the guard makes it.

pub(crate) mod machine; // the processors and memory of the machine
pub(crate) mod pressure; // the load level of the server
pub(crate) mod waiting; // connections that wait for a slot, for a short time
pub(crate) mod comer; // the client that opens a connection
