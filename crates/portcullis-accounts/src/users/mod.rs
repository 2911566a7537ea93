//! User accounts: registration, invitations, the first administrator, names, profiles.
//! Never: passwords or sessions.

pub(crate) mod create_user; // a new account, however it came about
pub(crate) mod register; // POST /auth/register
pub(crate) mod invitation; // POST /auth/invitations
pub(crate) mod setup; // POST /auth/setup: the first administrator
pub(crate) mod provision; // users of foreign issuers, at their first connection
pub(crate) mod external_names; // names of theirs that look like own ones
pub(crate) mod profile; // GET, POST /auth/profile
pub(crate) mod username; // names without look-alikes
