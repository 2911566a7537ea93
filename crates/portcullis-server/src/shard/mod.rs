//! A shard: one thread, its connections and its deadlines.
//! Never: a decision of the guard.

pub(crate) mod state; // one thread's state
pub(crate) mod timer; // a wheel of deadlines
pub(crate) mod chores; // tasks that run at intervals
pub(crate) mod numbers; // the connections of a user
