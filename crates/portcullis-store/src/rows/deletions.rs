//! What is deleted, rooms and users, and rooms as operators see them.
//! Never: SQL, or a type of one backend.

use std::sync::Arc;

use portcullis_model::{RoomId, UserId, Visibility};

/// A wish to delete a room.
#[derive(Debug, Clone)]
pub struct DeleteRoomRequest {
    /// The room.
    pub room: RoomId,
    /// The user who requests the deletion.
    pub by: UserId,
    /// Whether that user may delete every room, and not only as its owner.
    pub anywhere: bool,
}

/// What became of deleting a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteRoomOutcome {
    /// It is gone, with its members and messages.
    Deleted,
    /// No such room, or it is another's.
    Rejected,
}

/// A user to delete.
#[derive(Debug, Clone)]
pub struct DeleteUserRequest {
    /// The user.
    pub user: UserId,
    /// What becomes of the rooms that the user owns.
    pub rooms: OwnedRooms,
    /// When.
    pub at_unix_ms: i64,
}

/// What happens to the rooms of a deleted user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnedRooms {
    /// They are deleted too.
    Deleted,
    /// They stay, without an owner: moderators and administrators keep them.
    Kept,
}

impl OwnedRooms {
    /// What happened to so many rooms, for people: `1 room deleted`.
    #[must_use]
    pub fn describe(self, count: usize) -> String {
        let rooms = if count == 1 { "room" } else { "rooms" };
        match self {
            Self::Deleted => format!("{count} {rooms} deleted"),
            Self::Kept => format!("{count} {rooms} kept without an owner"),
        }
    }
}

/// What became of a [`DeleteUserRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteUserOutcome {
    /// The user is gone; how many rooms they owned.
    Deleted {
        /// Rooms of the user: deleted, or without an owner now.
        rooms: usize,
    },
    /// The user does not exist.
    Missing,
    /// The user is the last administrator.
    LastAdmin,
}

/// A room for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomSummary {
    /// The room.
    pub id: RoomId,
    /// The name others see.
    pub name: Arc<str>,
    /// Which users may join.
    pub visibility: Visibility,
    /// The owner's name, as others see it.
    pub owner: Arc<str>,
    /// How many members there are.
    pub members: u64,
    /// How many messages were ever stored.
    pub messages: u64,
    /// When the newest message was stored, or else the room.
    pub active_unix_ms: i64,
}
