//! A room as every shard sees it: facts, members, and live subscriptions.
//! Never: messages.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::{Mutex, RwLock};
use portcullis_model::{RoomId, UserId, Visibility};

use crate::directory::space::Party;

const MINUTE_MS: i64 = 60_000;

/// The relation of a user to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// None, or the room was deleted.
    None,
    /// Banned from the room until invited again.
    Barred,
    /// Invited; becomes a member by joining.
    Invited,
    /// A member.
    Member,
    /// Its owner, also after leaving it.
    ///
    /// [`Room::is_member`] checks membership alone.
    Owner,
}

/// The stored facts of a room, without its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomFacts {
    /// The id.
    pub id: RoomId,
    /// The name that users see.
    pub name: String,
    /// The owner.
    pub owner: UserId,
    /// Which users may find it.
    pub visibility: Visibility,
}

/// The state of a room that the directory stores in addition to its facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Charge {
    /// The party that the room and its owner's membership are charged to.
    pub party: Party,
    /// When the room was last active, in milliseconds since 1970.
    pub active_unix_ms: i64,
}

/// The status of a user who is not a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoomStatus {
    Invited,
    Barred,
}

/// A room, the same one for every shard and handler that holds it.
pub struct Room {
    /// The id.
    pub id: RoomId,
    state: RwLock<State>,
    watching: Mutex<HashMap<UserId, u32>>,
    active_unix_ms: AtomicI64,
    pub(crate) party: Party,
}

struct State {
    name: Arc<str>,
    /// The name in lower case, for searches.
    folded: Box<str>,
    owner: UserId,
    visibility: Visibility,
    members: HashMap<UserId, Party>,
    /// Invited or banned users; none of them is a member.
    statuses: HashMap<UserId, (RoomStatus, Party)>,
    ended: bool,
}

impl Room {
    pub(crate) fn new(facts: RoomFacts, charge: Charge) -> Self {
        let state = State {
            folded: facts.name.to_lowercase().into_boxed_str(),
            name: Arc::from(facts.name),
            owner: facts.owner,
            visibility: facts.visibility,
            members: HashMap::new(),
            statuses: HashMap::new(),
            ended: false,
        };
        Self {
            id: facts.id,
            state: RwLock::new(state),
            watching: Mutex::default(),
            active_unix_ms: AtomicI64::new(charge.active_unix_ms),
            party: charge.party,
        }
    }

    /// When the room was last active, in minutes since 1970: a room is moved once a minute.
    pub(crate) fn active_minute(&self) -> i64 {
        self.active_unix_ms.load(Ordering::Acquire).div_euclid(MINUTE_MS)
    }

    /// Records activity; returns whether the minute has changed.
    pub(crate) fn note_activity(&self, unix_ms: i64) -> bool {
        let before = self.active_unix_ms.fetch_max(unix_ms, Ordering::AcqRel);
        unix_ms.div_euclid(MINUTE_MS) > before.div_euclid(MINUTE_MS)
    }

    /// Whether the name contains a text that is in lower case.
    pub(crate) fn name_contains(&self, folded: &str) -> bool {
        self.state.read().folded.contains(folded)
    }

    /// The name that users see.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.state.read().name)
    }

    /// The owner.
    #[must_use]
    pub fn owner(&self) -> UserId {
        self.state.read().owner.clone()
    }

    /// Which users may find it.
    #[must_use]
    pub fn visibility(&self) -> Visibility {
        self.state.read().visibility
    }

    /// The current relation of the user to the room.
    #[must_use]
    pub fn relation(&self, user: &UserId) -> Relation {
        let state = self.state.read();
        if state.ended {
            Relation::None
        } else if state.owner == *user {
            Relation::Owner
        } else if state.members.contains_key(user) {
            Relation::Member
        } else {
            match state.statuses.get(user) {
                Some((RoomStatus::Invited, _)) => Relation::Invited,
                Some((RoomStatus::Barred, _)) => Relation::Barred,
                None => Relation::None,
            }
        }
    }

    /// Whether the user is a member now; an owner who left is not one.
    #[must_use]
    pub fn is_member(&self, user: &UserId) -> bool {
        self.state.read().members.contains_key(user)
    }

    /// Whether the room was deleted.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.state.read().ended
    }

    /// The members, sorted by id.
    #[must_use]
    pub fn members(&self) -> Vec<UserId> {
        let mut members: Vec<_> = self.state.read().members.keys().cloned().collect();
        members.sort_unstable();
        members
    }

    /// A page of the members in the order of their ids, and whether there are more.
    #[must_use]
    pub fn members_after(&self, after: Option<&UserId>, limit: usize) -> (Vec<UserId>, bool) {
        let state = self.state.read();
        let rest = state.members.keys().filter(|id| after.is_none_or(|after| *id > after));
        let mut members: Vec<_> = rest.cloned().collect();
        drop(state);
        let more = members.len() > limit;
        if more {
            // The rest is not sorted.
            members.select_nth_unstable(limit);
            members.truncate(limit);
        }
        members.sort_unstable();
        (members, more)
    }

    /// How many members there are.
    #[must_use]
    pub fn member_count(&self) -> usize {
        self.state.read().members.len()
    }

    pub(crate) fn change(&self, facts: RoomFacts) {
        let mut state = self.state.write();
        state.folded = facts.name.to_lowercase().into_boxed_str();
        state.name = Arc::from(facts.name);
        state.owner = facts.owner;
        state.visibility = facts.visibility;
    }

    pub(crate) fn add(&self, user: &UserId, party: Party) -> bool {
        let mut state = self.state.write();
        !state.ended && state.members.insert(user.clone(), party).is_none()
    }

    /// Ends a membership; returns the party that it was charged to.
    pub(crate) fn remove(&self, user: &UserId) -> Option<Party> {
        self.state.write().members.remove(user)
    }

    /// Invites or bars a non-member; returns the party that the earlier entry was charged to.
    ///
    /// An error when the user is a member, or the room has ended: nothing changes.
    pub(crate) fn set_status(
        &self,
        user: &UserId,
        status: RoomStatus,
        party: Party,
    ) -> Result<Option<Party>, ()> {
        let mut state = self.state.write();
        if state.ended || state.members.contains_key(user) {
            return Err(());
        }
        let before = state.statuses.insert(user.clone(), (status, party));
        Ok(before.map(|(_, party)| party))
    }

    /// Removes an invitation or a bar; returns the party that it was charged to.
    pub(crate) fn remove_status(&self, user: &UserId) -> Option<Party> {
        self.state.write().statuses.remove(user).map(|(_, party)| party)
    }

    /// Marks the room as deleted; returns its members, then the parties of invited and banned
    /// users.
    pub(crate) fn end(&self) -> (HashMap<UserId, Party>, Vec<Party>) {
        let mut state = self.state.write();
        state.ended = true;
        let statuses = std::mem::take(&mut state.statuses);
        let parties = statuses.into_values().map(|(_, party)| party).collect();
        (std::mem::take(&mut state.members), parties)
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
