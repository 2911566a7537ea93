//! The load of the machine, and the queues in which connections wait for capacity.
//! Never: a decision; the guard makes it.

pub(crate) mod machine; // the processors and memory of the machine
pub(crate) mod samples; // samples that shards and listeners report
pub(crate) mod admission_queue; // connections and log-ins that wait for a slot
