//! The live users, rooms and memberships that every decision reads.
//! Never: a change by a request; only the committed feed changes them, in commit order.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use portcullis_model::{RoomId, SessionId, UserId, Visibility};

use crate::directory::blocks::Blocks;
use crate::directory::list::RoomIndex;
use crate::directory::names::NameIndex;
use crate::directory::room::{Charge, Room, RoomFacts, RoomStatus};
use crate::directory::sessions::authority::Authority;
use crate::directory::sessions::session::Session;
use crate::directory::space::{DirectoryLimits, Party, Sizes, Table};
use crate::directory::user::{User, UserFacts};
use crate::tables::striped::StripedMap;

/// The rooms of one user.
#[derive(Default)]
struct Belongings {
    member_of: HashSet<RoomId>,
    owns: usize,
}

/// Users, rooms and memberships, shared by all shards.
///
/// Readers lock one stripe for the length of a look-up. Changes are made one at a time, in the
/// order of the calls; a reader sees each change whole. Its parts become visible in an order
/// that rejects meanwhile.
pub struct Directory {
    pub(crate) limits: DirectoryLimits,
    users: StripedMap<UserId, Arc<User>>,
    rooms: StripedMap<RoomId, Arc<Room>>,
    belongings: StripedMap<UserId, Belongings>,
    pub(crate) sessions: StripedMap<SessionId, Arc<Session>>,
    authority: Arc<Authority>,
    blocks: Arc<Blocks>,
    pub(crate) public: RwLock<RoomIndex>,
    pub(crate) names: RwLock<NameIndex>,
    pub(crate) sizes: Mutex<Sizes>,
}

impl Directory {
    /// An empty directory.
    #[must_use]
    pub fn new(limits: DirectoryLimits) -> Self {
        Self {
            limits,
            users: StripedMap::new(),
            rooms: StripedMap::new(),
            belongings: StripedMap::new(),
            sessions: StripedMap::new(),
            authority: Arc::default(),
            blocks: Arc::default(),
            public: RwLock::default(),
            names: RwLock::default(),
            sizes: Mutex::default(),
        }
    }

    /// The user with this id.
    #[must_use]
    pub fn user(&self, id: &UserId) -> Option<Arc<User>> {
        self.users.read(id, |user| user.cloned())
    }

    /// The room with this id.
    #[must_use]
    pub fn room(&self, id: &RoomId) -> Option<Arc<Room>> {
        self.rooms.read(id, |room| room.cloned())
    }

    /// Revocations, and whether the directory is confirmed.
    #[must_use]
    pub fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// Networks that administrators have blocked.
    #[must_use]
    pub fn blocks(&self) -> &Arc<Blocks> {
        &self.blocks
    }

    /// Inserts a user when there is space, or changes the one that connections hold already.
    ///
    /// For programs without a store; false when the directory is full and the user is new.
    pub fn put_user(&self, facts: UserFacts) -> bool {
        let is_known = self.user(&facts.id).is_some();
        if !is_known && self.check_space(Table::Users, Party::NONE).is_err() {
            return false;
        }
        self.apply_user(facts);
        true
    }

    /// Changes some facts of a user; false when there is no such user.
    ///
    /// For programs without a store. No other change happens between the reading and the writing;
    /// `change` must not use the directory.
    pub fn change_user(&self, id: &UserId, change: impl FnOnce(&mut UserFacts)) -> bool {
        let _sizes = self.sizes.lock();
        let Some(user) = self.user(id) else { return false };
        let mut facts = user.facts();
        change(&mut facts);
        // The user stays the same one.
        facts.id = user.id.clone();
        self.names.write().replace(&user, &facts);
        user.change(facts);
        true
    }

    /// Inserts a user, or changes the one that connections hold already, after a commit.
    pub fn apply_user(&self, facts: UserFacts) {
        let mut sizes = self.sizes.lock();
        if let Some(user) = self.user(&facts.id) {
            self.names.write().replace(&user, &facts);
            user.change(facts);
            return;
        }
        sizes.users += 1;
        self.names.write().add(&facts);
        self.users.write(&facts.id, |users| {
            users.insert(facts.id.clone(), Arc::new(User::new(facts.clone())));
        });
    }

    /// Ends every user who is not among these, also through every `Arc` held elsewhere.
    pub fn end_users_beside(&self, kept: &HashSet<UserId>) {
        for id in self.users.keys().into_iter().filter(|id| !kept.contains(id)) {
            for room in self.rooms_of(&id) {
                self.remove_member(&room.id, &id);
            }
            let mut sizes = self.sizes.lock();
            if let Some(user) = self.users.write(&id, |users| users.remove(&id)) {
                sizes.users -= 1;
                self.names.write().remove(&user);
                user.end();
            }
        }
    }

    /// The ids of all users.
    #[must_use]
    pub fn user_ids(&self) -> Vec<UserId> {
        self.users.keys()
    }

    /// Inserts a room, or changes the one that connections hold already.
    pub fn put_room(&self, facts: RoomFacts) {
        self.put_charged_room(facts, Charge::default());
    }

    /// As [`Directory::put_room`]; a new room is charged to a party.
    pub fn put_charged_room(&self, facts: RoomFacts, charge: Charge) {
        let mut sizes = self.sizes.lock();
        let id = facts.id.clone();
        let owner = facts.owner.clone();
        let room = if let Some(room) = self.room(&id) {
            let before = room.owner();
            room.change(facts);
            self.public.write().remove(&before, &id);
            self.belonging(&before, |belongings| {
                belongings.owns = belongings.owns.saturating_sub(1)
            });
            room
        } else {
            sizes.rooms += 1;
            sizes.charge(Table::Rooms, charge.party);
            let room = Arc::new(Room::new(facts, charge));
            self.rooms.write(&id, |rooms| rooms.insert(id.clone(), Arc::clone(&room)));
            room
        };
        self.belonging(&owner, |belongings| belongings.owns += 1);
        match room.visibility() {
            Visibility::Public => self.public.write().put(&owner, &room),
            Visibility::Private => {}
        }
    }

    /// Removes a room; all relations to it end.
    ///
    /// That holds through every `Arc` held elsewhere too.
    pub fn remove_room(&self, id: &RoomId) {
        let mut sizes = self.sizes.lock();
        let Some(room) = self.rooms.write(id, |rooms| rooms.remove(id)) else { return };
        sizes.rooms -= 1;
        sizes.discharge(Table::Rooms, room.party);
        let owner = room.owner();
        self.public.write().remove(&owner, id);
        let (members, others) = room.end();
        sizes.memberships -= members.len() + others.len();
        for party in members.values().copied().chain(others) {
            sizes.discharge(Table::Memberships, party);
        }
        for member in members.keys() {
            self.belonging(member, |belongings| belongings.member_of.remove(id));
        }
        self.belonging(&owner, |belongings| belongings.owns = belongings.owns.saturating_sub(1));
    }

    /// Makes a user a member; false when nothing changed.
    ///
    /// Nothing changes for a member, or without such a room.
    pub fn add_member(&self, room: &RoomId, user: &UserId) -> bool {
        self.add_charged_member(room, user, Party::NONE)
    }

    /// As [`Directory::add_member`]; the membership is charged to a party.
    pub fn add_charged_member(&self, room: &RoomId, user: &UserId, party: Party) -> bool {
        let mut sizes = self.sizes.lock();
        let Some(room) = self.room(room) else { return false };
        // The user's own copy of the id, so that memberships share one.
        let user = &self.user(user).map_or_else(|| user.clone(), |known| known.id.clone());
        if room.is_member(user) || !room.add(user, party) {
            return false;
        }
        // A member is neither invited nor barred any more.
        if let Some(before) = room.remove_status(user) {
            sizes.memberships -= 1;
            sizes.discharge(Table::Memberships, before);
        }
        sizes.memberships += 1;
        sizes.charge(Table::Memberships, party);
        self.belonging(user, |belongings| belongings.member_of.insert(room.id.clone()));
        true
    }

    /// Ends a membership; false when there was none.
    pub fn remove_member(&self, room: &RoomId, user: &UserId) -> bool {
        let mut sizes = self.sizes.lock();
        let Some(room) = self.room(room) else { return false };
        let Some(party) = room.remove(user) else { return false };
        sizes.memberships -= 1;
        sizes.discharge(Table::Memberships, party);
        self.belonging(user, |belongings| belongings.member_of.remove(&room.id));
        true
    }

    /// Invites a user, or lifts a ban; false without such a room, or for a member.
    pub fn invite(&self, room: &RoomId, user: &UserId, party: Party) -> bool {
        self.set_status(room, user, RoomStatus::Invited, party)
    }

    /// Bars a user who is not a member; false without such a room, or for a member.
    pub fn bar(&self, room: &RoomId, user: &UserId, party: Party) -> bool {
        self.set_status(room, user, RoomStatus::Barred, party)
    }

    fn set_status(&self, room: &RoomId, user: &UserId, status: RoomStatus, party: Party) -> bool {
        let mut sizes = self.sizes.lock();
        let Some(room) = self.room(room) else { return false };
        let Ok(before) = room.set_status(user, status, party) else { return false };
        match before {
            Some(before) => sizes.discharge(Table::Memberships, before),
            None => sizes.memberships += 1,
        }
        sizes.charge(Table::Memberships, party);
        true
    }

    /// Counts one more live subscription of the user; returns how many there are.
    ///
    /// 0 when there is no such room.
    pub fn watch(&self, room: &RoomId, user: &UserId) -> u32 {
        self.room(room).map_or(0, |room| room.watch(user))
    }

    /// Counts one live subscription less; returns how many are left.
    pub fn unwatch(&self, room: &RoomId, user: &UserId) -> u32 {
        self.room(room).map_or(0, |room| room.unwatch(user))
    }

    /// How many live subscriptions the user has in the room.
    #[must_use]
    pub fn watching(&self, room: &RoomId, user: &UserId) -> u32 {
        self.room(room).map_or(0, |room| room.watching(user))
    }

    /// The rooms that a user is a member of.
    #[must_use]
    pub fn rooms_of(&self, user: &UserId) -> Vec<Arc<Room>> {
        let ids: Vec<RoomId> = self.belongings.read(user, |belongings| {
            belongings.into_iter().flat_map(|found| &found.member_of).cloned().collect()
        });
        ids.iter().filter_map(|id| self.room(id)).collect()
    }

    /// How many rooms the user is a member of.
    #[must_use]
    pub fn membership_count(&self, user: &UserId) -> usize {
        self.belongings.read(user, |belongings| belongings.map_or(0, |of| of.member_of.len()))
    }

    /// How many rooms belong to the user.
    #[must_use]
    pub fn rooms_owned_by(&self, user: &UserId) -> usize {
        self.belongings.read(user, |belongings| belongings.map_or(0, |found| found.owns))
    }

    /// Changes the rooms of a user, and removes an empty entry.
    fn belonging<R>(&self, user: &UserId, change: impl FnOnce(&mut Belongings) -> R) {
        self.belongings.write(user, |all| {
            let belongings = all.entry(user.clone()).or_default();
            change(belongings);
            if belongings.member_of.is_empty() && belongings.owns == 0 {
                all.remove(user);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use portcullis_model::Now;

    use super::*;
    use crate::directory::list::RoomQuery;
    use crate::directory::room::Relation;

    fn user_id(text: &str) -> UserId {
        UserId::parse(text).unwrap()
    }

    fn room_id(text: &str) -> RoomId {
        RoomId::parse(text).unwrap()
    }

    fn user(id: &str) -> UserFacts {
        UserFacts::new(user_id(id), id.to_uppercase())
    }

    fn room(id: &str, owner: &str, visibility: Visibility) -> RoomFacts {
        RoomFacts { id: room_id(id), name: id.to_uppercase(), owner: user_id(owner), visibility }
    }

    fn small() -> Directory {
        let limits = DirectoryLimits {
            users_max: 3,
            rooms_max: 3,
            memberships_max: 4,
            ..DirectoryLimits::default()
        };
        let directory = Directory::new(limits);
        for id in ["ann", "bob", "cat"] {
            assert!(directory.put_user(user(id)));
        }
        directory.put_room(room("hall", "ann", Visibility::Public));
        directory.put_room(room("den", "ann", Visibility::Private));
        for member in ["ann", "bob"] {
            assert!(directory.add_member(&room_id("den"), &user_id(member)));
        }
        directory
    }

    fn visible(directory: &Directory, user: &str, limit: usize) -> Vec<String> {
        let user = user_id(user);
        let query = RoomQuery { user: &user, after: None, search: None, limit };
        directory.list_rooms(&query).rooms.iter().map(|room| room.id.to_string()).collect()
    }

    #[test]
    fn changed_user_keeps_its_identity() {
        let directory = small();
        let held = directory.user(&user_id("bob")).unwrap();
        assert!(directory.put_user(UserFacts { disabled: true, ..user("bob") }));
        assert!(held.is_barred(Now::default()));
        assert!(Arc::ptr_eq(&held, &directory.user(&user_id("bob")).unwrap()));
        assert!(directory.user(&user_id("dan")).is_none());
    }

    #[test]
    fn relation_decides_visibility() {
        let directory = small();
        let cases = [
            ("den", "ann", Relation::Owner),
            ("den", "bob", Relation::Member),
            ("den", "cat", Relation::None),
            ("hall", "ann", Relation::Owner),
            ("hall", "bob", Relation::None),
        ];
        for (id, user, expect) in cases {
            let room = directory.room(&room_id(id)).unwrap();
            assert_eq!(room.relation(&user_id(user)), expect, "{user} in {id}");
        }
        assert_eq!(visible(&directory, "bob", 10), ["den", "hall"]);
        assert_eq!(visible(&directory, "bob", 1), ["den"]);
        assert_eq!(visible(&directory, "cat", 10), ["hall"]);
        assert!(!directory.add_member(&room_id("den"), &user_id("bob")), "already");
        assert!(directory.remove_member(&room_id("den"), &user_id("bob")));
        assert!(!directory.remove_member(&room_id("den"), &user_id("bob")));
        assert_eq!(visible(&directory, "bob", 10), ["hall"]);
        let den = directory.room(&room_id("den")).unwrap();
        assert!(directory.remove_member(&room_id("den"), &user_id("ann")));
        assert_eq!(den.relation(&user_id("ann")), Relation::Owner);
        assert!(!den.is_member(&user_id("ann")));
    }

    #[test]
    fn removed_room_is_ended_for_every_holder() {
        let directory = small();
        let den = directory.room(&room_id("den")).unwrap();
        directory.remove_room(&room_id("den"));
        directory.remove_room(&room_id("den"));
        assert!(den.is_ended() && directory.room(&room_id("den")).is_none());
        for user in ["ann", "bob"] {
            assert_eq!(den.relation(&user_id(user)), Relation::None);
        }
        assert_eq!(visible(&directory, "bob", 10), ["hall"]);
        assert_eq!(directory.rooms_owned_by(&user_id("ann")), 1);
        assert_eq!(directory.watch(&room_id("den"), &user_id("ann")), 0);
    }

    #[test]
    fn changed_room_keeps_its_members() {
        let directory = small();
        directory.put_room(room("den", "bob", Visibility::Public));
        assert_eq!(visible(&directory, "cat", 10), ["den", "hall"]);
        let owned = |user| directory.rooms_owned_by(&user_id(user));
        assert_eq!((owned("ann"), owned("bob"), owned("cat")), (1, 1, 0));
        directory.put_room(room("den", "bob", Visibility::Private));
        assert_eq!(visible(&directory, "cat", 10), ["hall"]);
        let den = directory.room(&room_id("den")).unwrap();
        assert_eq!(den.members(), [user_id("ann"), user_id("bob")]);
    }

    #[test]
    fn committed_rows_are_in_force_in_a_full_directory() {
        let directory = small();
        assert!(!directory.put_user(user("dan")), "a program without a store has to ask");
        assert!(directory.put_user(user("ann")), "known users still change");
        directory.apply_user(user("dan"));
        assert!(directory.user(&user_id("dan")).is_some());
        for id in ["attic", "yard"] {
            directory.put_room(room(id, "bob", Visibility::Public));
        }
        assert_eq!(visible(&directory, "cat", 10), ["attic", "hall", "yard"]);
        for id in ["ann", "bob", "cat"] {
            assert!(directory.add_member(&room_id("hall"), &user_id(id)));
            assert!(directory.room(&room_id("hall")).unwrap().is_member(&user_id(id)));
        }
        assert!(directory.invite(&room_id("attic"), &user_id("cat"), Party::NONE));
        for table in [Table::Users, Table::Rooms, Table::Memberships] {
            assert!(directory.check_space(table, Party::NONE).is_err(), "{table:?}");
        }
        directory.remove_room(&room_id("hall"));
        let used = directory.tables().map(|table| table.used);
        assert_eq!(used, [4, 3, 3, 0]);
        assert!(directory.check_space(Table::Memberships, Party::NONE).is_ok());
        assert!(!directory.add_member(&room_id("hall"), &user_id("cat")), "no such room");
    }

    #[test]
    fn subscriptions_are_counted() {
        let directory = small();
        let (hall, ann) = (room_id("hall"), user_id("ann"));
        assert_eq!([directory.watch(&hall, &ann), directory.watch(&hall, &ann)], [1, 2]);
        assert_eq!(directory.watching(&hall, &ann), 2);
        assert_eq!(directory.watching(&hall, &user_id("bob")), 0);
        let left: Vec<_> = (0..3).map(|_| directory.unwatch(&hall, &ann)).collect();
        assert_eq!(left, [1, 0, 0]);
    }
}
