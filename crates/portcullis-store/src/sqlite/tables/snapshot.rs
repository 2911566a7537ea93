//! Reads everything that the start needs, as of one moment.
//! Never: messages.

use portcullis_model::{RoomId, UserId};
use rusqlite::Connection;

use crate::error::StoreError;
use crate::rows::rooms::RoomRow;
use crate::rows::snapshot::{RoomSnapshot, StoreSnapshot};
use crate::sqlite::account_tables::access_snapshot::read_access_snapshot;
use crate::sqlite::columns::{room_id, text, user_id, visibility};

/// Reads the snapshot; see [`crate::Store::load`].
pub(crate) fn load(connection: &Connection) -> Result<StoreSnapshot, StoreError> {
    // One transaction, so that every member's room and user are in the lists.
    let transaction = connection.unchecked_transaction()?;
    let snapshot = StoreSnapshot {
        access: read_access_snapshot(&transaction)?,
        rooms: rooms(&transaction)?,
        members: pairs(&transaction, MEMBERS)?,
        invited: pairs(&transaction, INVITED)?,
        barred: pairs(&transaction, BARRED)?,
    };
    transaction.commit()?;
    Ok(snapshot)
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
            visibility: visibility(row.get(3)?),
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
        // Pairs of one room are neighbours; they share its id.
        let room = match pairs.last() {
            Some((last, _)) if last.as_str() == room => last.clone(),
            _ => room_id(room)?,
        };
        pairs.push((room, user_id(text(row, 1)?)?));
    }
    Ok(pairs)
}
