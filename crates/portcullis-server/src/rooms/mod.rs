//! Rooms: the sockets of a shard by room, and the sockets that recovery keeps.
//! Never: messages; whether a user may join.

pub(crate) mod room_table; // the sockets of a shard by namespace and room
pub(crate) mod membership; // joining and leaving namespaces and rooms
pub(crate) mod covered_rooms; // the rooms that a handler may emit to
pub(crate) mod kept_sockets; // recovery: sockets kept for returning clients
pub(crate) mod offset; // the encrypted position of a client in a history
