//! `room:join {roomId}`: a user becomes a member, or a member's connection starts to hear.
//! Never: a room found by guessing; what is private is as if it were not there.

use std::sync::Arc;

use portcullis_guard::{Access, Event, Party, Permit, Priority, Rate, Rule, field};
use portcullis_model::limits::ROOMS_PER_CONNECTION_MAX;
use portcullis_model::{Code, Denial, RoomId};
use portcullis_server::{Context, Reply};
use portcullis_store::{JoinOutcome, JoinRequest, StoreError};
use serde::{Deserialize, Serialize};

use crate::Chat;
use crate::chat::record_act;
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
struct Joined {
    room: RoomView,
    seq: u64,
}

/// Acknowledges with `room` and `seq`; every message after `seq` reaches the connection.
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
        // The room hears of it as well: `byRole` in `room:member`.
        let code = if by_role { Code::AuthzAdmin } else { Code::AuthzChange };
        record_act(&context, &user, code, RoomJoin::NAME, Some(&payload.room_id), None);
    }
    // It may have been deleted while the answer was on its way.
    let room = context.directory.room(&payload.room_id).ok_or(Denial::Forbidden("deleted"))?;
    Ok(Reply::fields(&Joined { room: RoomView::new(&room), seq }))
}
