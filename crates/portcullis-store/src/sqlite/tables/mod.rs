//! Rooms, members and messages: the SQL of their changes, and the writer's caches.
//! Never: a commit.

pub(crate) mod state; // the state that a change works on
pub(crate) mod statements; // the statements of the hot path
pub(crate) mod cache; // rooms and members in the writer's memory
pub(crate) mod mids; // idempotency keys
pub(crate) mod membership; // finds rooms, users, memberships
pub(crate) mod rooms; // creates, joins, leaves and deletes rooms
pub(crate) mod relations; // invited and barred users
pub(crate) mod append; // the hot path: one message
pub(crate) mod history; // a room's messages, page by page
pub(crate) mod resume; // a recovered connection
pub(crate) mod snapshot; // everything that the start reads
pub(crate) mod cleanup; // the rows of deleted rooms
