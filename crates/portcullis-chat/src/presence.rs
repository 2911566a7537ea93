//! Who is there, and who is not any more.
//! Never: a wait; presence that finds a full queue is lost, the next change mends it.

use std::sync::Arc;

use portcullis_guard::User;
use portcullis_model::RoomId;
use portcullis_server::{Delta, Frame, Hub};

use crate::view::{MemberChange, MemberView};

/// Runs when the last live connection of a user in a room has gone.
pub(crate) fn went_offline(hub: &Hub, room: &RoomId, user: &Arc<User>) {
    let Some(frame) = member_frame(&MemberView::new(
        room,
        &user.id,
        &user.name(),
        MemberChange::Offline,
        user.external,
    )) else {
        return;
    };
    if hub.try_deliver(Delta::Publish { room: room.clone(), frame }).is_err() {
        tracing::debug!(%room, "a member's going offline was not told: a queue is full");
    }
}

/// The event `room:member`.
pub(crate) fn member_frame(view: &MemberView<'_>) -> Option<Arc<Frame>> {
    let json = serde_json::to_string(view).ok()?;
    Some(Frame::event("room:member", &json))
}
