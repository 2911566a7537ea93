//! Rooms: which sockets of a shard are in which, and what recovery keeps.
//! Never: messages.

pub(crate) mod members; // which sockets of this shard are in which rooms
pub(crate) mod covered_rooms; // which rooms a handler may emit to
pub(crate) mod recovery; // sockets kept for returning clients
pub(crate) mod offset; // the encrypted position of a client in a history
