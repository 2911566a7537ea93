//! `room:delete {roomId}`: the owner ends a room, with its members and messages.
//! Never: an answer that tells another's room from one that is not there.

use std::sync::Arc;

use portcullis_guard::{Access, Event, Permit, Rate, Rule, field};
use portcullis_model::{Code, Denial, RoomId};
use portcullis_server::{Context, Reply};
use portcullis_store::DeleteRoom;
use serde::Deserialize;

use crate::Chat;
use crate::chat::{record_act, store_denial};

/// The payload.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RoomDelete {
    #[serde(deserialize_with = "field::room_id")]
    room_id: RoomId,
}

impl Event for RoomDelete {
    const NAME: &'static str = "room:delete";
    const RULE: Rule = Rule {
        fields: &["roomId"],
        size_max_bytes: 512,
        rate: Some(Rate::per(30, 60_000)),
        access: Access::Owner,
        sensitive: true,
        ..Rule::DEFAULT
    };

    fn room(&self) -> Option<&RoomId> {
        Some(&self.room_id)
    }
}

/// Acknowledges with nothing beyond `ok`.
pub(crate) async fn handle(
    chat: Arc<Chat>,
    permit: Permit<RoomDelete>,
    context: Context,
) -> Result<Reply, Denial> {
    let (user, payload, _envelope) = permit.into_parts();
    let deleted = chat.store.delete_room(payload.room_id.clone(), user.id.clone());
    match deleted.await.map_err(|error| store_denial(&error))? {
        DeleteRoom::Deleted => {}
        DeleteRoom::Refused => return Err(Denial::Forbidden("not_owner")),
    }
    record_act(&context, &user, Code::AuthzChange, RoomDelete::NAME, Some(&payload.room_id));
    Ok(Reply::ok())
}
