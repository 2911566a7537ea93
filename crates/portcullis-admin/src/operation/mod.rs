//! The operations of administrators: each is an event of `/admin` and a private request.
//! Never: an operation that one of the two offers alone, except streams of events.

pub(crate) mod contract; // the trait of operations, and their rules
pub(crate) mod install; // both ways in
pub(crate) mod call; // the caller, and the record of a change
pub(crate) mod read_record; // the record of a read about persons
pub(crate) mod desk; // the state that operations share
pub(crate) mod state; // the state of the server: overview, offenders, streams, load level
pub(crate) mod records; // the security log and alerts
pub(crate) mod people; // users and their limits
pub(crate) mod connections; // connections and blocked networks
