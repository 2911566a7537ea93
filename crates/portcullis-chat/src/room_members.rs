//! `room:members {roomId}`: who is in a room, and who of them is there now.
//! Never: told to anybody outside the room.

use std::sync::Arc;

use portcullis_guard::{Access, Event, Permit, Rate, Rule, field};
use portcullis_model::{Denial, RoomId};
use portcullis_server::{Context, Reply};
use serde::{Deserialize, Serialize};

/// Most members in one answer: about 100 KiB of JSON.
const MEMBERS_MAX: usize = 1000;

/// The payload.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RoomMembers {
    #[serde(deserialize_with = "field::room_id")]
    room_id: RoomId,
}

impl Event for RoomMembers {
    const NAME: &'static str = "room:members";
    const RULE: Rule = Rule {
        fields: &["roomId"],
        size_max_bytes: 512,
        rate: Some(Rate::per(30, 60_000)),
        access: Access::Member,
        ..Rule::DEFAULT
    };

    fn room(&self) -> Option<&RoomId> {
        Some(&self.room_id)
    }
}

#[derive(Serialize)]
struct Listed {
    members: Vec<Listing>,
}

#[derive(Serialize)]
struct Listing {
    id: String,
    username: Arc<str>,
    online: bool,
}

/// Acknowledges with `members`, sorted by id.
pub(crate) async fn handle(permit: Permit<RoomMembers>, context: Context) -> Result<Reply, Denial> {
    let directory = &context.directory;
    let id = &permit.payload().room_id;
    let room = directory.room(id).ok_or(Denial::Forbidden("deleted"))?;
    let members = room.members();
    let users = members.iter().take(MEMBERS_MAX).filter_map(|member| directory.user(member));
    let members = users
        .map(|user| Listing {
            id: user.id.to_string(),
            username: user.name(),
            online: directory.watching(id, &user.id) > 0,
        })
        .collect();
    Ok(Reply::fields(&Listed { members }))
}
