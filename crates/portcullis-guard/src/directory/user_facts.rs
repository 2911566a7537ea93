//! The stored facts of a user.
//! Never: a password, a token, or anything else that a decision does not need.

use portcullis_model::{Roles, UserId};

/// The stored facts of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserFacts {
    /// The id.
    pub id: UserId,
    /// The name others see.
    pub name: String,
    /// The roles of the user.
    pub roles: Roles,
    /// Whether the user is locked out.
    pub disabled: bool,
    /// Tokens issued before this moment are revoked; 0 when none ever were.
    pub valid_after_unix_ms: i64,
    /// Until when the user is banned; 0 when not.
    pub banned_until_unix_ms: i64,
    /// Until when the user may not speak; 0 when they may.
    pub muted_until_unix_ms: i64,
    /// Tokens of another issuer give no roles if they were issued before this moment.
    pub roles_after_unix_ms: i64,
    /// Roles that the user holds and that have no effect until the user adds a second factor.
    pub withheld: Roles,
    /// Whether the user can do nothing until then.
    pub setup_only: bool,
    /// Whether the user belongs to another issuer; never changes.
    pub external: bool,
}

impl UserFacts {
    /// An ordinary user nothing is known against.
    #[must_use]
    pub fn new(id: UserId, name: String) -> Self {
        Self {
            id,
            name,
            roles: Roles::user(),
            disabled: false,
            valid_after_unix_ms: 0,
            banned_until_unix_ms: 0,
            muted_until_unix_ms: 0,
            roles_after_unix_ms: 0,
            withheld: Roles::NONE,
            setup_only: false,
            external: false,
        }
    }
}
