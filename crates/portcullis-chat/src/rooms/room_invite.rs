//! `room:invite {roomId, userId}`: lets a user join, also a private room or one that barred them.
//! Never: a membership; the invited user decides whether to join.

use std::sync::Arc;

use portcullis_guard::{Access, Event, Party, Permit, Rate, Relation, Rule, Table, field};
use portcullis_model::{Code, Denial, Role, RoomId, UserId};
use portcullis_server::{Context, Reply};
use portcullis_store::{InviteOutcome, InviteRequest, StoreError};
use serde::Deserialize;

use crate::chat::Chat;
use crate::record::record_success;

/// The payload.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RoomInvite {
    #[serde(deserialize_with = "field::room_id")]
    room_id: RoomId,
    #[serde(deserialize_with = "field::user_id")]
    user_id: UserId,
}

impl Event for RoomInvite {
    const NAME: &'static str = "room:invite";
    const RULE: Rule = Rule {
        fields: &["roomId", "userId"],
        size_max_bytes: 512,
        rate: Some(Rate::per(60, 60_000)),
        access: Access::OwnerOr(Role::Moderator),
        speaks: true,
        ..Rule::DEFAULT
    };

    fn room(&self) -> Option<&RoomId> {
        Some(&self.room_id)
    }
}

/// Acknowledges with `ok`.
pub(crate) async fn handle(
    chat: Arc<Chat>,
    permit: Permit<RoomInvite>,
    context: Context,
) -> Result<Reply, Denial> {
    let anywhere = permit.is_anywhere();
    let (by, payload, _envelope) = permit.into_parts();
    let party = Party::of(context.client);
    let room = context.directory.room(&payload.room_id).ok_or(Denial::Forbidden("missing"))?;
    match room.relation(&payload.user_id) {
        Relation::None => context.directory.check_space(Table::Memberships, party)?,
        // An existing entry is replaced and needs no more space.
        Relation::Barred | Relation::Invited | Relation::Member | Relation::Owner => {}
    }
    let invited = chat.store.invite_to_room(InviteRequest {
        room: payload.room_id.clone(),
        user: payload.user_id.clone(),
        by: by.id.clone(),
        anywhere,
        invited_max: chat.options.standing_per_room_max,
        party: party.to_bits(),
    });
    match invited.await.map_err(StoreError::into_denial)? {
        InviteOutcome::Invited | InviteOutcome::Already => {}
        InviteOutcome::Missing => return Err(Denial::Forbidden("missing")),
        InviteOutcome::Full => return Err(Denial::RoomLimit("standing_per_room")),
    }
    let code = if room.owner() == by.id { Code::AuthzChange } else { Code::AuthzAdmin };
    record_success(
        &context,
        &by,
        code,
        RoomInvite::NAME,
        Some(&payload.room_id),
        Some(&payload.user_id),
    );
    Ok(Reply::ok())
}
