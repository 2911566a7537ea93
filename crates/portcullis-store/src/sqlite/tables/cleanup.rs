//! Removes the rows of deleted rooms, in small steps inside the writer's commits.
//! Never: a step that delays other changes noticeably.

use portcullis_model::RoomId;
use rusqlite::{Connection, OptionalExtension};

use crate::error::StoreError;
use crate::sqlite::columns::{room_id, text};
use crate::sqlite::tables::history::ANCHOR_EVERY;

/// How many rows of a deleted room one step removes.
const STEP_ROWS: i64 = 256;

/// Whether deleted rooms still have rows.
#[derive(Debug)]
pub(crate) struct Cleanup {
    is_pending: bool,
}

impl Cleanup {
    /// Starts as pending, so that the first batch checks the tables.
    pub(crate) fn new() -> Self {
        Self { is_pending: true }
    }

    /// Records that a room was deleted.
    pub(crate) fn room_deleted(&mut self) {
        self.is_pending = true;
    }

    /// Whether steps are due, even without a request.
    pub(crate) fn is_pending(&self) -> bool {
        self.is_pending
    }

    /// Continues after the disk was full.
    pub(crate) fn resume(&mut self) {
        self.is_pending = true;
    }

    /// Pauses until the next deletion, recovery or start: retries would not help a full disk.
    pub(crate) fn rolled_back(&mut self) {
        self.is_pending = false;
    }

    /// Removes a part of one deleted room.
    pub(crate) fn step(&mut self, connection: &Connection) -> Result<(), StoreError> {
        if !self.is_pending {
            return Ok(());
        }
        let mut select = connection.prepare_cached(
            "SELECT rooms.key, tails.seq, tails.number
             FROM rooms JOIN tails ON tails.room = rooms.key WHERE rooms.deleted = 1 LIMIT 1",
        )?;
        let found: Option<(i64, i64, i64)> =
            select.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
        match found {
            None => self.is_pending = false,
            Some((room, 0, _) | (room, _, 0)) => remove_room(connection, room)?,
            Some((room, seq, number)) => remove_messages(connection, room, seq, number)?,
        }
        Ok(())
    }
}

/// Removes messages from the newest end of the room's chain.
fn remove_messages(
    connection: &Connection,
    room: i64,
    seq: i64,
    number: i64,
) -> Result<(), StoreError> {
    // A start continues after the newest message's number, so a removed number is recorded.
    connection
        .prepare_cached("UPDATE marks SET number_removed_max = ?1 WHERE number_removed_max < ?1")?
        .execute([number])?;
    let mut delete = connection.prepare_cached(
        "DELETE FROM messages WHERE number = ?1 AND room = ?2 RETURNING previous",
    )?;
    let mut next = number;
    for _ in 0..STEP_ROWS {
        if next == 0 {
            break;
        }
        let previous: Option<i64> = delete.query_row((next, room), |row| row.get(0)).optional()?;
        next = previous.unwrap_or(0);
    }
    let left = if next == 0 { 0 } else { seq.saturating_sub(STEP_ROWS) };
    connection
        .prepare_cached("UPDATE tails SET seq = ?2, number = ?3 WHERE room = ?1")?
        .execute((room, left, next))?;
    // At the end of the chain, the remaining anchors are removed with the room.
    connection
        .prepare_cached(
            "DELETE FROM anchors WHERE room = ?1 AND seq IN
             (SELECT seq FROM anchors WHERE room = ?1 AND seq > ?2 LIMIT ?3)",
        )?
        .execute((room, left, STEP_ROWS / ANCHOR_EVERY + 1))?;
    Ok(())
}

/// Removes the other rows of a room without messages.
fn remove_room(connection: &Connection, room: i64) -> Result<(), StoreError> {
    for statement in [
        "DELETE FROM members WHERE room = ?1
         AND user IN (SELECT user FROM members WHERE room = ?1 LIMIT ?2)",
        "DELETE FROM relations WHERE room = ?1
         AND user IN (SELECT user FROM relations WHERE room = ?1 LIMIT ?2)",
        "DELETE FROM anchors WHERE room = ?1
         AND seq IN (SELECT seq FROM anchors WHERE room = ?1 LIMIT ?2)",
    ] {
        if connection.prepare_cached(statement)?.execute((room, STEP_ROWS))? > 0 {
            return Ok(());
        }
    }
    connection.prepare_cached("DELETE FROM tails WHERE room = ?1")?.execute([room])?;
    connection.prepare_cached("DELETE FROM rooms WHERE key = ?1")?.execute([room])?;
    Ok(())
}

/// The rooms that are deleted and still have rows.
pub(crate) fn deleted_rooms(connection: &Connection) -> Result<Vec<RoomId>, StoreError> {
    let mut select = connection.prepare_cached("SELECT id FROM rooms WHERE deleted = 1")?;
    let mut rows = select.query([])?;
    let mut rooms = Vec::new();
    while let Some(row) = rows.next()? {
        rooms.push(room_id(text(row, 0)?)?);
    }
    Ok(rooms)
}
