//! Events about messages: sending, history, recovery, broadcasts.
//! Never: changes of rooms or members.

pub(crate) mod chat_send; // chat:send
pub(crate) mod chat_history; // chat:history
pub(crate) mod recovery_forward; // recovery of a connection, forwarded to the store
pub(crate) mod admin_broadcast; // admin:broadcast
