//! `room:kick {roomId, userId}`: removes a user from a room and bars them until a new invitation.
//! Never: the owner, or a user of a higher rank; nor a message of the user after the
//! acknowledgement.

use std::sync::Arc;

use portcullis_guard::{
    Access, Event, Party, Permit, Priority, Rate, Relation, Rule, Table, check_rank, field,
};
use portcullis_model::{Code, Denial, Role, RoomId, UserId};
use portcullis_server::{Context, Reply};
use portcullis_store::{KickOutcome, KickRequest, StoreError};
use serde::Deserialize;

use crate::chat::Chat;
use crate::record::record_success;

/// The payload.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RoomKick {
    #[serde(deserialize_with = "field::room_id")]
    room_id: RoomId,
    #[serde(deserialize_with = "field::user_id")]
    user_id: UserId,
}

impl Event for RoomKick {
    const NAME: &'static str = "room:kick";
    const RULE: Rule = Rule {
        fields: &["roomId", "userId"],
        size_max_bytes: 512,
        rate: Some(Rate::per(60, 60_000)),
        access: Access::OwnerOr(Role::Moderator),
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
    permit: Permit<RoomKick>,
    context: Context,
) -> Result<Reply, Denial> {
    let (anywhere, roles) = (permit.is_anywhere(), permit.roles());
    let (by, payload, _envelope) = permit.into_parts();
    let party = Party::of(context.client);
    let room = context.directory.room(&payload.room_id).ok_or(Denial::Forbidden("missing"))?;
    let is_owner = room.owner() == by.id;
    if let Some(target) = context.directory.user(&payload.user_id) {
        check_rank(roles, &target, is_owner)?;
    }
    match room.relation(&payload.user_id) {
        Relation::None => context.directory.check_space(Table::Memberships, party)?,
        // The bar replaces the membership, so a full table prevents no kick.
        Relation::Barred | Relation::Invited | Relation::Member | Relation::Owner => {}
    }
    let kicked = chat.store.kick_from_room(KickRequest {
        room: payload.room_id.clone(),
        user: payload.user_id.clone(),
        by: by.id.clone(),
        anywhere,
        barred_max: chat.options.standing_per_room_max,
        party: party.to_bits(),
    });
    match kicked.await.map_err(StoreError::into_denial)? {
        KickOutcome::Kicked { was_member: _ } => {}
        KickOutcome::Missing => return Err(Denial::Forbidden("missing")),
        KickOutcome::Full => return Err(Denial::RoomLimit("standing_per_room")),
    }
    let code = if is_owner { Code::AuthzChange } else { Code::AuthzAdmin };
    record_success(
        &context,
        &by,
        code,
        RoomKick::NAME,
        Some(&payload.room_id),
        Some(&payload.user_id),
    );
    Ok(Reply::ok())
}
