//! `room:list {after?, search?}`: lists the rooms that a user can see, page by page.
//! Never: a private room of which the user is not a member.

use std::sync::Arc;

use portcullis_guard::{Cleaner, Event, Permit, Rate, Room, RoomCursor, RoomQuery, Rule, field};
use portcullis_model::Denial;
use portcullis_server::{Context, Reply};
use serde::{Deserialize, Serialize};

use crate::view::RoomView;

/// Most rooms on a page: about 20 KiB of JSON.
const ROOMS_MAX: usize = 100;
/// Longest search text, in characters: as long as the name of a room.
const SEARCH_MAX_CHARS: usize = 64;

/// The payload.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoomList {
    /// `next` of the page before.
    #[serde(default, deserialize_with = "field::optional_text::<_, 128>")]
    after: Option<String>,
    /// A part of the name, in any case.
    #[serde(default, deserialize_with = "field::optional_text::<_, 1024>")]
    search: Option<String>,
    #[serde(skip)]
    cursor: Option<RoomCursor>,
}

impl Event for RoomList {
    const NAME: &'static str = "room:list";
    const RULE: Rule = Rule {
        fields: &["after", "search"],
        size_max_bytes: 2048,
        rate: Some(Rate::per(30, 60_000)),
        ..Rule::DEFAULT
    };

    fn clean(&mut self, cleaner: &mut Cleaner<'_>) -> Result<(), Denial> {
        if let Some(after) = &self.after {
            let wrong = Denial::Schema { field: Some("after"), rule: "cursor" };
            self.cursor = Some(RoomCursor::parse(after).ok_or(wrong)?);
        }
        if let Some(search) = &self.search {
            let name = cleaner.name("search", search.trim(), SEARCH_MAX_CHARS)?;
            self.search = Some(name.to_lowercase());
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct RoomListView {
    rooms: Vec<RoomView>,
    /// The start of the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Acknowledges with `rooms` and `next`: own rooms first, then public ones, the most active first.
/// Each room tells whether the user is a `member`.
pub(crate) async fn handle(permit: Permit<RoomList>, context: Context) -> Result<Reply, Denial> {
    let (user, payload) = (&permit.user().id, permit.payload());
    let page = context.directory.list_rooms(&RoomQuery {
        user,
        after: payload.cursor.as_ref(),
        search: payload.search.as_deref(),
        limit: ROOMS_MAX,
    });
    let view =
        |room: &Arc<Room>| RoomView { member: Some(room.is_member(user)), ..RoomView::new(room) };
    let rooms = page.rooms.iter().map(view).collect();
    Ok(Reply::fields(&RoomListView { rooms, next: page.next.map(|next| next.to_text()) }))
}
