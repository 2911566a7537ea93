//! Everything that the start reads to build the directory in memory.
//! Never: messages.

use portcullis_model::{RoomId, UserId};

use crate::rows::access_snapshot::AccessSnapshot;
use crate::rows::rooms::RoomRow;

/// Everything except messages, as of one moment.
#[derive(Debug, Clone, Default)]
pub struct StoreSnapshot {
    /// Users, sessions and revocations.
    pub access: AccessSnapshot,
    /// All rooms that are not deleted.
    pub rooms: Vec<RoomSnapshot>,
    /// All members of these rooms.
    pub members: Vec<(RoomId, UserId)>,
    /// Users who are invited to these rooms.
    pub invited: Vec<(RoomId, UserId)>,
    /// Users who are barred from them.
    pub barred: Vec<(RoomId, UserId)>,
}

/// A room, with the time of its last message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomSnapshot {
    /// The room.
    pub room: RoomRow,
    /// When the newest message was stored, or else the room.
    pub active_unix_ms: i64,
}
