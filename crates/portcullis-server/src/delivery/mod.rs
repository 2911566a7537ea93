//! Deliveries: from a broadcast to the outboxes of every shard.
//! Never: checks of what a client may send.

pub(crate) mod broadcast; // recipients of an event
pub(crate) mod operation; // an operation on selected sockets
pub(crate) mod timing; // the duration of a delivery
pub(crate) mod selection; // a selection of connections
pub(crate) mod select; // counts or ends them
pub(crate) mod apply_selection; // the same, on one shard
pub(crate) mod inspect; // lists connections, page by page
pub(crate) mod apply_inspection; // the same, one turn of a shard
pub(crate) mod collector; // responses collected from every shard
pub(crate) mod hub; // the queues into every shard
pub(crate) mod apply; // deliveries applied in order
pub(crate) mod apply_operation; // operations applied to the sockets of a shard
pub(crate) mod outbox; // frames queued for one connection, bounded
