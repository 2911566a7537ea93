//! Rooms and chat, built on the server's public API.
//! Never: sockets, SQL.

mod chat; // shared state, and where the events are installed
mod rooms; // events about rooms
mod messages; // events about messages
mod feed; // committed changes, to the directory and to members
mod presence; // which members are online
mod view; // rooms and messages as clients see them

pub(crate) use chat::Chat;
pub use chat::{ChatError, ChatOptions, install, load};
pub use feed::apply;
