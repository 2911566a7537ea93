//! Moderation events: a moderator bans, mutes or disconnects users, or changes roles.
//! Never: changes of the moderator's own account.

pub(crate) mod change; // what acts on other users have in common
pub(crate) mod user_ban; // user:ban
pub(crate) mod user_kick; // user:kick
pub(crate) mod user_mute; // user:mute
pub(crate) mod user_role; // user:role
pub(crate) mod target; // whom a moderator may act on
