//! An open connection: its state, its task, its packets and its end.
//! Never: HTTP requests.

pub(crate) mod state; // what a shard shares of one connection
pub(crate) mod task; // the one task of a connection
pub(crate) mod read; // bytes of the peer, and when more are read
pub(crate) mod backlog; // bytes that were read and have to wait
pub(crate) mod packets; // from frames to packets to events
pub(crate) mod attachments; // packets that wait for their binary data
pub(crate) mod queue; // what is queued for it, in its client's form
pub(crate) mod socket; // a connection's place in a namespace
pub(crate) mod sockets; // the sockets of a connection
pub(crate) mod end; // why a connection ends
pub(crate) mod closing; // the end of one
pub(crate) mod record; // the records of a connection's life
