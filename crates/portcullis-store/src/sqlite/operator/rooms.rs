//! Lists and deletes rooms beside a running server or a stopped one.
//! Never: the rows of a deleted room; the server removes them.

use portcullis_model::RoomId;
use rusqlite::Connection;

use crate::accounts::LIST_MAX;
use crate::error::StoreError;
use crate::rows::operator::RoomSummary;
use crate::rows::rooms::DeleteRoomOutcome;
use crate::sqlite::columns::{room_id, text, visibility};

/// Reads a part of all rooms, the oldest first.
pub(super) fn list_rooms(
    connection: &Connection,
    skip: u64,
    limit: u32,
) -> Result<Vec<RoomSummary>, StoreError> {
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
            visibility: visibility(row.get(2)?),
            owner: row.get(3)?,
            members: row.get::<_, i64>(4)?.cast_unsigned(),
            messages: row.get::<_, i64>(5)?.cast_unsigned(),
            active_unix_ms: row.get(6)?,
        });
    }
    Ok(rooms)
}

/// Marks a room as deleted; inside a transaction.
pub(super) fn delete_room(
    connection: &Connection,
    room: &RoomId,
) -> Result<DeleteRoomOutcome, StoreError> {
    let mut mark =
        connection.prepare_cached("UPDATE rooms SET deleted = 1 WHERE id = ?1 AND deleted = 0")?;
    let marked = mark.execute([room.as_str()])?;
    Ok(if marked == 1 { DeleteRoomOutcome::Deleted } else { DeleteRoomOutcome::Rejected })
}
