//! The live picture of users, rooms and memberships that every decision reads.
//! Never: changed by a request; only the committed feed changes it, in commit order.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use portcullis_model::{RoomId, SessionId, UserId};

use crate::authority::Authority;
use crate::directory_room::{Room, RoomFacts, Standing, Visibility};
use crate::directory_session::Session;
use crate::directory_user::{User, UserFacts};
use crate::striped::Striped;

/// How much the directory holds at most.
///
/// Beyond it, what is new is not there and so is refused.
/// Worst-case memory: 600 bytes a user, 800 a room, 150 a membership, which is kept from both
/// ends, and 300 a session: 120 + 40 + 150 + 150 MB with the defaults; and 60 bytes for each user
/// watching a room. Invitations and bars count as memberships.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryLimits {
    /// Users known.
    pub users_max: usize,
    /// Rooms there are.
    pub rooms_max: usize,
    /// Pairs of room and member.
    pub memberships_max: usize,
    /// Sessions of our own.
    pub sessions_max: usize,
}

impl Default for DirectoryLimits {
    fn default() -> Self {
        Self {
            users_max: 200_000,
            rooms_max: 50_000,
            memberships_max: 1_000_000,
            sessions_max: 500_000,
        }
    }
}

/// What one user belongs to.
#[derive(Default)]
struct Belongings {
    member_of: HashSet<RoomId>,
    owns: usize,
}

/// Users, rooms and memberships, shared by all shards.
///
/// Readers lock one stripe for the length of a look-up. Changes are made one at a time, in the
/// order of the calls; a reader sees each change whole, and its parts in an order that refuses.
pub struct Directory {
    pub(crate) limits: DirectoryLimits,
    users: Striped<UserId, Arc<User>>,
    rooms: Striped<RoomId, Arc<Room>>,
    belongings: Striped<UserId, Belongings>,
    pub(crate) sessions: Striped<SessionId, Arc<Session>>,
    authority: Arc<Authority>,
    public: RwLock<BTreeMap<RoomId, Arc<Room>>>,
    pub(crate) sizes: Mutex<Sizes>,
}

/// How much there is; whoever changes the directory holds the lock on it.
#[derive(Default)]
pub(crate) struct Sizes {
    users: usize,
    rooms: usize,
    memberships: usize,
    pub(crate) sessions: usize,
}

impl Directory {
    /// An empty directory.
    #[must_use]
    pub fn new(limits: DirectoryLimits) -> Self {
        Self {
            limits,
            users: Striped::new(),
            rooms: Striped::new(),
            belongings: Striped::new(),
            sessions: Striped::new(),
            authority: Arc::default(),
            public: RwLock::default(),
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

    /// What was withdrawn, and whether all that is known here is still confirmed.
    #[must_use]
    pub fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// Inserts a user, or changes the one everybody already holds.
    ///
    /// Gives false when the directory is full and the user is not in it.
    pub fn put_user(&self, facts: UserFacts) -> bool {
        let mut sizes = self.sizes.lock();
        if let Some(user) = self.user(&facts.id) {
            user.change(facts);
            return true;
        }
        if sizes.users >= self.limits.users_max {
            return false;
        }
        sizes.users += 1;
        self.users.write(&facts.id, |users| {
            users.insert(facts.id.clone(), Arc::new(User::new(facts.clone())));
        });
        true
    }

    /// Ends every user who is not among these, also through every `Arc` held elsewhere.
    pub fn end_users_beside(&self, kept: &HashSet<UserId>) {
        for id in self.users.keys().into_iter().filter(|id| !kept.contains(id)) {
            let mut sizes = self.sizes.lock();
            if let Some(user) = self.users.write(&id, |users| users.remove(&id)) {
                sizes.users -= 1;
                user.end();
            }
        }
    }

    /// Inserts a room, or changes the one everybody already holds.
    ///
    /// Gives false when the directory is full and the room is not in it.
    pub fn put_room(&self, facts: RoomFacts) -> bool {
        let mut sizes = self.sizes.lock();
        let id = facts.id.clone();
        let owner = facts.owner.clone();
        let visibility = facts.visibility;
        let room = if let Some(room) = self.room(&id) {
            let before = room.owner();
            room.change(facts);
            self.belonging(&before, |belongings| {
                belongings.owns = belongings.owns.saturating_sub(1)
            });
            room
        } else if sizes.rooms < self.limits.rooms_max {
            sizes.rooms += 1;
            let room = Arc::new(Room::new(facts));
            self.rooms.write(&id, |rooms| rooms.insert(id.clone(), Arc::clone(&room)));
            room
        } else {
            return false;
        };
        self.belonging(&owner, |belongings| belongings.owns += 1);
        match visibility {
            Visibility::Public => self.public.write().insert(id, room),
            Visibility::Private => self.public.write().remove(&id),
        };
        true
    }

    /// Ends a room; nobody has a relation to it any more.
    ///
    /// That holds through every `Arc` held elsewhere too.
    pub fn remove_room(&self, id: &RoomId) {
        let mut sizes = self.sizes.lock();
        let Some(room) = self.rooms.write(id, |rooms| rooms.remove(id)) else { return };
        sizes.rooms -= 1;
        self.public.write().remove(id);
        let owner = room.owner();
        let (members, remembered) = room.end();
        sizes.memberships -= members.len() + remembered;
        for member in members {
            self.belonging(&member, |belongings| belongings.member_of.remove(id));
        }
        self.belonging(&owner, |belongings| belongings.owns = belongings.owns.saturating_sub(1));
    }

    /// Makes a user a member; false when nothing changed.
    ///
    /// Nothing changes for a member, without such a room, or when the directory is full.
    pub fn add_member(&self, room: &RoomId, user: &UserId) -> bool {
        let mut sizes = self.sizes.lock();
        let Some(room) = self.room(room) else { return false };
        if room.is_member(user) || sizes.memberships >= self.limits.memberships_max {
            return false;
        }
        // A member is neither invited nor barred any more.
        sizes.memberships = sizes.memberships.saturating_add_signed(room.stand(user, None)) + 1;
        // The user's own copy of the id, so that memberships share one.
        let user = &self.user(user).map_or_else(|| user.clone(), |known| known.id.clone());
        self.belonging(user, |belongings| belongings.member_of.insert(room.id.clone()));
        room.add(user)
    }

    /// Ends a membership; false when there was none.
    pub fn remove_member(&self, room: &RoomId, user: &UserId) -> bool {
        let mut sizes = self.sizes.lock();
        let Some(room) = self.room(room) else { return false };
        if !room.remove(user) {
            return false;
        }
        sizes.memberships -= 1;
        self.belonging(user, |belongings| belongings.member_of.remove(&room.id));
        true
    }

    /// Asks a user in, or lifts what kept them out; false without such a room, or space.
    pub fn invite(&self, room: &RoomId, user: &UserId) -> bool {
        self.stand(room, user, Standing::Invited)
    }

    /// Keeps a user out who is no member; false without such a room, or space.
    pub fn bar(&self, room: &RoomId, user: &UserId) -> bool {
        self.stand(room, user, Standing::Barred)
    }

    fn stand(&self, room: &RoomId, user: &UserId, standing: Standing) -> bool {
        let mut sizes = self.sizes.lock();
        let Some(room) = self.room(room) else { return false };
        if sizes.memberships >= self.limits.memberships_max {
            return false;
        }
        let more = room.stand(user, Some(standing));
        sizes.memberships = sizes.memberships.saturating_add_signed(more);
        true
    }

    /// Counts one more live subscription of the user; gives how many there are.
    ///
    /// 0 when there is no such room.
    pub fn watch(&self, room: &RoomId, user: &UserId) -> u32 {
        self.room(room).map_or(0, |room| room.watch(user))
    }

    /// Counts one live subscription less; gives how many are left.
    pub fn unwatch(&self, room: &RoomId, user: &UserId) -> u32 {
        self.room(room).map_or(0, |room| room.unwatch(user))
    }

    /// How many live subscriptions the user has in the room.
    #[must_use]
    pub fn watching(&self, room: &RoomId, user: &UserId) -> u32 {
        self.room(room).map_or(0, |room| room.watching(user))
    }

    /// The rooms a user may see, at most `max`: own ones first, then public ones.
    #[must_use]
    pub fn rooms_visible_to(&self, user: &UserId, max: usize) -> Vec<Arc<Room>> {
        let own: Vec<RoomId> = self.belongings.read(user, |belongings| {
            let rooms = belongings.map(|belongings| belongings.member_of.iter());
            rooms.into_iter().flatten().take(max).cloned().collect()
        });
        let mut visible: Vec<_> = own.iter().filter_map(|id| self.room(id)).collect();
        let public = self.public.read();
        let others = public.values().filter(|room| !room.is_member(user));
        visible.extend(others.take(max.saturating_sub(visible.len())).cloned());
        visible
    }

    /// How many rooms belong to the user.
    #[must_use]
    pub fn rooms_owned_by(&self, user: &UserId) -> usize {
        self.belongings.read(user, |belongings| belongings.map_or(0, |found| found.owns))
    }

    /// Changes what a user belongs to, and forgets the user when that is nothing.
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
    use crate::directory_room::Relation;

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
        assert!(directory.put_room(room("hall", "ann", Visibility::Public)));
        assert!(directory.put_room(room("den", "ann", Visibility::Private)));
        for member in ["ann", "bob"] {
            assert!(directory.add_member(&room_id("den"), &user_id(member)));
        }
        directory
    }

    fn visible(directory: &Directory, user: &str, max: usize) -> Vec<String> {
        let rooms = directory.rooms_visible_to(&user_id(user), max);
        rooms.iter().map(|room| room.id.to_string()).collect()
    }

    #[test]
    fn a_user_is_changed_in_place() {
        let directory = small();
        let held = directory.user(&user_id("bob")).unwrap();
        assert!(directory.put_user(UserFacts { disabled: true, ..user("bob") }));
        assert!(held.is_barred(Now::default()));
        assert!(Arc::ptr_eq(&held, &directory.user(&user_id("bob")).unwrap()));
        assert!(directory.user(&user_id("dan")).is_none());
    }

    #[test]
    fn relations_and_what_is_visible() {
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
    fn a_removed_room_is_gone_through_every_arc() {
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
    fn a_room_changes_its_facts_and_keeps_its_members() {
        let directory = small();
        assert!(directory.put_room(room("den", "bob", Visibility::Public)));
        assert_eq!(visible(&directory, "cat", 10), ["den", "hall"]);
        let owned = |user| directory.rooms_owned_by(&user_id(user));
        assert_eq!((owned("ann"), owned("bob"), owned("cat")), (1, 1, 0));
        assert!(directory.put_room(room("den", "bob", Visibility::Private)));
        assert_eq!(visible(&directory, "cat", 10), ["hall"]);
        let den = directory.room(&room_id("den")).unwrap();
        assert_eq!(den.members(), [user_id("ann"), user_id("bob")]);
    }

    #[test]
    fn what_does_not_fit_is_not_there() {
        let directory = small();
        assert!(!directory.put_user(user("dan")));
        assert!(directory.put_user(user("ann")), "known users still change");
        assert!(directory.put_room(room("attic", "bob", Visibility::Public)));
        assert!(!directory.put_room(room("yard", "bob", Visibility::Public)));
        assert_eq!(visible(&directory, "cat", 10), ["attic", "hall"]);
        let add = |room, user| directory.add_member(&room_id(room), &user_id(user));
        assert!(add("hall", "ann") && add("hall", "bob"));
        assert!(!add("hall", "cat"), "four memberships are all");
        directory.remove_room(&room_id("den"));
        assert!(add("hall", "cat"), "a removed room gives its memberships back");
        assert!(!add("den", "cat"), "no such room");
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
