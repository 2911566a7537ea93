//! A room as every shard sees it: facts, members, and who is watching.
//! Never: messages.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use portcullis_model::{RoomId, UserId};

/// Who may find a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// Every user.
    Public,
    /// Its members.
    Private,
}

/// What a user is to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// Nothing, or the room is gone.
    None,
    /// Put out of the room, and kept out until invited again.
    Barred,
    /// Asked in; becomes a member by joining.
    Invited,
    /// A member.
    Member,
    /// Its owner, also after leaving it.
    ///
    /// [`Room::is_member`] asks for membership alone.
    Owner,
}

/// What storage knows of a room, its members aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomFacts {
    /// The id.
    pub id: RoomId,
    /// The name people see.
    pub name: String,
    /// Whose room it is.
    pub owner: UserId,
    /// Who may find it.
    pub visibility: Visibility,
}

/// What a user who is no member may be to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Invited,
    Barred,
}

/// A room, the same one for every shard and handler that holds it.
pub struct Room {
    /// The id.
    pub id: RoomId,
    state: RwLock<State>,
    watching: Mutex<HashMap<UserId, u32>>,
}

struct State {
    name: Arc<str>,
    owner: UserId,
    visibility: Visibility,
    members: HashSet<UserId>,
    /// Asked in or kept out; nobody here is a member.
    standing: HashMap<UserId, Standing>,
    ended: bool,
}

impl Room {
    pub(crate) fn new(facts: RoomFacts) -> Self {
        let state = State {
            name: Arc::from(facts.name),
            owner: facts.owner,
            visibility: facts.visibility,
            members: HashSet::new(),
            standing: HashMap::new(),
            ended: false,
        };
        Self { id: facts.id, state: RwLock::new(state), watching: Mutex::default() }
    }

    /// The name people see.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.state.read().name)
    }

    /// Whose room it is.
    #[must_use]
    pub fn owner(&self) -> UserId {
        self.state.read().owner.clone()
    }

    /// Who may find it.
    #[must_use]
    pub fn visibility(&self) -> Visibility {
        self.state.read().visibility
    }

    /// What the user is to the room, now.
    #[must_use]
    pub fn relation(&self, user: &UserId) -> Relation {
        let state = self.state.read();
        if state.ended {
            Relation::None
        } else if state.owner == *user {
            Relation::Owner
        } else if state.members.contains(user) {
            Relation::Member
        } else {
            match state.standing.get(user) {
                Some(Standing::Invited) => Relation::Invited,
                Some(Standing::Barred) => Relation::Barred,
                None => Relation::None,
            }
        }
    }

    /// Whether the user is a member, now; an owner who left is none.
    #[must_use]
    pub fn is_member(&self, user: &UserId) -> bool {
        self.state.read().members.contains(user)
    }

    /// Whether the room was deleted.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.state.read().ended
    }

    /// The members, sorted by id.
    #[must_use]
    pub fn members(&self) -> Vec<UserId> {
        let mut members: Vec<_> = self.state.read().members.iter().cloned().collect();
        members.sort_unstable();
        members
    }

    /// How many members there are.
    #[must_use]
    pub fn member_count(&self) -> usize {
        self.state.read().members.len()
    }

    pub(crate) fn change(&self, facts: RoomFacts) {
        let mut state = self.state.write();
        state.name = Arc::from(facts.name);
        state.owner = facts.owner;
        state.visibility = facts.visibility;
    }

    pub(crate) fn add(&self, user: &UserId) -> bool {
        let mut state = self.state.write();
        !state.ended && state.members.insert(user.clone())
    }

    pub(crate) fn remove(&self, user: &UserId) -> bool {
        self.state.write().members.remove(user)
    }

    /// Says what somebody who is no member is to the room; gives how many more are remembered.
    pub(crate) fn stand(&self, user: &UserId, standing: Option<Standing>) -> isize {
        let mut state = self.state.write();
        let before = match standing {
            Some(standing) if !state.ended && !state.members.contains(user) => {
                state.standing.insert(user.clone(), standing)
            }
            Some(_) => return 0,
            None => state.standing.remove(user),
        };
        isize::from(standing.is_some()) - isize::from(before.is_some())
    }

    /// Marks the room as gone; gives those who were members, and how many others it remembered.
    pub(crate) fn end(&self) -> (HashSet<UserId>, usize) {
        let mut state = self.state.write();
        state.ended = true;
        let remembered = std::mem::take(&mut state.standing).len();
        (std::mem::take(&mut state.members), remembered)
    }

    pub(crate) fn watch(&self, user: &UserId) -> u32 {
        let mut watching = self.watching.lock();
        let count = watching.entry(user.clone()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    pub(crate) fn unwatch(&self, user: &UserId) -> u32 {
        let mut watching = self.watching.lock();
        let Some(count) = watching.get_mut(user) else { return 0 };
        *count = count.saturating_sub(1);
        let left = *count;
        if left == 0 {
            watching.remove(user);
        }
        left
    }

    pub(crate) fn watching(&self, user: &UserId) -> u32 {
        self.watching.lock().get(user).copied().unwrap_or(0)
    }
}

impl std::fmt::Debug for Room {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Room").field("id", &self.id).finish_non_exhaustive()
    }
}
