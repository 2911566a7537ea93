//! Finds rooms and users, and the membership of a user in a room.
//! Never: a change.

use std::sync::Arc;

use portcullis_model::{RoomId, UserId, Visibility};
use rusqlite::{Connection, OptionalExtension};

use crate::error::StoreError;
use crate::sqlite::columns::visibility;
use crate::sqlite::tables::state::WriteState;

/// The properties of a user that membership needs.
pub(super) struct FoundUser {
    pub(super) key: i64,
    pub(super) username: Arc<str>,
}

/// The properties of a room that membership needs.
pub(super) struct FoundRoom {
    pub(super) key: i64,
    pub(super) visibility: Visibility,
    pub(super) owner: i64,
    pub(super) last_seq: i64,
    pub(super) members: i64,
}

/// The relation of a user to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Membership {
    Member,
    Invited,
    Barred,
    /// Invited by a role, and not by the owner: the room is notified when the user joins.
    InvitedByRole,
}

impl Membership {
    /// The stored number; only [`WriteState::membership`] uses that of a member.
    pub(super) fn number(self) -> i64 {
        match self {
            Self::Member => 0,
            Self::Invited => 1,
            Self::Barred => 2,
            Self::InvitedByRole => 3,
        }
    }

    /// Reads the stored number; an unknown one bars the user.
    fn from_number(number: i64) -> Self {
        match number {
            0 => Self::Member,
            1 => Self::Invited,
            3 => Self::InvitedByRole,
            _ => Self::Barred,
        }
    }
}

impl WriteState<'_> {
    /// Finds the relation of a user to a room, in one statement because joins are frequent.
    pub(super) fn membership(
        &self,
        room: i64,
        user: i64,
    ) -> Result<Option<Membership>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT CASE WHEN EXISTS (SELECT 1 FROM members WHERE room = ?1 AND user = ?2) THEN 0
                 ELSE (SELECT kind FROM relations WHERE room = ?1 AND user = ?2) END",
        )?;
        let kind: Option<i64> = select.query_row((room, user), |row| row.get(0))?;
        Ok(kind.map(Membership::from_number))
    }

    /// Finds a room that is not deleted.
    pub(super) fn find_room(&self, room: &RoomId) -> Result<Option<FoundRoom>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT rooms.key, visibility, owner, tails.seq, members
             FROM rooms JOIN tails ON tails.room = rooms.key
             WHERE rooms.id = ?1 AND deleted = 0",
        )?;
        let found = select.query_row([room.as_str()], |row| {
            Ok(FoundRoom {
                key: row.get(0)?,
                visibility: visibility(row.get(1)?),
                owner: row.get(2)?,
                last_seq: row.get(3)?,
                members: row.get(4)?,
            })
        });
        Ok(found.optional()?)
    }

    /// Finds a user.
    pub(super) fn find_user(&self, user: &UserId) -> Result<Option<FoundUser>, StoreError> {
        let mut select =
            self.connection.prepare_cached("SELECT key, username FROM users WHERE id = ?1")?;
        let found = select.query_row([user.as_str()], |row| {
            Ok(FoundUser { key: row.get(0)?, username: row.get(1)? })
        });
        Ok(found.optional()?)
    }
}

/// Removes a member and updates the room's number of members; the caller makes it one step.
pub(super) fn remove_member(
    connection: &Connection,
    room: i64,
    user: i64,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM members WHERE room = ?1 AND user = ?2")?
        .execute((room, user))?;
    connection
        .prepare_cached("UPDATE rooms SET members = members - 1 WHERE key = ?1")?
        .execute([room])?;
    Ok(())
}
