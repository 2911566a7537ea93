//! `room:delete {roomId}`: the owner or a moderator deletes a room with its members and messages.
//! Never: a response that distinguishes the room of another user from a missing room.

use std::sync::Arc;

use portcullis_guard::{Access, Event, Permit, Rate, Rule, check_rank, field};
use portcullis_model::{Code, Denial, Role, RoomId};
use portcullis_server::{Context, Reply};
use portcullis_store::{DeleteRoomOutcome, DeleteRoomRequest, StoreError};
use serde::Deserialize;

use crate::chat::Chat;
use crate::record::record_success;

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
        access: Access::OwnerOr(Role::Moderator),
        sensitive: true,
        ..Rule::DEFAULT
    };

    fn room(&self) -> Option<&RoomId> {
        Some(&self.room_id)
    }
}

/// Acknowledges with `ok`.
pub(crate) async fn handle(
    chat: Arc<Chat>,
    permit: Permit<RoomDelete>,
    context: Context,
) -> Result<Reply, Denial> {
    let (by_role, roles) = (permit.is_anywhere(), permit.roles());
    let (user, payload, _envelope) = permit.into_parts();
    let directory = &context.directory;
    let owner = directory.room(&payload.room_id).map(|room| room.owner());
    let is_owner = owner.as_ref() == Some(&user.id);
    // A role does not permit deleting a room whose owner has the same or a higher rank.
    if let (false, Some(owner)) = (is_owner, owner.and_then(|owner| directory.user(&owner))) {
        check_rank(roles, &owner, is_owner)?;
    }
    let (room, by) = (payload.room_id.clone(), user.id.clone());
    let deleted = chat.store.delete_room(DeleteRoomRequest { room, by, anywhere: by_role });
    match deleted.await.map_err(StoreError::into_denial)? {
        DeleteRoomOutcome::Deleted => {}
        DeleteRoomOutcome::Rejected => return Err(Denial::Forbidden("not_owner")),
    }
    let code = if is_owner { Code::AuthzChange } else { Code::AuthzAdmin };
    record_success(&context, &user, code, RoomDelete::NAME, Some(&payload.room_id), None);
    Ok(Reply::ok())
}
