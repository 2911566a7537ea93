//! What the live directory is built from at the start.
//! Never: messages.

use portcullis_model::{RoomId, UserId};

use crate::rows::accounts::{Revocation, SessionRow};
use crate::rows::rooms::{RoomRow, UserRow};

/// Everything the live directory is built from.
#[derive(Debug, Clone, Default)]
pub struct StoreSnapshot {
    /// All users.
    pub users: Vec<UserRow>,
    /// All rooms that are not deleted.
    pub rooms: Vec<RoomSnapshot>,
    /// All members of these rooms.
    pub members: Vec<(RoomId, UserId)>,
    /// Users who are invited into these rooms.
    pub invited: Vec<(RoomId, UserId)>,
    /// Users who are barred from them.
    pub barred: Vec<(RoomId, UserId)>,
    /// All sessions.
    pub sessions: Vec<SessionRow>,
    /// All revocations.
    pub revocations: Vec<Revocation>,
    /// The latest end of a revocation that was deleted, in milliseconds since 1970; 0 for none.
    pub revocations_ended_unix_ms: i64,
}

/// A room at the start: its row, and the time of its last message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomSnapshot {
    /// The room.
    pub room: RoomRow,
    /// When the newest message was stored, or else the room.
    pub active_unix_ms: i64,
}
