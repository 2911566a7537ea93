//! The database of a server, opened by an operator's command.
//! Never: messages or idempotency keys, which the server's writer caches.

pub(crate) mod store; // opens it; operations of operators only
pub(crate) mod accounts; // the traits of accounts and changes
pub(crate) mod blocks; // blocked networks
pub(crate) mod rooms; // lists and deletes rooms
pub(crate) mod reseal; // seals values again under a newer key
