//! Publishes which members of a room are online.
//! Never: a wait; when a queue is full the event is dropped, and the next change corrects it.

use std::sync::Arc;

use portcullis_guard::User;
use portcullis_model::RoomId;
use portcullis_server::{DeliveryTiming, Delta, Frame, Hub};

use crate::view::{MemberChange, MemberView};

/// Notifies a room that the last connection of a member has ended, or that one has returned.
pub(crate) fn publish(hub: &Hub, room: &RoomId, user: &Arc<User>, change: MemberChange) {
    let name = user.name();
    let view = MemberView::new(room, &user.id, &name, change, user.external);
    let Some(frame) = member_frame(&view) else { return };
    let timing = DeliveryTiming::default();
    if hub.try_deliver(Delta::Publish { room: room.clone(), frame, timing }).is_err() {
        tracing::debug!(%room, ?change, "a presence event was dropped: a queue is full");
    }
}

/// The event `room:member`.
pub(crate) fn member_frame(view: &MemberView<'_>) -> Option<Arc<Frame>> {
    let json = serde_json::to_string(view).ok()?;
    Some(Frame::event("room:member", &json))
}
