//! Users, rooms, members and messages behind one trait; SQLite embedded.
//! Never: decisions, sockets.

mod store; // the trait: what is promised, in which order
mod rows; // what goes in and what comes out
mod error; // a dependency's fault, never the peer's
mod sqlite; // the embedded store: opening it, and its two queues
mod sqlite_schema; // tables, migrations and settings of a connection
mod sqlite_task; // one change on its way through the writer
mod sqlite_writer; // the one thread that writes: batch, commit, feed, replies
mod sqlite_cache; // what the writer knows without asking: members and last places
mod sqlite_message; // the hot path: one message
mod sqlite_mids; // which message an idempotency key was used for
mod sqlite_resume; // a connection that came back
mod sqlite_room; // rooms and members, inside the writer
mod sqlite_user; // users, inside the writer
mod sqlite_chores; // what deleted rooms leave behind, removed in small steps
mod sqlite_reader; // the threads that read
mod sqlite_history; // a room's messages, page by page
mod sqlite_query; // what else they read: credentials, everything at the start
#[cfg(test)]
mod sqlite_fixture; // users, rooms and messages for the tests

pub use error::StoreError;
pub use rows::{
    Append, Change, CreateRoom, CreateUser, CredentialsRow, DeleteRoom, Join, JoinRoom, LeaveRoom,
    Loaded, MessageRow, NewMessage, NewRoom, NewUser, Page, Resume, ResumeRooms, RoomRow, UserRow,
    Visibility,
};
pub use sqlite::{SqliteOptions, SqliteStore};
pub use store::{CommitFeed, PAGE_MAX, RESUME_ROOMS_MAX, Store, StoreFuture};
