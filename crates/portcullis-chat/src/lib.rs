//! Rooms and chat, built on the server's public API.
//! Never: sockets, SQL.

mod chat; // what the events share, and where they are installed
mod room_create; // room:create
mod room_join; // room:join
mod room_leave; // room:leave
mod room_delete; // room:delete
mod room_invite; // room:invite
mod room_kick; // room:kick
mod room_list; // room:list
mod room_members; // room:members
mod chat_send; // chat:send
mod chat_history; // chat:history
mod admin_broadcast; // admin:broadcast
mod feed; // from commits to the directory and to every member
mod presence; // who is there, and who is not any more
mod recover; // a socket that came back
mod view; // rooms and messages as clients see them

pub(crate) use chat::Chat;
pub use chat::{ChatError, ChatOptions, install, load};
pub use feed::apply;
