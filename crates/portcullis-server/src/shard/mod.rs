//! A shard: one thread, its connections and its deadlines.
//! Never: a decision of the guard.

pub(crate) mod server; // state shared by all shards
pub(crate) mod state; // the state of one shard
pub(crate) mod connections; // its connections: open ones, those of each user, closing ones
pub(crate) mod connection_numbers; // the numbers of a user's connections
pub(crate) mod deadlines; // the deadlines of its connections
pub(crate) mod timer; // a timer wheel
pub(crate) mod buffers; // shared buffers and compressors
pub(crate) mod write_queue; // connections to write at the end of a turn
pub(crate) mod loops; // writes, ticks and deadlines
pub(crate) mod load; // the load, measured and recorded
pub(crate) mod shedding; // connections that end at the level `critical`
pub(crate) mod periodic; // tasks that run at intervals
pub(crate) mod run; // the shard's life, from its listeners to the drain
