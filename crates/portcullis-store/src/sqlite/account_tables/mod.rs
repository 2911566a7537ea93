//! Users, sessions, factors and revocations: the SQL of their changes.
//! Never: a commit; a secret in the clear if the store has a seal.

pub(crate) mod transaction; // the tables inside a transaction
pub(crate) mod users; // creates, finds and lists users
pub(crate) mod user_change; // roles, ban, mute, name and password of one user
pub(crate) mod deletions; // deletes users
pub(crate) mod sessions; // opens, lists and ends sessions
pub(crate) mod session_renewal; // a refresh token is used: the next one, or a copy
pub(crate) mod factors; // second factors and recovery codes
pub(crate) mod invitations; // invitations to register
pub(crate) mod role_numbers; // the numbers of roles
pub(crate) mod revocations; // revoked tokens and sessions
pub(crate) mod blocks; // blocked networks
pub(crate) mod access_snapshot; // reads users, sessions and revocations at once
pub(crate) mod operator_actions; // actions of operators, until a server records them
