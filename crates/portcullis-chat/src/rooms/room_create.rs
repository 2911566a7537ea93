//! `room:create {name, visibility}`: creates a room; its owner is the first member.
//! Never: an id that a client chose.

use std::sync::Arc;

use portcullis_guard::{Cleaner, Event, Party, Permit, Rate, Relation, Rule, Table};
use portcullis_model::limits::ROOMS_PER_CONNECTION_MAX;
use portcullis_model::{Code, Denial, RoomId};
use portcullis_server::{Context, Reply, random_id};
use portcullis_store::{CreateRoomOutcome, NewRoom, StoreError, WriteFence};
use serde::{Deserialize, Serialize};

use crate::chat::Chat;
use crate::record::record_success;
use crate::view::{RoomView, VisibilityWord};

/// Longest name of a room, in characters.
const NAME_MAX_CHARS: usize = 64;

/// The payload.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoomCreate {
    name: String,
    visibility: VisibilityWord,
}

impl Event for RoomCreate {
    const NAME: &'static str = "room:create";
    const RULE: Rule = Rule {
        fields: &["name", "visibility"],
        size_max_bytes: 2048,
        rate: Some(Rate::per(10, 60_000)),
        speaks: true,
        ..Rule::DEFAULT
    };

    fn clean(&mut self, cleaner: &mut Cleaner<'_>) -> Result<(), Denial> {
        self.name = cleaner.name("name", &self.name, NAME_MAX_CHARS)?;
        Ok(())
    }
}

#[derive(Serialize)]
struct CreatedView {
    room: RoomView,
}

/// A random id that does not begin with `-`, so that it is not an option of the command line.
fn new_room_id() -> Result<RoomId, Denial> {
    loop {
        let text = random_id::<16>()?;
        if !text.starts_with('-') {
            return RoomId::parse(&text).map_err(|_| Denial::Internal("room_id"));
        }
    }
}

/// Acknowledges with `room`; the connection is subscribed by then.
pub(crate) async fn handle(
    chat: Arc<Chat>,
    permit: Permit<RoomCreate>,
    context: Context,
) -> Result<Reply, Denial> {
    if context.room_count() >= ROOMS_PER_CONNECTION_MAX {
        return Err(Denial::RoomLimit("rooms_per_connection"));
    }
    let party = Party::of(context.client);
    context.directory.check_space(Table::Rooms, party)?;
    chat.check_membership(&context, permit.user(), Relation::None)?;
    let (lease, now) = (permit.lease(), context.now);
    let (owner, payload, _envelope) = permit.into_parts();
    let id = new_room_id()?;
    let name: Arc<str> = Arc::from(payload.name);
    let room = NewRoom {
        id: id.clone(),
        name: Arc::clone(&name),
        visibility: payload.visibility.into(),
        owner: owner.id.clone(),
        created_unix_ms: context.now.unix_ms,
        origin: context.connection.to_bits(),
        rooms_per_user_max: chat.options.rooms_per_user_max,
        party: party.to_bits(),
        fence: Some(WriteFence::new(move || lease.may_send(now))),
    };
    match chat.store.create_room(room).await.map_err(StoreError::into_denial)? {
        CreateRoomOutcome::Created => {}
        CreateRoomOutcome::Ended => return Err(Denial::Forbidden("ended")),
        CreateRoomOutcome::TooMany => return Err(Denial::RoomLimit("rooms_per_user")),
    }
    record_success(&context, &owner, Code::AuthzChange, RoomCreate::NAME, Some(&id), None);
    let room = RoomView {
        id: id.to_string(),
        name,
        owner_id: owner.id.to_string(),
        visibility: payload.visibility,
        member: None,
    };
    Ok(Reply::fields(&CreatedView { room }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_id_does_not_begin_with_a_hyphen() {
        let ids: Vec<_> = (0..1_000).map(|_| new_room_id().unwrap()).collect();
        assert!(ids.iter().all(|id| !id.to_string().starts_with('-')));
    }

    #[test]
    fn room_create_accepts_declared_fields_only() {
        let cases = [
            (r#"{"name":"Tea","visibility":"public"}"#, true),
            (r#"{"name":"Tea"}"#, false),
            (r#"{"name":"Tea","visibility":"secret"}"#, false),
            (r#"{"name":["Tea"],"visibility":"public"}"#, false),
            (r#"{"name":"Tea","visibility":"public","id":"mine"}"#, false),
        ];
        for (json, fine) in cases {
            assert_eq!(serde_json::from_str::<RoomCreate>(json).is_ok(), fine, "{json}");
        }
    }
}
