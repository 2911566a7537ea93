//! Events about messages: sending, history, recovery, broadcasts.
//! Never: changes of rooms or members.

pub(crate) mod chat_send; // chat:send
pub(crate) mod chat_history; // chat:history
pub(crate) mod recover; // rooms and missed messages of a recovered connection
pub(crate) mod admin_broadcast; // admin:broadcast
