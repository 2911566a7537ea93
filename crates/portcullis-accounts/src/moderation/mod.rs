//! Moderation events: a moderator bans, mutes or disconnects a user; an administrator sets roles.
//! Never: an event about the sender's own account.

pub(crate) mod target; // the users that a moderator can act on
pub(crate) mod change; // stores and records a change, for moderators and administrators
pub(crate) mod restriction; // user:ban, user:mute, user:kick
pub(crate) mod user_role; // user:role
