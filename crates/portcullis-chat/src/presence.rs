//! Who is there, and who is not any more.
//! Never: a wait; presence that finds a full queue is lost, the next change mends it.

use std::sync::Arc;

use portcullis_guard::User;
use portcullis_model::RoomId;
use portcullis_server::{Delta, Frame, Hub};

use crate::view::{MemberChange, MemberView};

/// Tells a room that the last live connection of a member has gone, or that one is back.
pub(crate) fn tell(hub: &Hub, room: &RoomId, user: &Arc<User>, change: MemberChange) {
    let name = user.name();
    let view = MemberView::new(room, &user.id, &name, change, user.external);
    let Some(frame) = member_frame(&view) else { return };
    if hub.try_deliver(Delta::Publish { room: room.clone(), frame }).is_err() {
        tracing::debug!(%room, ?change, "a member's presence was not told: a queue is full");
    }
}

/// The event `room:member`.
pub(crate) fn member_frame(view: &MemberView<'_>) -> Option<Arc<Frame>> {
    let json = serde_json::to_string(view).ok()?;
    Some(Frame::event("room:member", &json))
}
