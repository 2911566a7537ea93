//! Deliveries: from a broadcast to the outboxes of every shard.
//! Never: checks of what a client may send.

pub(crate) mod broadcast; // whom an event goes to
pub(crate) mod gather; // responses from every shard
pub(crate) mod hub; // the way into every shard, for deliveries
pub(crate) mod deliver; // deliveries applied in order
pub(crate) mod operate; // operations on chosen sockets
pub(crate) mod outbox; // frames waiting to be written, bounded
