//! Events about rooms and their members, one file an event.
//! Never: messages.

pub(crate) mod room_create; // room:create
pub(crate) mod room_join; // room:join
pub(crate) mod room_leave; // room:leave
pub(crate) mod room_delete; // room:delete
pub(crate) mod room_invite; // room:invite
pub(crate) mod room_kick; // room:kick
pub(crate) mod room_list; // room:list
pub(crate) mod room_members; // room:members
