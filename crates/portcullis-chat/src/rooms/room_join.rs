//! `room:join {roomId}`: a user becomes a member, or a connection of a member subscribes.
//! Never: a hint that a private room exists.

use std::sync::Arc;

use portcullis_guard::{Access, Event, Party, Permit, Priority, Rate, Rule, field};
use portcullis_model::limits::ROOMS_PER_CONNECTION_MAX;
use portcullis_model::{Code, Denial, RoomId};
use portcullis_server::{Context, Reply};
use portcullis_store::{JoinOutcome, JoinRequest, StoreError};
use serde::{Deserialize, Serialize};

use crate::chat::Chat;
use crate::record::record_success;
use crate::view::RoomView;

/// The payload.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RoomJoin {
    #[serde(deserialize_with = "field::room_id")]
    room_id: RoomId,
}

impl Event for RoomJoin {
    const NAME: &'static str = "room:join";
    const RULE: Rule = Rule {
        fields: &["roomId"],
        size_max_bytes: 512,
        rate: Some(Rate::per(60, 60_000)),
        access: Access::Joinable,
        priority: Priority::Vital,
        ..Rule::DEFAULT
    };

    fn room(&self) -> Option<&RoomId> {
        Some(&self.room_id)
    }
}

#[derive(Serialize)]
struct JoinedView {
    room: RoomView,
    seq: u64,
}

/// Acknowledges with `room` and `seq`; the connection receives every message after `seq`.
pub(crate) async fn handle(
    chat: Arc<Chat>,
    permit: Permit<RoomJoin>,
    context: Context,
) -> Result<Reply, Denial> {
    if context.room_count() >= ROOMS_PER_CONNECTION_MAX {
        return Err(Denial::RoomLimit("rooms_per_connection"));
    }
    let (user, payload, _envelope) = permit.into_parts();
    let room = context.directory.room(&payload.room_id);
    if let Some(room) = room.filter(|room| !room.is_member(&user.id)) {
        chat.check_membership(&context, &user, room.relation(&user.id))?;
    }
    let join = JoinRequest {
        room: payload.room_id.clone(),
        user: user.id.clone(),
        origin: context.connection.to_bits(),
        members_max: chat.options.members_per_room_max,
        party: Party::of(context.client).to_bits(),
    };
    let (seq, already, by_role) =
        match chat.store.join_room(join).await.map_err(StoreError::into_denial)? {
            JoinOutcome::Joined { seq, already, by_role } => (seq, already, by_role),
            JoinOutcome::Missing => return Err(Denial::Forbidden("not_joinable")),
            JoinOutcome::Full => return Err(Denial::RoomLimit("members_per_room")),
        };
    if !already {
        // Members see it too: `byRole` in `room:member`.
        let code = if by_role { Code::AuthzAdmin } else { Code::AuthzChange };
        record_success(&context, &user, code, RoomJoin::NAME, Some(&payload.room_id), None);
    }
    // The room can have been deleted since the commit.
    let room = context.directory.room(&payload.room_id).ok_or(Denial::Forbidden("deleted"))?;
    Ok(Reply::fields(&JoinedView { room: RoomView::new(&room), seq }))
}
