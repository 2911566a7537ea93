//! Rooms listed and deleted, and users deleted, beside a running server or a stopped one.
//! Never: a part of it; each deletion is one transaction, with the record of who did it.

use portcullis_model::{RoomId, UserId};
use rusqlite::{Connection, OptionalExtension};

use crate::accounts::LIST_MAX;
use crate::error::StoreError;
use crate::rows::accounts::{OperatorActionKind, SessionSelector};
use crate::rows::deletions::{
    DeleteRoomOutcome, DeleteUserOutcome, DeleteUserRequest, OwnedRooms, RoomSummary,
};
use crate::sqlite::account_tables::users::AccountTables;
use crate::sqlite::columns::text;
use crate::sqlite::operator::store::SqliteOperatorStore;
use crate::sqlite::tables::rooms::visibility_from_number;

/// The name that is shown for deleted users. A user cannot register it.
const DELETED_NAME: &str = "deleted user";

impl SqliteOperatorStore {
    /// Reads a part of all rooms, the oldest first.
    ///
    /// # Errors
    /// `Database` when it cannot be read.
    pub fn rooms(&self, skip: u64, limit: u32) -> Result<Vec<RoomSummary>, StoreError> {
        let connection = self.connection.lock();
        let mut select = connection.prepare_cached(
            "SELECT rooms.id, name, visibility, users.username, members, tails.seq,
                 ifnull(messages.sent_unix_ms, rooms.created_unix_ms)
             FROM rooms JOIN users ON users.key = rooms.owner
             JOIN tails ON tails.room = rooms.key
             LEFT JOIN messages ON messages.number = tails.number
             WHERE deleted = 0 ORDER BY rooms.key LIMIT ?1 OFFSET ?2",
        )?;
        let skip = i64::try_from(skip).unwrap_or(i64::MAX);
        let mut rows = select.query((limit.min(LIST_MAX), skip))?;
        let mut rooms = Vec::new();
        while let Some(row) = rows.next()? {
            rooms.push(RoomSummary {
                id: room_id(text(row, 0)?)?,
                name: row.get(1)?,
                visibility: visibility_from_number(row.get(2)?),
                owner: row.get(3)?,
                members: row.get::<_, i64>(4)?.cast_unsigned(),
                messages: row.get::<_, i64>(5)?.cast_unsigned(),
                active_unix_ms: row.get(6)?,
            });
        }
        Ok(rooms)
    }

    /// Deletes a room with its members and messages; a running server ends it within its recheck.
    ///
    /// # Errors
    /// `Database` when it cannot be written.
    pub fn delete_room(&self, room: &RoomId) -> Result<DeleteRoomOutcome, StoreError> {
        let done = |outcome: &DeleteRoomOutcome| match outcome {
            DeleteRoomOutcome::Deleted => {
                Some((OperatorActionKind::Status, None, format!("room {room} deleted")))
            }
            DeleteRoomOutcome::Rejected => None,
        };
        let delete = |tables: &mut AccountTables<'_>| {
            let mut mark = tables
                .connection
                .prepare_cached("UPDATE rooms SET deleted = 1 WHERE id = ?1 AND deleted = 0")?;
            let marked = mark.execute([room.as_str()])?;
            Ok(if marked == 1 { DeleteRoomOutcome::Deleted } else { DeleteRoomOutcome::Rejected })
        };
        self.write(delete, done)
    }

    /// Deletes a user; see [`DeleteUserRequest`]. A running server ends the user in its recheck.
    ///
    /// # Errors
    /// `Database` when it cannot be written.
    pub fn delete_user(
        &self,
        deletion: &DeleteUserRequest,
    ) -> Result<DeleteUserOutcome, StoreError> {
        let done = |outcome: &DeleteUserOutcome| match outcome {
            DeleteUserOutcome::Deleted { rooms } => {
                let what = format!("user deleted, {}", deletion.rooms.describe(*rooms));
                Some((OperatorActionKind::Status, Some(deletion.user.clone()), what))
            }
            DeleteUserOutcome::Missing | DeleteUserOutcome::LastAdmin => None,
        };
        self.write(|tables| tables.delete_user(deletion), done)
    }
}

impl AccountTables<'_> {
    /// Whether a user with this id was deleted.
    pub(crate) fn is_deleted(&self, user: &UserId) -> Result<bool, StoreError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT 1 FROM users WHERE id = ?1 AND deleted_unix_ms <> 0")?;
        Ok(select.exists([user.as_str()])?)
    }

    /// Ends everything a user is and has, and keeps the row that messages refer to.
    fn delete_user(
        &mut self,
        deletion: &DeleteUserRequest,
    ) -> Result<DeleteUserOutcome, StoreError> {
        let (user, at_unix_ms) = (&deletion.user, deletion.at_unix_ms);
        let found: Option<i64> = self
            .connection
            .prepare_cached("SELECT key FROM users WHERE id = ?1 AND deleted_unix_ms = 0")?
            .query_row([user.as_str()], |row| row.get(0))
            .optional()?;
        let Some(key) = found else { return Ok(DeleteUserOutcome::Missing) };
        if self.is_last_admin(key, at_unix_ms)? {
            return Ok(DeleteUserOutcome::LastAdmin);
        }
        self.end_sessions(user, &SessionSelector::All)?;
        let rooms = match deletion.rooms {
            OwnedRooms::Deleted => "UPDATE rooms SET deleted = 1 WHERE owner = ?1 AND deleted = 0",
            // Counts them alike.
            OwnedRooms::Kept => "UPDATE rooms SET owner = owner WHERE owner = ?1 AND deleted = 0",
        };
        let rooms = self.connection.prepare_cached(rooms)?.execute([key])?;
        for statement in [
            "UPDATE rooms SET members = members - 1
             WHERE key IN (SELECT room FROM members WHERE user = ?1)",
            "DELETE FROM members WHERE user = ?1",
            "DELETE FROM relations WHERE user = ?1",
            "DELETE FROM recovery_codes WHERE user = ?1",
            "DELETE FROM invitations WHERE created_by = ?1 AND used_by IS NULL",
        ] {
            self.connection.prepare_cached(statement)?.execute([key])?;
        }
        self.connection
            .prepare_cached(
                "UPDATE users SET username = ?2, folded = NULL, password_phc = NULL, issuer = NULL,
                     subject = NULL, totp = NULL, totp_sealed = 0, roles = 0, disabled = 1,
                     valid_after_unix_ms = max(valid_after_unix_ms, ?3), changed_unix_ms = ?3,
                     deleted_unix_ms = max(?3, 1)
                 WHERE key = ?1",
            )?
            .execute((key, DELETED_NAME, at_unix_ms))?;
        Ok(DeleteUserOutcome::Deleted { rooms })
    }
}

/// The rooms that are deleted and not yet removed.
pub(crate) fn deleted_rooms(connection: &Connection) -> Result<Vec<RoomId>, StoreError> {
    let mut select = connection.prepare_cached("SELECT id FROM rooms WHERE deleted = 1")?;
    let mut rows = select.query([])?;
    let mut rooms = Vec::new();
    while let Some(row) = rows.next()? {
        rooms.push(room_id(text(row, 0)?)?);
    }
    Ok(rooms)
}

fn room_id(text: &str) -> Result<RoomId, StoreError> {
    RoomId::parse(text).map_err(|_| StoreError::Corrupt("room id"))
}
