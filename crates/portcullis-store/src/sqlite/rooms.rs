//! Rooms of the embedded store: all of them are changes.
//! Never: a call that blocks its caller.

use portcullis_model::{RoomId, UserId};

use crate::future::StoreFuture;
use crate::rooms::RoomStore;
use crate::rows::rooms::{
    CreateRoomOutcome, DeleteRoomOutcome, DeleteRoomRequest, InviteOutcome, InviteRequest,
    JoinOutcome, JoinRequest, KickOutcome, KickRequest, LeaveOutcome, NewRoom,
};
use crate::sqlite::store::SqliteStore;

impl RoomStore for SqliteStore {
    fn create_room(&self, room: NewRoom) -> StoreFuture<'_, CreateRoomOutcome> {
        self.write(move |state, changes| state.create_room(room, changes))
    }

    fn join_room(&self, join: JoinRequest) -> StoreFuture<'_, JoinOutcome> {
        self.write(move |state, changes| state.join_room(join, changes))
    }

    fn invite_to_room(&self, invitation: InviteRequest) -> StoreFuture<'_, InviteOutcome> {
        self.write(move |state, changes| state.invite_to_room(invitation, changes))
    }

    fn kick_from_room(&self, kick: KickRequest) -> StoreFuture<'_, KickOutcome> {
        self.write(move |state, changes| state.kick_from_room(kick, changes))
    }

    fn leave_room(&self, room: RoomId, user: UserId) -> StoreFuture<'_, LeaveOutcome> {
        self.write(move |state, changes| state.leave_room(room, user, changes))
    }

    fn delete_room(&self, deletion: DeleteRoomRequest) -> StoreFuture<'_, DeleteRoomOutcome> {
        self.write(move |state, changes| state.delete_room(deletion, changes))
    }
}
