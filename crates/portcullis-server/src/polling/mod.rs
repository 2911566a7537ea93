//! HTTP long-polling: sessions opened, polled and posted to.
//! Never: frames of a WebSocket.

pub(crate) mod session_id; // secret ids that name their shard
pub(crate) mod session_router; // the shard that a session lives on
pub(crate) mod transport; // the state of a session: its poll, its posted body, its upgrade
pub(crate) mod response; // responses with packets, and rejections that end a session
pub(crate) mod open; // a session is opened
pub(crate) mod poll; // a session is polled
pub(crate) mod post; // packets are posted to a session
