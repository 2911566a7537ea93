//! The list of rooms that a user sees, page by page.
//! Never: a room that the user may not see.

use std::cmp::Reverse;
use std::ops::Bound;
use std::sync::Arc;

use portcullis_model::{RoomId, Visibility};

use crate::directory::list::{
    Place, Position, RoomCursor, RoomPage, RoomQuery, SEARCHED_ROOMS_MAX,
};
use crate::directory::tables::Directory;

impl Directory {
    /// A page of the rooms that a user can see: first the user's own, then public ones, each by
    /// newest activity.
    ///
    /// A page searches a bounded number of rooms, so it can be short or empty, and name a next one.
    /// A room that becomes active while a client pages moves to the front.
    #[must_use]
    pub fn list_rooms(&self, query: &RoomQuery<'_>) -> RoomPage {
        let mut page = RoomPage::default();
        let start = match query.after.map(|cursor| &cursor.0) {
            Some(Place::Public(position)) => Bound::Excluded(position.clone()),
            Some(Place::PublicStart) => Bound::Unbounded,
            Some(Place::Own(minute, id)) => {
                self.list_own(query, Some((*minute, id)), &mut page);
                Bound::Unbounded
            }
            None => {
                self.list_own(query, None, &mut page);
                Bound::Unbounded
            }
        };
        if page.next.is_none() {
            self.list_public(query, start, &mut page);
        }
        page
    }

    fn list_own(
        &self,
        query: &RoomQuery<'_>,
        after: Option<(Reverse<i64>, &RoomId)>,
        page: &mut RoomPage,
    ) {
        let rooms = self.rooms_of(query.user).into_iter().filter(|room| query.matches(room));
        let mut own: Vec<_> = rooms
            .map(|room| (Reverse(room.active_minute()), room))
            .filter(|(minute, room)| after.is_none_or(|after| (*minute, &room.id) > after))
            .collect();
        own.sort_unstable_by(|one, other| (one.0, &one.1.id).cmp(&(other.0, &other.1.id)));
        let more = own.len() > query.limit;
        own.truncate(query.limit);
        if let (true, Some((minute, room))) = (more, own.last()) {
            page.next = Some(RoomCursor(Place::Own(*minute, room.id.clone())));
        }
        page.rooms = own.into_iter().map(|(_, room)| room).collect();
    }

    fn list_public(&self, query: &RoomQuery<'_>, start: Bound<Position>, page: &mut RoomPage) {
        let index = self.public.read();
        let mut rest = index.listed.range((start.clone(), Bound::Unbounded)).peekable();
        if page.rooms.len() >= query.limit {
            let begins = matches!(start, Bound::Unbounded) && rest.peek().is_some();
            page.next = begins.then_some(RoomCursor(Place::PublicStart));
            return;
        }
        let mut searched = 0;
        while let Some((position, room)) = rest.next() {
            searched += 1;
            if !room.is_member(query.user) && query.matches(room) {
                page.rooms.push(Arc::clone(room));
            }
            let is_full = page.rooms.len() >= query.limit || searched >= SEARCHED_ROOMS_MAX;
            if is_full && rest.peek().is_some() {
                page.next = Some(RoomCursor(Place::Public(position.clone())));
            }
            if is_full {
                return;
            }
        }
    }

    /// Records that a message was sent in a room, or that the room was created.
    pub fn note_activity(&self, id: &RoomId, unix_ms: i64) {
        let Some(room) = self.room(id) else { return };
        if room.note_activity(unix_ms) {
            // The lock of all changes: the room could be removed meanwhile.
            let _sizes = self.sizes.lock();
            if room.visibility() == Visibility::Public && !room.is_ended() {
                self.public.write().put(&room.owner(), &room);
            }
        }
    }
}
