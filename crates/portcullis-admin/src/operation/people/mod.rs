//! Operations on users, their sessions and their limits.
//! Never: an operation on the own account.

pub(crate) mod users; // `admin:users`, `admin:user`
pub(crate) mod user_change; // `user:ban` and other changes of a user
pub(crate) mod invitation_maker; // how invitations are made
pub(crate) mod invitation; // `invitation:create`, `invitation:revoke`, `admin:invitations`
pub(crate) mod limits; // `admin:limits`
pub(crate) mod limits_unlock; // `limits:unlock`
