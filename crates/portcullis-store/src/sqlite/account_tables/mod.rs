//! Users, sessions, factors and revocations: the SQL of their changes.
//! Never: a commit; a secret in the clear if the store has a seal.

pub(crate) mod transaction; // the tables inside a transaction
pub(crate) mod users; // creates, finds and lists users
pub(crate) mod user_change; // changes one user
pub(crate) mod deletions; // deletes users
pub(crate) mod sessions; // opens, lists and ends sessions
pub(crate) mod turns; // renews sessions
pub(crate) mod factors; // second factors and recovery codes
pub(crate) mod invitations; // invitations to register
pub(crate) mod roles; // the numbers of roles
pub(crate) mod revocations; // revoked tokens and sessions
pub(crate) mod authority; // everything that decides about access
pub(crate) mod operator_actions; // actions of operators, until a server records them
