//! What is read beside history: credentials, newest places, everything at the start.
//! Never: more than one row in an answer, the start apart.

use portcullis_model::{MessageId, Roles, RoomId, Secret, UserId};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::error::StoreError;
use crate::rows::{CredentialsRow, Loaded, RoomRow, UserRow, Visibility};

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

/// Finds what a log-in is checked against.
pub(crate) fn credentials(
    connection: &Connection,
    username: &str,
) -> Result<Option<CredentialsRow>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT id, username, password_phc, roles, disabled FROM users
         WHERE folded = ?1 AND password_phc IS NOT NULL",
    )?;
    let mut rows = select.query([fold(username)])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(CredentialsRow {
        id: user_id(text(row, 0)?)?,
        username: row.get(1)?,
        password_phc: Secret::new(row.get(2)?),
        roles: Roles::from_bits(row.get(3)?),
        disabled: row.get(4)?,
    }))
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
pub(crate) fn load(connection: &Connection) -> Result<Loaded, StoreError> {
    // One transaction, so that no member names a room or user that is not in the lists.
    let moment = connection.unchecked_transaction()?;
    let loaded =
        Loaded { users: users(&moment)?, rooms: rooms(&moment)?, members: members(&moment)? };
    moment.commit()?;
    Ok(loaded)
}

fn users(connection: &Connection) -> Result<Vec<UserRow>, StoreError> {
    let mut select = connection
        .prepare("SELECT id, username, roles, disabled, valid_after_unix_ms FROM users")?;
    let mut rows = select.query([])?;
    let mut users = Vec::new();
    while let Some(row) = rows.next()? {
        users.push(UserRow {
            id: user_id(text(row, 0)?)?,
            username: row.get(1)?,
            roles: Roles::from_bits(row.get(2)?),
            disabled: row.get(3)?,
            valid_after_unix_ms: row.get(4)?,
        });
    }
    Ok(users)
}

fn rooms(connection: &Connection) -> Result<Vec<RoomRow>, StoreError> {
    let mut select = connection.prepare(
        "SELECT rooms.id, name, users.id, visibility FROM rooms
         JOIN users ON users.key = rooms.owner WHERE deleted = 0",
    )?;
    let mut rows = select.query([])?;
    let mut rooms = Vec::new();
    while let Some(row) = rows.next()? {
        rooms.push(RoomRow {
            id: room_id(text(row, 0)?)?,
            name: row.get(1)?,
            owner: user_id(text(row, 2)?)?,
            visibility: Visibility::from_number(row.get(3)?),
        });
    }
    Ok(rooms)
}

fn members(connection: &Connection) -> Result<Vec<(RoomId, UserId)>, StoreError> {
    let mut select = connection.prepare(
        "SELECT rooms.id, users.id FROM members
         JOIN rooms ON rooms.key = members.room JOIN users ON users.key = members.user
         WHERE deleted = 0 ORDER BY members.room",
    )?;
    let mut rows = select.query([])?;
    let mut members: Vec<(RoomId, UserId)> = Vec::new();
    while let Some(row) = rows.next()? {
        let room = text(row, 0)?;
        // Members of one room come together; its id is shared, not copied for each.
        let room = match members.last() {
            Some((last, _)) if last.as_str() == room => last.clone(),
            _ => room_id(room)?,
        };
        members.push((room, user_id(text(row, 1)?)?));
    }
    Ok(members)
}
