//! `room:leave {roomId}`: ends the membership of a user, on all connections.
//! Never: rejected because of a rate; leaving must always be possible.

use std::sync::Arc;

use portcullis_guard::{Access, Event, Permit, Priority, Rate, Replay, Rule, field};
use portcullis_model::{Code, Denial, RoomId};
use portcullis_server::{Context, Reply};
use portcullis_store::{LeaveOutcome, StoreError};
use serde::Deserialize;

use crate::chat::Chat;
use crate::record::record_success;

/// The payload.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RoomLeave {
    #[serde(deserialize_with = "field::room_id")]
    room_id: RoomId,
}

impl Event for RoomLeave {
    const NAME: &'static str = "room:leave";
    const RULE: Rule = Rule {
        fields: &["roomId"],
        size_max_bytes: 512,
        rate: Some(Rate::per(60, 60_000)),
        access: Access::Member,
        replay: Replay::None,
        release: true,
        priority: Priority::Vital,
        ..Rule::DEFAULT
    };

    fn room(&self) -> Option<&RoomId> {
        Some(&self.room_id)
    }
}

/// Acknowledges with `ok`.
pub(crate) async fn handle(
    chat: Arc<Chat>,
    permit: Permit<RoomLeave>,
    context: Context,
) -> Result<Reply, Denial> {
    let (user, payload, _envelope) = permit.into_parts();
    let left = chat.store.leave_room(payload.room_id.clone(), user.id.clone());
    match left.await.map_err(StoreError::into_denial)? {
        LeaveOutcome::Left => {}
        LeaveOutcome::NotMember => return Err(Denial::Forbidden("not_member")),
    }
    record_success(
        &context,
        &user,
        Code::AuthzChange,
        RoomLeave::NAME,
        Some(&payload.room_id),
        None,
    );
    Ok(Reply::ok())
}
