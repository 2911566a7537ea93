//! The load of the machine, and the queues in which connections wait for capacity.
//! Never: a decision; the guard makes it.

pub(crate) mod process_limits; // files and memory that the process may use
pub(crate) mod samples; // samples that shards and listeners report
pub(crate) mod rejection_counts; // rejections by limit or rule
pub(crate) mod rejected_parties; // networks, users and origins that are rejected most
pub(crate) mod status; // the state of the server in numbers
pub(crate) mod admission_queue; // connections and log-ins that wait for a slot
