//! The contract of every backend for rooms and their members.
//! Never: a decision about access; it only repeats checks that a guard has made.

use portcullis_model::{RoomId, UserId};

use crate::future::StoreFuture;
use crate::rows::rooms::{
    CreateRoomOutcome, DeleteRoomOutcome, DeleteRoomRequest, InviteOutcome, InviteRequest,
    JoinOutcome, JoinRequest, KickOutcome, KickRequest, LeaveOutcome, NewRoom,
};

/// Rooms, members and invitations. [`crate::Store`] states order, atomicity and durability.
pub trait RoomStore: Send + Sync + 'static {
    /// Creates a room and makes its owner a member.
    fn create_room(&self, room: NewRoom) -> StoreFuture<'_, CreateRoomOutcome>;

    /// Makes a user a member of a public room, or of a room that the user is invited to.
    ///
    /// An invitation is used up. A member or the owner can always join. A barred user cannot.
    /// Members call it as well: the feed orders the result's `seq` among the room's messages, so a
    /// client that subscribes at that position misses no later message.
    fn join_room(&self, join: JoinRequest) -> StoreFuture<'_, JoinOutcome>;

    /// Invites a user to a room, and lifts a bar.
    ///
    /// The owner may do so, and users with a role that covers every room. The invitation is valid
    /// until the user joins or is kicked.
    fn invite_to_room(&self, invitation: InviteRequest) -> StoreFuture<'_, InviteOutcome>;

    /// Removes a user from a room and bars the user.
    ///
    /// The owner may do so, and users with a role that covers every room. The owner cannot be
    /// kicked. Messages of the user that come later in the order are rejected; the feed receives
    /// the end of the membership first.
    fn kick_from_room(&self, kick: KickRequest) -> StoreFuture<'_, KickOutcome>;

    /// Ends a membership. An owner who leaves stays the owner.
    fn leave_room(&self, room: RoomId, user: UserId) -> StoreFuture<'_, LeaveOutcome>;

    /// Deletes a room with its members and messages, for its owner or by a role.
    fn delete_room(&self, deletion: DeleteRoomRequest) -> StoreFuture<'_, DeleteRoomOutcome>;
}
