//! HTTP long-polling: sessions opened, polled and posted to.
//! Never: frames of a WebSocket.

pub(crate) mod session_id; // secret ids that know their shard
pub(crate) mod session_router; // which shard a session lives on
pub(crate) mod post; // a session opened, polled, posted to
pub(crate) mod transport; // who polls, what was posted
