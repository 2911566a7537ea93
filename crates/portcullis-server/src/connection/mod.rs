//! An open connection: its state, its sockets, and the reason of its end.
//! Never: HTTP requests; the input of the client.

pub(crate) mod client_info; // the client that opened the connection
pub(crate) mod message_rate; // messages a minute, for operators
pub(crate) mod state; // state shared by a shard and the connection's task
pub(crate) mod parts; // timers, lifecycle, wire format, output, memberships
pub(crate) mod queueing; // frames queued in the client's form
pub(crate) mod slow_consumer; // the end of a client that does not read
pub(crate) mod opening; // the start of a connection
pub(crate) mod socket; // one connection in one namespace
pub(crate) mod socket_id; // the public id of a socket
pub(crate) mod link; // a connection on its shard, to answer the client
pub(crate) mod end; // why a connection ends
pub(crate) mod record; // the records of a connection's life
