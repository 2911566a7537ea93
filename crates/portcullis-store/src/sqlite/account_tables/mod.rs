//! Users, sessions, factors and revocations: the SQL of their changes.
//! Never: a commit; a secret in the clear, where there is a key.

pub(crate) mod users; // created, found, listed
pub(crate) mod user_change; // one user changes
pub(crate) mod sessions; // sessions and their turns
pub(crate) mod revocations; // revoked tokens and sessions
pub(crate) mod factors; // second factors, invitations, role numbers
pub(crate) mod operator_actions; // actions of operators, until a server records them
