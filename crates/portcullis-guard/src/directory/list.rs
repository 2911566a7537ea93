//! The public rooms in the order of the list: newest activity first, with a share for each owner.
//! Never: a sort of all rooms for one request.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use portcullis_model::{RoomId, UserId};

use crate::directory::room::Room;

/// How many rooms of one owner are listed before rooms of other owners have their turn.
const ROOMS_PER_TURN: usize = 3;
/// Most public rooms that are searched for one request; at most about 1 ms.
pub(crate) const SEARCHED_ROOMS_MAX: usize = 5_000;

/// The position of a room among public rooms.
///
/// The turn first: an owner's three most active rooms are in turn 0, the next three in turn 1. So
/// the other rooms of an owner of many come after the first ones of all owners.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    turn: usize,
    active_minute: Reverse<i64>,
    id: RoomId,
}

/// An index of public rooms; worst-case memory 250 bytes a room.
#[derive(Default)]
pub(crate) struct RoomIndex {
    pub(crate) listed: BTreeMap<Position, Arc<Room>>,
    owners: HashMap<UserId, Vec<Entry>>,
}

/// A public room of an owner: its minute of activity, and its id, in the order of the list.
type Entry = (Reverse<i64>, RoomId, Arc<Room>);

impl RoomIndex {
    /// Lists a room, or moves it to the position of its activity.
    pub(crate) fn put(&mut self, owner: &UserId, room: &Arc<Room>) {
        let entry = (Reverse(room.active_minute()), room.id.clone(), Arc::clone(room));
        self.change(owner, &room.id, Some(entry));
    }

    /// Takes a room off the list.
    pub(crate) fn remove(&mut self, owner: &UserId, id: &RoomId) {
        self.change(owner, id, None);
    }

    fn change(&mut self, owner: &UserId, id: &RoomId, entry: Option<Entry>) {
        let mut rooms = self.owners.remove(owner).unwrap_or_default();
        if let Some(index) = rooms.iter().position(|(_, known, _)| known == id) {
            let (active_minute, id, _) = rooms.remove(index);
            self.listed.remove(&position(index, active_minute, &id));
            for (rank, entry) in rooms.iter().enumerate().skip(index) {
                self.move_entry(entry, rank + 1, rank);
            }
        }
        if let Some(entry) = entry {
            let place = (entry.0, &entry.1);
            let index = rooms.partition_point(|(minute, id, _)| (*minute, id) < place);
            for (rank, entry) in rooms.iter().enumerate().skip(index).rev() {
                self.move_entry(entry, rank, rank + 1);
            }
            let listed = position(index, entry.0, &entry.1);
            self.listed.insert(listed, Arc::clone(&entry.2));
            rooms.insert(index, entry);
        }
        if !rooms.is_empty() {
            self.owners.insert(owner.clone(), rooms);
        }
    }

    /// The rank of a room among those of its owner changes; its turn does so seldom.
    fn move_entry(&mut self, (active_minute, id, room): &Entry, before: usize, after: usize) {
        if before / ROOMS_PER_TURN != after / ROOMS_PER_TURN {
            self.listed.remove(&position(before, *active_minute, id));
            self.listed.insert(position(after, *active_minute, id), Arc::clone(room));
        }
    }
}

fn position(rank: usize, active_minute: Reverse<i64>, id: &RoomId) -> Position {
    Position { turn: rank / ROOMS_PER_TURN, active_minute, id: id.clone() }
}

/// The end of a page of the list; a client sends it back to read the next page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomCursor(pub(crate) Place);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Among the rooms that the user is a member of.
    Own(Reverse<i64>, RoomId),
    /// Among the public rooms.
    Public(Position),
    /// Before the first public room.
    PublicStart,
}

impl RoomCursor {
    /// Reads what [`RoomCursor::to_text`] wrote; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, ':');
        let place = match parts.next()? {
            "m" => Place::Own(Reverse(parts.next()?.parse().ok()?), room_id(parts.next()?)?),
            "s" => Place::PublicStart,
            "p" => Place::Public(Position {
                turn: parts.next()?.parse().ok()?,
                active_minute: Reverse(parts.next()?.parse().ok()?),
                id: room_id(parts.next()?)?,
            }),
            _ => return None,
        };
        parts.next().is_none().then_some(Self(place))
    }

    /// The text for a client.
    #[must_use]
    pub fn to_text(&self) -> String {
        match &self.0 {
            Place::Own(Reverse(minute), id) => format!("m:{minute}:{id}"),
            Place::PublicStart => String::from("s"),
            Place::Public(Position { turn, active_minute: Reverse(minute), id }) => {
                format!("p:{turn}:{minute}:{id}")
            }
        }
    }
}

fn room_id(text: &str) -> Option<RoomId> {
    RoomId::parse(text).ok()
}

/// Which part of the list a user reads.
#[derive(Debug, Clone, Copy)]
pub struct RoomQuery<'a> {
    /// The user.
    pub user: &'a UserId,
    /// The end of the previous page.
    pub after: Option<&'a RoomCursor>,
    /// Only rooms whose name contains this, in lower case.
    pub search: Option<&'a str>,
    /// Most rooms on the page.
    pub limit: usize,
}

/// One page of the list.
#[derive(Debug, Default)]
pub struct RoomPage {
    /// The rooms.
    pub rooms: Vec<Arc<Room>>,
    /// The start of the next page; `None` after the last one.
    pub next: Option<RoomCursor>,
}

impl RoomQuery<'_> {
    pub(crate) fn matches(&self, room: &Room) -> bool {
        self.search.is_none_or(|search| room.name_contains(search))
    }
}

#[cfg(test)]
mod tests {
    use portcullis_model::Visibility;

    use super::*;
    use crate::directory::room::{Charge, RoomFacts};
    use crate::directory::space::DirectoryLimits;
    use crate::directory::space::Party;
    use crate::directory::tables::Directory;

    fn user(id: &str) -> UserId {
        UserId::parse(id).unwrap()
    }

    /// A room that was last active in this minute.
    fn room(directory: &Directory, id: &str, owner: &str, minute: i64) {
        let facts = RoomFacts {
            id: RoomId::parse(id).unwrap(),
            name: format!("Room \u{c4} {id}"),
            owner: user(owner),
            visibility: Visibility::Public,
        };
        let charge = Charge { party: Party::NONE, active_unix_ms: minute * 60_000 };
        directory.put_charged_room(facts, charge);
    }

    fn page(
        directory: &Directory,
        after: Option<&RoomCursor>,
        search: Option<&str>,
    ) -> (Vec<String>, Option<RoomCursor>) {
        let ann = user("ann");
        let page = directory.list_rooms(&RoomQuery { user: &ann, after, search, limit: 10 });
        (page.rooms.iter().map(|room| room.id.to_string()).collect(), page.next)
    }

    /// All pages, each cursor once through its text.
    fn all(directory: &Directory, search: Option<&str>) -> Vec<String> {
        let (mut ids, mut next) = page(directory, None, search);
        while let Some(cursor) = next {
            let cursor = RoomCursor::parse(&cursor.to_text()).unwrap();
            let (more, after) = page(directory, Some(&cursor), search);
            ids.extend(more);
            next = after;
        }
        ids
    }

    #[test]
    fn owner_of_many_active_rooms_hides_no_other_rooms() {
        let directory = Directory::new(DirectoryLimits::default());
        for number in 0..100 {
            room(&directory, &format!("m{number}"), "mallory", 1_000 + number);
        }
        room(&directory, "old", "olga", 1);
        room(&directory, "new", "nina", 2);
        let (first, next) = page(&directory, None, None);
        assert_eq!(first[..5], ["m99", "m98", "m97", "new", "old"]);
        assert!(next.is_some());
        let all = all(&directory, None);
        assert_eq!(all.len(), 102);
        assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), 102);
    }

    #[test]
    fn rooms_keep_their_turns_through_any_changes() {
        let directory = Directory::new(DirectoryLimits::default());
        let mut minutes = std::collections::HashMap::new();
        // A fixed order without a pattern: multiples of a prime, modulo another.
        for step in 0..400_i64 {
            let (id, minute) = (format!("r{}", step * 37 % 11), step * 53 % 101);
            if step % 5 == 4 {
                directory.remove_room(&RoomId::parse(&id).unwrap());
                minutes.remove(&id);
            } else if let Some(known) = minutes.get_mut(&id) {
                directory.note_activity(&RoomId::parse(&id).unwrap(), minute * 60_000);
                *known = minute.max(*known);
            } else {
                room(&directory, &id, "mallory", minute);
                minutes.insert(id, minute);
            }
            let mut expect: Vec<_> = minutes.iter().collect();
            expect.sort_by_key(|(id, minute)| (Reverse(**minute), id.as_str()));
            let expect: Vec<_> = expect.into_iter().map(|(id, _)| id.clone()).collect();
            assert_eq!(all(&directory, None), expect, "step {step}");
        }
    }

    #[test]
    fn own_rooms_come_first_and_each_room_once() {
        let directory = Directory::new(DirectoryLimits::default());
        for number in 0..25 {
            let id = format!("r{number:02}");
            room(&directory, &id, &format!("owner{number}"), number);
            if number % 2 == 0 {
                directory.add_member(&RoomId::parse(&id).unwrap(), &user("ann"));
            }
        }
        let ids = all(&directory, None);
        assert_eq!(ids.len(), 25);
        assert_eq!(ids[..3], ["r24", "r22", "r20"]);
        assert_eq!(ids[12..15], ["r00", "r23", "r21"]);
        assert_eq!(all(&directory, Some("room \u{e4} r1")).len(), 10);
        assert_eq!(all(&directory, Some("nothing")), Vec::<String>::new());
    }

    #[test]
    fn activity_moves_a_room_to_the_front() {
        let directory = Directory::new(DirectoryLimits::default());
        room(&directory, "a", "olga", 1);
        room(&directory, "b", "olga", 2);
        room(&directory, "c", "nina", 3);
        directory.note_activity(&RoomId::parse("a").unwrap(), 9 * 60_000);
        assert_eq!(all(&directory, None), ["a", "c", "b"]);
        directory.note_activity(&RoomId::parse("b").unwrap(), 1);
        assert_eq!(all(&directory, None), ["a", "c", "b"], "the clock does not go back");
        directory.remove_room(&RoomId::parse("a").unwrap());
        directory.note_activity(&RoomId::parse("a").unwrap(), 10 * 60_000);
        assert_eq!(all(&directory, None), ["c", "b"]);
    }

    #[test]
    fn cursors_that_the_server_did_not_write_are_rejected() {
        for text in ["", "x", "m", "m:1", "m:x:r", "p:1:r", "p:-1:2:r", "m:1:../r", "m:1:r:s"] {
            assert_eq!(RoomCursor::parse(text), None, "{text}");
        }
        assert_eq!(RoomCursor::parse("p:1:2:r").unwrap().to_text(), "p:1:2:r");
    }
}
