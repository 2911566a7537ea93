//! `room:members {roomId, after?}`: lists the members of a room, and which of them are online.
//! Never: a list for a user who is not a member.

use std::sync::Arc;

use portcullis_guard::{Access, Event, Permit, Rate, Rule, field};
use portcullis_model::{Denial, RoomId, UserId};
use portcullis_server::{Context, Reply};
use serde::{Deserialize, Serialize};

use crate::view::is_false;

/// Most members on a page: about 50 KiB of JSON.
const MEMBERS_MAX: usize = 500;

/// The payload.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RoomMembers {
    #[serde(deserialize_with = "field::room_id")]
    room_id: RoomId,
    /// `next` of the page before.
    #[serde(default, deserialize_with = "field::optional_user_id")]
    after: Option<UserId>,
}

impl Event for RoomMembers {
    const NAME: &'static str = "room:members";
    const RULE: Rule = Rule {
        fields: &["roomId", "after"],
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
struct MemberListView {
    members: Vec<MemberEntryView>,
    /// The start of the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
struct MemberEntryView {
    id: String,
    username: Arc<str>,
    online: bool,
    #[serde(skip_serializing_if = "is_false")]
    external: bool,
}

/// Acknowledges with `members`, sorted by id, and `next`.
pub(crate) async fn handle(permit: Permit<RoomMembers>, context: Context) -> Result<Reply, Denial> {
    let directory = &context.directory;
    let id = &permit.payload().room_id;
    let room = directory.room(id).ok_or(Denial::Forbidden("deleted"))?;
    let (members, more) = room.members_after(permit.payload().after.as_ref(), MEMBERS_MAX);
    let next = members.last().filter(|_| more).map(ToString::to_string);
    let users = members.iter().filter_map(|member| directory.user(member));
    let members = users
        .map(|user| MemberEntryView {
            id: user.id.to_string(),
            username: user.name(),
            online: directory.watching(id, &user.id) > 0,
            external: user.external,
        })
        .collect();
    Ok(Reply::fields(&MemberListView { members, next }))
}
