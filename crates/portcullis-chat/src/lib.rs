//! Rooms and chat, built on the public API of the server.
//! Never: sockets, SQL.

mod chat; // options, and the state that all events share
mod install; // list of all events
mod load; // the directory at the start
mod rooms; // events about rooms
mod messages; // events about messages
mod room_feed; // committed changes, to the directory and to members
mod presence; // which members are online
mod record; // security records
mod view; // rooms and messages as clients see them

pub use chat::ChatOptions;
pub use install::{ChatError, install};
pub use load::load;
pub use room_feed::apply;
