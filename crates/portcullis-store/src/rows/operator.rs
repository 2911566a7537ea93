//! Actions of operators beside a server: their records, deleted users, listed rooms.
//! Never: SQL, or a type of one backend.

use std::sync::Arc;

use portcullis_model::{RoomId, UserId, Visibility};

/// An action of an operator beside the server, which the server is to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorAction {
    /// Its subject.
    pub kind: OperatorActionKind,
    /// The affected user, if there is one.
    pub user: Option<UserId>,
    /// The operation and the operator, in words; no secrets.
    pub detail: String,
    /// Its time.
    pub at_unix_ms: i64,
}

/// The subject of an [`OperatorAction`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorActionKind {
    /// A user's roles.
    Roles,
    /// Whether a user may log in or send messages; rooms.
    Status,
    /// A user's password or second factor.
    Factors,
    /// Ended sessions, revoked tokens.
    Session,
    /// A session that was opened to issue a token.
    Opened,
    /// An invitation.
    Invitation,
    /// A login link for a user.
    LoginLink,
    /// Keys that sign or seal.
    Keys,
    /// A blocked network.
    Block,
    /// Personal parts that were erased from the security log.
    LogErased,
    /// A backup that was written.
    Backup,
    /// A backup that was restored.
    Restored,
}

impl OperatorActionKind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::Roles,
        Self::Status,
        Self::Factors,
        Self::Session,
        Self::Opened,
        Self::Invitation,
        Self::LoginLink,
        Self::Keys,
        Self::Block,
        Self::LogErased,
        Self::Backup,
        Self::Restored,
    ];

    /// The word that is stored.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Roles => "roles",
            Self::Status => "standing",
            Self::Factors => "factors",
            Self::Session => "session",
            Self::Opened => "opened",
            Self::Invitation => "invitation",
            Self::LoginLink => "login_link",
            Self::Keys => "keys",
            Self::Block => "block",
            Self::LogErased => "log_erased",
            Self::Backup => "backup",
            Self::Restored => "restored",
        }
    }
}

/// A request to delete a user.
#[derive(Debug, Clone)]
pub struct DeleteUserRequest {
    /// The user.
    pub user: UserId,
    /// The action for the rooms that the user owns.
    pub rooms: OwnedRooms,
    /// The current time.
    pub at_unix_ms: i64,
}

/// The action for the rooms of a deleted user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnedRooms {
    /// They are deleted too.
    Deleted,
    /// They stay, without an owner: moderators and administrators manage them.
    Kept,
}

impl OwnedRooms {
    /// Describes it for a number of rooms, as in `1 room deleted`.
    #[must_use]
    pub fn describe(self, count: usize) -> String {
        let rooms = if count == 1 { "room" } else { "rooms" };
        match self {
            Self::Deleted => format!("{count} {rooms} deleted"),
            Self::Kept => format!("{count} {rooms} kept without an owner"),
        }
    }
}

/// The result of a [`DeleteUserRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteUserOutcome {
    /// The user is deleted.
    Deleted {
        /// Rooms of the user, which are deleted or without an owner now.
        rooms: usize,
    },
    /// The user does not exist.
    Missing,
    /// The user is the last administrator.
    LastAdmin,
}

/// A room, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomSummary {
    /// The room.
    pub id: RoomId,
    /// The name that users see.
    pub name: Arc<str>,
    /// Which users may join.
    pub visibility: Visibility,
    /// The owner's name.
    pub owner: Arc<str>,
    /// The number of members.
    pub members: u64,
    /// How many messages were ever stored.
    pub messages: u64,
    /// When the newest message was stored, or else the room.
    pub active_unix_ms: i64,
}
