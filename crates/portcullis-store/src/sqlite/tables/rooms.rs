//! Creates, joins, leaves and deletes rooms.
//! Never: a change of membership that the cache does not receive.

use portcullis_model::{RoomId, UserId, Visibility};

use crate::changes::Change;
use crate::error::StoreError;
use crate::health::monitor::WriteKind;
use crate::rows::rooms::{
    CreateRoomOutcome, DeleteRoomOutcome, DeleteRoomRequest, JoinOutcome, JoinRequest,
    LeaveOutcome, NewRoom, RoomRow,
};
use crate::sqlite::columns::visibility_number;
use crate::sqlite::tables::membership::{Membership, remove_member};
use crate::sqlite::tables::state::WriteState;

impl WriteState<'_> {
    /// Creates a room; see [`crate::RoomStore::create_room`].
    pub(crate) fn create_room(
        &mut self,
        room: NewRoom,
        changes: &mut Vec<Change>,
    ) -> Result<CreateRoomOutcome, StoreError> {
        let Some(owner) = self.find_user(&room.owner)? else {
            return Err(StoreError::Corrupt("owner of a room"));
        };
        let owned: i64 = self
            .connection
            .prepare_cached("SELECT count(*) FROM rooms WHERE owner = ?1 AND deleted = 0")?
            .query_row([owner.key], |row| row.get(0))?;
        if owned >= i64::from(room.rooms_per_user_max) {
            return Ok(CreateRoomOutcome::TooMany);
        }
        if room.fence.as_ref().is_some_and(|fence| !fence.is_open()) {
            return Ok(CreateRoomOutcome::Ended);
        }
        self.check_writable(WriteKind::Client)?;
        self.in_savepoint(|connection| {
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

    /// Makes a user a member; see [`crate::RoomStore::join_room`].
    pub(crate) fn join_room(
        &mut self,
        join: JoinRequest,
        changes: &mut Vec<Change>,
    ) -> Result<JoinOutcome, StoreError> {
        let (Some(room), Some(user)) = (self.find_room(&join.room)?, self.find_user(&join.user)?)
        else {
            return Ok(JoinOutcome::Missing);
        };
        let membership = self.membership(room.key, user.key)?;
        let is_open = room.visibility == Visibility::Public || room.owner == user.key;
        let already = match membership {
            Some(Membership::Member) => true,
            Some(Membership::Invited | Membership::InvitedByRole) => false,
            Some(Membership::Barred) => return Ok(JoinOutcome::Missing),
            None if is_open => false,
            None => return Ok(JoinOutcome::Missing),
        };
        let by_role = membership == Some(Membership::InvitedByRole);
        if !already {
            if room.members >= i64::from(join.members_max) {
                return Ok(JoinOutcome::Full);
            }
            self.check_writable(WriteKind::Client)?;
            self.in_savepoint(|connection| {
                connection
                    .prepare_cached("INSERT INTO members (room, user) VALUES (?1, ?2)")?
                    .execute((room.key, user.key))?;
                connection
                    .prepare_cached("UPDATE rooms SET members = members + 1 WHERE key = ?1")?
                    .execute([room.key])?;
                if membership.is_some() {
                    connection
                        .prepare_cached("DELETE FROM relations WHERE room = ?1 AND user = ?2")?
                        .execute((room.key, user.key))?;
                }
                Ok(())
            })?;
        }
        let seq = self.cache.last_seq(&join.room).unwrap_or(room.last_seq).cast_unsigned();
        changes.push(Change::Joined {
            room: join.room,
            user: join.user,
            username: user.username,
            seq,
            already,
            by_role,
            origin: join.origin,
            party: join.party,
        });
        Ok(JoinOutcome::Joined { seq, already, by_role })
    }

    /// Ends a membership; see [`crate::RoomStore::leave_room`].
    pub(crate) fn leave_room(
        &mut self,
        room: RoomId,
        user: UserId,
        changes: &mut Vec<Change>,
    ) -> Result<LeaveOutcome, StoreError> {
        let (Some(found_room), Some(found_user)) = (self.find_room(&room)?, self.find_user(&user)?)
        else {
            return Ok(LeaveOutcome::NotMember);
        };
        if self.membership(found_room.key, found_user.key)? != Some(Membership::Member) {
            return Ok(LeaveOutcome::NotMember);
        }
        self.check_writable(WriteKind::Removal)?;
        self.in_savepoint(|connection| remove_member(connection, found_room.key, found_user.key))?;
        self.cache.remove_member(&room, &user);
        changes.push(Change::Left { room, user, username: found_user.username });
        Ok(LeaveOutcome::Left)
    }

    /// Deletes a room for its owner, or by a role; see [`crate::RoomStore::delete_room`].
    ///
    /// The row is marked, so the room cannot be used from then on. Members and messages are
    /// removed in small steps, because a large room would delay all other changes.
    pub(crate) fn delete_room(
        &mut self,
        deletion: DeleteRoomRequest,
        changes: &mut Vec<Change>,
    ) -> Result<DeleteRoomOutcome, StoreError> {
        let DeleteRoomRequest { room, by, anywhere } = deletion;
        self.check_writable(WriteKind::Removal)?;
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
        self.cache.remove_room(&room);
        self.cleanup.room_deleted();
        changes.push(Change::RoomDeleted { room });
        Ok(DeleteRoomOutcome::Deleted)
    }
}
