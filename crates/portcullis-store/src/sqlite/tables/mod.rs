//! Rooms, members and messages: the SQL of their changes, and what the writer caches of them.
//! Never: a commit.

pub(crate) mod rooms; // rooms and members
pub(crate) mod relations; // invited and barred users
pub(crate) mod append; // the hot path: one message
pub(crate) mod history; // a room's messages, page by page
pub(crate) mod resume; // a connection that is recovered
pub(crate) mod cache; // rooms and members in the writer's memory
pub(crate) mod mids; // idempotency keys
pub(crate) mod cleanup; // the rest of deleted rooms
