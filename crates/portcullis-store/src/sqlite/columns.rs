//! What is read beside history: newest places, everything at the start.
//! Never: more than one row in an answer, the start apart.

use portcullis_model::{MessageId, RoomId, UserId};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::error::StoreError;
use crate::rows::accounts::Authority;
use crate::rows::rooms::RoomRow;
use crate::rows::snapshot::{RoomSnapshot, StoreSnapshot};
use crate::sqlite::tables::rooms::visibility_from_number;
use crate::sqlite::writer::recheck::authority;

/// The form of a name that makes `Alice` and `alice` one.
pub(crate) fn fold(username: &str) -> String {
    username.to_lowercase()
}

/// Reads a stored user id.
pub(crate) fn user_id(text: &str) -> Result<UserId, StoreError> {
    UserId::parse(text).map_err(|_| StoreError::Corrupt("user id"))
}

/// Reads a stored message id.
pub(crate) fn message_id(text: &str) -> Result<MessageId, StoreError> {
    MessageId::parse(text).map_err(|_| StoreError::Corrupt("message id"))
}

fn room_id(text: &str) -> Result<RoomId, StoreError> {
    RoomId::parse(text).map_err(|_| StoreError::Corrupt("room id"))
}

/// Reads a column of text without copying it.
pub(crate) fn text<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r str, StoreError> {
    let value = row.get_ref(column)?;
    value.as_str().map_err(|_| StoreError::Corrupt("text"))
}

/// Whether any administrator exists.
pub(crate) fn has_admin(connection: &Connection) -> Result<bool, StoreError> {
    let mut select = connection.prepare_cached("SELECT 1 FROM users WHERE roles & 1 LIMIT 1")?;
    Ok(select.exists([])?)
}

/// The newest place of a room.
pub(crate) fn last_seq(connection: &Connection, room: &RoomId) -> Result<Option<u64>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT tails.seq FROM rooms JOIN tails ON tails.room = rooms.key
         WHERE rooms.id = ?1 AND rooms.deleted = 0",
    )?;
    let found: Option<i64> = select.query_row([room.as_str()], |row| row.get(0)).optional()?;
    Ok(found.map(i64::cast_unsigned))
}

/// Reads everything the live directory is built from, as of one moment.
pub(crate) fn load(connection: &Connection) -> Result<StoreSnapshot, StoreError> {
    // One transaction, so that no member names a room or user that is not in the lists.
    let moment = connection.unchecked_transaction()?;
    let Authority { users, sessions, revocations, revocations_ended_unix_ms } = authority(&moment)?;
    let loaded = StoreSnapshot {
        users,
        sessions,
        revocations,
        revocations_ended_unix_ms,
        rooms: rooms(&moment)?,
        members: pairs(&moment, MEMBERS)?,
        invited: pairs(&moment, INVITED)?,
        barred: pairs(&moment, BARRED)?,
    };
    moment.commit()?;
    Ok(loaded)
}

fn rooms(connection: &Connection) -> Result<Vec<RoomSnapshot>, StoreError> {
    let mut select = connection.prepare(
        "SELECT rooms.id, name, users.id, visibility,
             ifnull(messages.sent_unix_ms, rooms.created_unix_ms)
         FROM rooms JOIN users ON users.key = rooms.owner
         LEFT JOIN tails ON tails.room = rooms.key
         LEFT JOIN messages ON messages.number = tails.number
         WHERE deleted = 0",
    )?;
    let mut rows = select.query([])?;
    let mut rooms = Vec::new();
    while let Some(row) = rows.next()? {
        let room = RoomRow {
            id: room_id(text(row, 0)?)?,
            name: row.get(1)?,
            owner: user_id(text(row, 2)?)?,
            visibility: visibility_from_number(row.get(3)?),
        };
        rooms.push(RoomSnapshot { room, active_unix_ms: row.get(4)? });
    }
    Ok(rooms)
}

const MEMBERS: &str = "SELECT rooms.id, users.id FROM members AS pair
    JOIN rooms ON rooms.key = pair.room JOIN users ON users.key = pair.user
    WHERE deleted = 0 ORDER BY pair.room";
const INVITED: &str = "SELECT rooms.id, users.id FROM relations AS pair
    JOIN rooms ON rooms.key = pair.room JOIN users ON users.key = pair.user
    WHERE deleted = 0 AND kind IN (1, 3) ORDER BY pair.room";
const BARRED: &str = "SELECT rooms.id, users.id FROM relations AS pair
    JOIN rooms ON rooms.key = pair.room JOIN users ON users.key = pair.user
    WHERE deleted = 0 AND kind = 2 ORDER BY pair.room";

fn pairs(
    connection: &Connection,
    statement: &'static str,
) -> Result<Vec<(RoomId, UserId)>, StoreError> {
    let mut select = connection.prepare(statement)?;
    let mut rows = select.query([])?;
    let mut pairs: Vec<(RoomId, UserId)> = Vec::new();
    while let Some(row) = rows.next()? {
        let room = text(row, 0)?;
        // Those of one room come together; its id is shared, not copied for each.
        let room = match pairs.last() {
            Some((last, _)) if last.as_str() == room => last.clone(),
            _ => room_id(room)?,
        };
        pairs.push((room, user_id(text(row, 1)?)?));
    }
    Ok(pairs)
}
