//! The database of a server, opened by the command line beside it.
//! Never: messages or idempotency keys, which the server's writer caches.

pub(crate) mod store; // users and sessions
pub(crate) mod deletions; // rooms and users
pub(crate) mod reseal; // sealing under a newer key
