//! User accounts: registration, invitations, the first administrator, names, profiles.
//! Never: passwords or sessions of existing users.

pub(crate) mod username; // the grammar of user names
pub(crate) mod pending_names; // names that are being registered
pub(crate) mod create_user; // creates a user of this server
pub(crate) mod register; // POST /auth/register
pub(crate) mod invitation; // POST /auth/invitations
pub(crate) mod setup_token; // the one-time token for the first administrator
pub(crate) mod setup; // POST /auth/setup
pub(crate) mod provision; // creates users of other issuers
pub(crate) mod external_names; // names of users of other issuers
pub(crate) mod profile; // GET, POST /auth/profile
