//! Rooms, members and invitations, as they go into the store and come out.
//! Never: SQL, or a type of one backend.

use std::sync::Arc;

use portcullis_model::{RoomId, UserId, Visibility};

use crate::rows::write_fence::WriteFence;

/// A stored room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomRow {
    /// The room.
    pub id: RoomId,
    /// The name that users see.
    pub name: Arc<str>,
    /// The user who created it.
    pub owner: UserId,
    /// Which users may join.
    pub visibility: Visibility,
}

/// A room to create.
#[derive(Debug, Clone)]
pub struct NewRoom {
    /// The new room's id; never that of a room that exists.
    pub id: RoomId,
    /// The name.
    pub name: Arc<str>,
    /// Which users may join.
    pub visibility: Visibility,
    /// The user who creates it and becomes its first member.
    pub owner: UserId,
    /// The current time.
    pub created_unix_ms: i64,
    /// The requesting connection; returned in the feed.
    pub origin: u64,
    /// How many rooms one user may own.
    pub rooms_per_user_max: u32,
    /// The party that the room is charged to; returned in the feed.
    pub party: u64,
    /// Whether the user is still allowed; checked after all earlier changes were reported.
    pub fence: Option<WriteFence>,
}

/// The result of a [`NewRoom`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateRoomOutcome {
    /// The room exists, with its owner as the only member.
    Created,
    /// The owner has as many rooms as allowed.
    TooMany,
    /// The requesting user is no longer allowed.
    Ended,
}

/// A request to join a room, or, for a member, to get a position in the feed's order.
#[derive(Debug, Clone)]
pub struct JoinRequest {
    /// The room.
    pub room: RoomId,
    /// The user.
    pub user: UserId,
    /// The requesting connection; returned in the feed.
    pub origin: u64,
    /// How many members a room may have.
    pub members_max: u32,
    /// The party that the membership is charged to; returned in the feed.
    pub party: u64,
}

/// The result of a [`JoinRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinOutcome {
    /// The user is a member.
    Joined {
        /// The room's newest sequence number at that moment; 0 when empty.
        seq: u64,
        /// Whether the user was a member before.
        already: bool,
        /// Whether a role admitted the user, and neither the owner nor the room's visibility.
        by_role: bool,
    },
    /// The room or user does not exist, or the user may not join it.
    Missing,
    /// The room has as many members as allowed.
    Full,
}

/// A request to invite a user to a room.
#[derive(Debug, Clone)]
pub struct InviteRequest {
    /// The room.
    pub room: RoomId,
    /// The user to invite.
    pub user: UserId,
    /// The requesting user.
    pub by: UserId,
    /// Whether the requesting user may invite to every room, and not only as its owner.
    pub anywhere: bool,
    /// How many unused invitations the room may have.
    pub invited_max: u32,
    /// The party that the invitation is charged to; returned in the feed.
    pub party: u64,
}

/// The result of an [`InviteRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteOutcome {
    /// The user may join.
    Invited,
    /// The user is a member.
    Already,
    /// The room or user does not exist, or the requesting user may not invite.
    Missing,
    /// The room has as many unused invitations as allowed.
    Full,
}

/// A request to remove a user from a room and to bar the user.
#[derive(Debug, Clone)]
pub struct KickRequest {
    /// The room.
    pub room: RoomId,
    /// The user to kick; never the owner.
    pub user: UserId,
    /// The requesting user.
    pub by: UserId,
    /// Whether the requesting user may kick from every room, and not only as its owner.
    pub anywhere: bool,
    /// How many users the room may bar.
    pub barred_max: u32,
    /// The party that the bar is charged to; returned in the feed.
    pub party: u64,
}

/// The result of a [`KickRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KickOutcome {
    /// The user is barred, and not a member any more.
    Kicked {
        /// Whether the user was a member until now.
        was_member: bool,
    },
    /// The room or user does not exist, or the requesting user may not kick.
    Missing,
    /// The room bars as many users as allowed; the membership has not changed.
    Full,
}

/// The result of leaving a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaveOutcome {
    /// The membership has ended.
    Left,
    /// The user was not a member.
    NotMember,
}

/// A request to delete a room.
#[derive(Debug, Clone)]
pub struct DeleteRoomRequest {
    /// The room.
    pub room: RoomId,
    /// The requesting user.
    pub by: UserId,
    /// Whether the requesting user may delete every room, and not only as its owner.
    pub anywhere: bool,
}

/// The result of deleting a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteRoomOutcome {
    /// The room is deleted, with its members and messages.
    Deleted,
    /// The room does not exist, or the requesting user may not delete it.
    Rejected,
}
