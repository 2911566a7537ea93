//! Sessions of users, and the revocations that end tokens and sessions.
//! Never: a session that the feed has not reported.

pub(crate) mod session; // one session
pub(crate) mod session_table; // the sessions of own users
pub(crate) mod authority; // revocations, and the time of their last confirmation
pub(crate) mod revocations; // the revoked tokens and sessions
