//! `room:list {}`: the rooms a user may see.
//! Never: a private room the user is no member of.

use std::sync::Arc;

use portcullis_guard::{Event, Permit, Rate, Room, Rule};
use portcullis_model::Denial;
use portcullis_server::{Context, Reply};
use serde::{Deserialize, Serialize};

use crate::view::RoomView;

/// Most rooms in one answer: about 100 KiB of JSON.
const ROOMS_MAX: usize = 500;

/// The payload: nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoomList {}

impl Event for RoomList {
    const NAME: &'static str = "room:list";
    const RULE: Rule = Rule {
        fields: &[],
        size_max_bytes: 256,
        rate: Some(Rate::per(30, 60_000)),
        ..Rule::DEFAULT
    };
}

#[derive(Serialize)]
struct Listed {
    rooms: Vec<RoomView>,
}

/// Acknowledges with `rooms`: own ones first, each saying whether the user is a `member`.
pub(crate) async fn handle(permit: Permit<RoomList>, context: Context) -> Result<Reply, Denial> {
    let user = &permit.user().id;
    let visible = context.directory.rooms_visible_to(user, ROOMS_MAX);
    let seen_by =
        |room: &Arc<Room>| RoomView { member: Some(room.is_member(user)), ..RoomView::new(room) };
    let rooms = visible.iter().map(seen_by).collect();
    Ok(Reply::fields(&Listed { rooms }))
}
