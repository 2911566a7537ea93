//! Users and their credentials, as they go into the store and come out.
//! Never: a password in the clear; the secret of a second factor only as `Secret`.

use std::sync::Arc;

use portcullis_model::{Roles, Secret, SessionId, UserId};

/// A timestamp that never arrives.
pub const FOR_EVER_UNIX_MS: i64 = i64::MAX;

/// A stored user, without the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// The user.
    pub id: UserId,
    /// The name that users see.
    pub username: Arc<str>,
    /// The user's roles.
    pub roles: Roles,
    /// Whether an operator has disabled the account.
    pub disabled: bool,
    /// Tokens issued before this moment are void; 0 if none were revoked.
    pub valid_after_unix_ms: i64,
    /// The end of the user's ban; 0 without one.
    pub banned_until_unix_ms: i64,
    /// Until when the user may not send messages; 0 if the user may.
    pub muted_until_unix_ms: i64,
    /// Roles in tokens issued before this moment are ignored; 0 if none ever gave roles.
    pub roles_after_unix_ms: i64,
    /// Whether the user has a second factor.
    pub has_totp: bool,
    /// Whether another issuer authenticates the user.
    pub foreign: bool,
}

/// A user to create: a local one (`password_phc`), or one of a foreign issuer.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The new user's id.
    pub id: UserId,
    /// The name; unique among local users, regardless of case.
    pub username: Arc<str>,
    /// The password's hash in PHC form, for local users.
    pub password_phc: Option<Secret<String>>,
    /// The issuer of a foreign user.
    pub issuer: Option<String>,
    /// The issuer's name for the user.
    pub subject: Option<String>,
    /// The user's first roles.
    pub roles: Roles,
    /// The current time.
    pub created_unix_ms: i64,
    /// Whether this is the one-time set-up: rejected once any administrator exists.
    pub setup: bool,
    /// Digest of the invitation that is used up by it.
    pub invitation: Option<[u8; 32]>,
    /// When the token was issued that gives a foreign user these roles; `None` if the issuer gives
    /// none. Roles of a token older than the last change of the roles are ignored.
    pub roles_issued_unix_ms: Option<i64>,
}

/// The result of a [`NewUser`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateUserOutcome {
    /// The user exists; a foreign user may have existed before.
    Created,
    /// Another user has the name.
    NameTaken,
    /// The user was deleted, and is not created again.
    Deleted,
    /// An administrator exists already.
    SetupUsed,
    /// The invitation was used, has expired, or never existed.
    InvitationInvalid,
}

/// The stored data that a login is checked against.
#[derive(Debug, Clone)]
pub struct CredentialsRow {
    /// The user.
    pub id: UserId,
    /// The name as it was registered.
    pub username: Arc<str>,
    /// The password's hash in PHC form.
    pub password_phc: Secret<String>,
    /// The user's roles.
    pub roles: Roles,
    /// Whether an operator has disabled the account.
    pub disabled: bool,
    /// The end of the user's ban; 0 without one.
    pub banned_until_unix_ms: i64,
    /// Tokens issued before this moment are void; 0 if none were revoked.
    pub valid_after_unix_ms: i64,
    /// The shared secret of the second factor, if there is one.
    pub totp: Option<Secret<Vec<u8>>>,
    /// When the account was created.
    pub created_unix_ms: i64,
}

/// A user, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// The user.
    pub id: UserId,
    /// The name that users see.
    pub username: Arc<str>,
    /// The user's roles.
    pub roles: Roles,
    /// Whether an operator has disabled the account.
    pub disabled: bool,
    /// The end of the user's ban; 0 without one.
    pub banned_until_unix_ms: i64,
    /// Until when the user may not send messages; 0 if the user may.
    pub muted_until_unix_ms: i64,
    /// Whether the user has a second factor.
    pub has_totp: bool,
    /// The issuer of a foreign user.
    pub issuer: Option<String>,
    /// When the account was created.
    pub created_unix_ms: i64,
    /// The time of the last [`UserChange`]; 0 without one.
    pub changed_unix_ms: i64,
    /// When a session of the user was opened last, also if it has ended; none without one.
    pub last_login_unix_ms: Option<i64>,
}

/// A change of one user.
#[derive(Debug, Clone)]
pub struct UserChange {
    /// The user.
    pub user: UserId,
    /// The changes.
    pub what: UserChangeKind,
    /// The current time.
    pub at_unix_ms: i64,
}

/// The property of a user that changes.
#[derive(Debug, Clone)]
pub enum UserChangeKind {
    /// Replaces the roles.
    Roles(Roles),
    /// Disables the account, which ends all sessions, or enables it.
    Disabled(bool),
    /// Bans until a moment, which ends all sessions; a past moment lifts the ban.
    Banned {
        /// The end of the ban.
        until_unix_ms: i64,
    },
    /// Forbids to send messages until a moment; a past moment allows it again.
    Muted {
        /// The end of the mute.
        until_unix_ms: i64,
    },
    /// Replaces the name that users see.
    Username(Arc<str>),
    /// Replaces the password of a local user; ends all sessions except the one to keep.
    Password {
        /// The hash in PHC form.
        phc: Secret<String>,
        /// The session to keep.
        keep: Option<SessionId>,
    },
    /// Ends all sessions, and voids every token issued before.
    RevokeAll,
}

/// The result of a [`UserChange`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeUserOutcome {
    /// The change is stored; this is the user now.
    Changed(UserRow),
    /// The user does not exist, or is foreign and cannot have a password.
    Missing,
    /// Another user has the name.
    NameTaken,
    /// The change would remove the last administrator.
    LastAdmin,
}
