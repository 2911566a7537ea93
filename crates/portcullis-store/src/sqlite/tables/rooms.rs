//! Rooms and members, inside the writer.
//! Never: a change of membership the cache does not hear of.

use std::sync::Arc;

use portcullis_model::{RoomId, UserId, Visibility};
use rusqlite::{Connection, OptionalExtension};

use crate::changes::Change;
use crate::error::StoreError;
use crate::health::monitor::WriteKind;
use crate::rows::deletions::{DeleteRoomOutcome, DeleteRoomRequest};
use crate::rows::rooms::{
    CreateRoomOutcome, JoinOutcome, JoinRequest, LeaveOutcome, NewRoom, RoomRow,
};
use crate::sqlite::tables::relations::Standing;
use crate::sqlite::writer::commit::Writer;

/// The stored number of a visibility.
fn visibility_number(visibility: Visibility) -> i64 {
    match visibility {
        Visibility::Public => 0,
        Visibility::Private => 1,
    }
}

/// Reads the stored number of a visibility; every number but 0 means private.
pub(crate) fn visibility_from_number(number: i64) -> Visibility {
    if number == 0 { Visibility::Public } else { Visibility::Private }
}

/// A user as far as membership needs it.
pub(crate) struct Person {
    pub(crate) key: i64,
    pub(crate) username: Arc<str>,
}

/// A room as far as membership needs it.
pub(crate) struct Place {
    pub(crate) key: i64,
    visibility: Visibility,
    pub(crate) owner: i64,
    last_seq: i64,
    members: i64,
}

impl Writer<'_> {
    /// Creates a room; see [`crate::Store::create_room`].
    pub(crate) fn create_room(
        &mut self,
        room: NewRoom,
        changes: &mut Vec<Change>,
    ) -> Result<CreateRoomOutcome, StoreError> {
        let Some(owner) = self.person(&room.owner)? else {
            return Err(StoreError::Corrupt("owner of a room"));
        };
        let owned: i64 = self
            .connection
            .prepare_cached("SELECT count(*) FROM rooms WHERE owner = ?1 AND deleted = 0")?
            .query_row([owner.key], |row| row.get(0))?;
        if owned >= i64::from(room.rooms_per_user_max) {
            return Ok(CreateRoomOutcome::TooMany);
        }
        if room.fence.as_ref().is_some_and(|fence| !fence.holds()) {
            return Ok(CreateRoomOutcome::Ended);
        }
        self.permit(WriteKind::Client)?;
        self.whole(|connection| {
            let mut insert = connection.prepare_cached(
                "INSERT INTO rooms (id, name, visibility, owner, members, created_unix_ms)
                 VALUES (?1, ?2, ?3, ?4, 1, ?5)",
            )?;
            let key = insert.insert((
                room.id.as_str(),
                &room.name,
                visibility_number(room.visibility),
                owner.key,
                room.created_unix_ms,
            ))?;
            let mut member =
                connection.prepare_cached("INSERT INTO members (room, user) VALUES (?1, ?2)")?;
            member.execute((key, owner.key))?;
            connection
                .prepare_cached("INSERT INTO tails (room, seq, number) VALUES (?1, 0, 0)")?
                .execute([key])?;
            Ok(())
        })?;
        let row = RoomRow {
            id: room.id,
            name: room.name,
            owner: room.owner,
            visibility: room.visibility,
        };
        changes.push(Change::RoomCreated {
            room: row,
            origin: room.origin,
            seq: 0,
            created_unix_ms: room.created_unix_ms,
            party: room.party,
        });
        Ok(CreateRoomOutcome::Created)
    }

    /// Makes a user a member; see [`crate::Store::join_room`].
    pub(crate) fn join_room(
        &mut self,
        join: JoinRequest,
        changes: &mut Vec<Change>,
    ) -> Result<JoinOutcome, StoreError> {
        let (Some(room), Some(person)) = (self.room(&join.room)?, self.person(&join.user)?) else {
            return Ok(JoinOutcome::Missing);
        };
        let standing = self.standing(room.key, person.key)?;
        let open = room.visibility == Visibility::Public || room.owner == person.key;
        let already = match standing {
            Some(Standing::Member) => true,
            Some(Standing::Invited | Standing::InvitedByRole) => false,
            Some(Standing::Barred) => return Ok(JoinOutcome::Missing),
            None if open => false,
            None => return Ok(JoinOutcome::Missing),
        };
        let by_role = standing == Some(Standing::InvitedByRole);
        if !already {
            if room.members >= i64::from(join.members_max) {
                return Ok(JoinOutcome::Full);
            }
            self.permit(WriteKind::Client)?;
            self.whole(|connection| {
                connection
                    .prepare_cached("INSERT INTO members (room, user) VALUES (?1, ?2)")?
                    .execute((room.key, person.key))?;
                connection
                    .prepare_cached("UPDATE rooms SET members = members + 1 WHERE key = ?1")?
                    .execute([room.key])?;
                if standing.is_some() {
                    connection
                        .prepare_cached("DELETE FROM relations WHERE room = ?1 AND user = ?2")?
                        .execute((room.key, person.key))?;
                }
                Ok(())
            })?;
        }
        let seq = self.cache.last_seq(&join.room).unwrap_or(room.last_seq).cast_unsigned();
        changes.push(Change::Joined {
            room: join.room,
            user: join.user,
            username: person.username,
            seq,
            already,
            by_role,
            origin: join.origin,
            party: join.party,
        });
        Ok(JoinOutcome::Joined { seq, already, by_role })
    }

    /// Ends a membership; see [`crate::Store::leave_room`].
    pub(crate) fn leave_room(
        &mut self,
        room: RoomId,
        user: UserId,
        changes: &mut Vec<Change>,
    ) -> Result<LeaveOutcome, StoreError> {
        let (Some(place), Some(person)) = (self.room(&room)?, self.person(&user)?) else {
            return Ok(LeaveOutcome::NotMember);
        };
        if self.standing(place.key, person.key)? != Some(Standing::Member) {
            return Ok(LeaveOutcome::NotMember);
        }
        self.permit(WriteKind::Removal)?;
        self.whole(|connection| remove_member(connection, place.key, person.key))?;
        self.cache.forget_member(&room, &user);
        changes.push(Change::Left { room, user, username: person.username });
        Ok(LeaveOutcome::Left)
    }

    /// Deletes a room for its owner, or by a role; see [`crate::Store::delete_room`].
    ///
    /// The row is marked, and nothing of the room can be reached from then on; members and
    /// messages go in small steps, since a large room would hold up everyone else's messages.
    pub(crate) fn delete_room(
        &mut self,
        deletion: DeleteRoomRequest,
        changes: &mut Vec<Change>,
    ) -> Result<DeleteRoomOutcome, StoreError> {
        let DeleteRoomRequest { room, by, anywhere } = deletion;
        self.permit(WriteKind::Removal)?;
        self.cache.flush_room(self.connection, &room)?;
        let marked = self
            .connection
            .prepare_cached(
                "UPDATE rooms SET deleted = 1 WHERE id = ?1 AND deleted = 0
                 AND (?3 OR owner = (SELECT key FROM users WHERE id = ?2))",
            )?
            .execute((room.as_str(), by.as_str(), anywhere))?;
        if marked == 0 {
            return Ok(DeleteRoomOutcome::Rejected);
        }
        self.cache.forget_room(&room);
        self.chores.room_deleted();
        changes.push(Change::RoomDeleted { room });
        Ok(DeleteRoomOutcome::Deleted)
    }

    pub(crate) fn room(&self, room: &RoomId) -> Result<Option<Place>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT rooms.key, visibility, owner, tails.seq, members
             FROM rooms JOIN tails ON tails.room = rooms.key
             WHERE rooms.id = ?1 AND deleted = 0",
        )?;
        let found = select.query_row([room.as_str()], |row| {
            Ok(Place {
                key: row.get(0)?,
                visibility: visibility_from_number(row.get(1)?),
                owner: row.get(2)?,
                last_seq: row.get(3)?,
                members: row.get(4)?,
            })
        });
        Ok(found.optional()?)
    }

    pub(crate) fn person(&self, user: &UserId) -> Result<Option<Person>, StoreError> {
        let mut select =
            self.connection.prepare_cached("SELECT key, username FROM users WHERE id = ?1")?;
        let found = select.query_row([user.as_str()], |row| {
            Ok(Person { key: row.get(0)?, username: row.get(1)? })
        });
        Ok(found.optional()?)
    }
}

/// Removes a member and counts the room's members again; both or neither, for the caller to see to.
pub(crate) fn remove_member(
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
