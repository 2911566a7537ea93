//! All users, sessions, revocations and blocks, as the store reports them together.
//! Never: rooms or messages.

use portcullis_model::RevocationKind;

use crate::rows::blocks::BlockRow;
use crate::rows::sessions::SessionRow;
use crate::rows::users::UserRow;

/// Users, sessions, revocations and blocks: everything that decides about access.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessSnapshot {
    /// All users.
    pub users: Vec<UserRow>,
    /// All sessions.
    pub sessions: Vec<SessionRow>,
    /// All revocations.
    pub revocations: Vec<Revocation>,
    /// All blocked networks; some of the blocks may have ended.
    pub blocks: Vec<BlockRow>,
    /// The latest end of a revocation that was deleted, in milliseconds since 1970; 0 for none.
    pub revocations_ended_unix_ms: i64,
}

/// A token or session that is void before its end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Revocation {
    /// Its issuer.
    pub issuer: String,
    /// The id of its user here; empty for every user of the issuer.
    pub user: String,
    /// Whether it is a token or a session.
    pub kind: RevocationKind,
    /// Its `jti` or `sid`.
    pub name: String,
    /// Its end.
    pub until_unix_ms: i64,
}
