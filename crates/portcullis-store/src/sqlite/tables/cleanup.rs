//! What deleted rooms leave behind, removed in small steps inside the writer's commits.
//! Never: a step long enough for anyone to notice.

use rusqlite::{Connection, OptionalExtension};

use crate::error::StoreError;
use crate::sqlite::tables::append::ANCHOR_EVERY;

/// Rows of a deleted room removed in one step.
const STEP_ROWS: i64 = 256;

/// What is left to tidy up.
#[derive(Debug)]
pub(crate) struct Chores {
    pending: bool,
}

impl Chores {
    /// Starts without knowing, so that the first batch looks.
    pub(crate) fn new() -> Self {
        Self { pending: true }
    }

    /// Notes that a room was deleted.
    pub(crate) fn room_deleted(&mut self) {
        self.pending = true;
    }

    /// Whether there is something to do even when nobody asks for anything.
    pub(crate) fn pending(&self) -> bool {
        self.pending
    }

    /// Goes on with what was left when the disk was full.
    pub(crate) fn resume(&mut self) {
        self.pending = true;
    }

    /// Leaves the rest until the next deletion, recovery or start: trying at once and for ever
    /// would not help a full disk.
    pub(crate) fn rolled_back(&mut self) {
        self.pending = false;
    }

    /// Removes a part of one deleted room.
    pub(crate) fn step(&mut self, connection: &Connection) -> Result<(), StoreError> {
        if !self.pending {
            return Ok(());
        }
        let mut select = connection.prepare_cached(
            "SELECT rooms.key, tails.seq, tails.number
             FROM rooms JOIN tails ON tails.room = rooms.key WHERE rooms.deleted = 1 LIMIT 1",
        )?;
        let found: Option<(i64, i64, i64)> =
            select.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
        match found {
            None => self.pending = false,
            Some((room, 0, _) | (room, _, 0)) => remove_room(connection, room)?,
            Some((room, seq, number)) => remove_messages(connection, room, seq, number)?,
        }
        Ok(())
    }
}

/// Walks the chain from its newest end and takes it down.
fn remove_messages(
    connection: &Connection,
    room: i64,
    seq: i64,
    number: i64,
) -> Result<(), StoreError> {
    // A start takes the newest message's number for the last one given, unless it has gone.
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
    // When the chain has ended, what anchors are left go with the room.
    connection
        .prepare_cached(
            "DELETE FROM anchors WHERE room = ?1 AND seq IN
             (SELECT seq FROM anchors WHERE room = ?1 AND seq > ?2 LIMIT ?3)",
        )?
        .execute((room, left, STEP_ROWS / ANCHOR_EVERY + 1))?;
    Ok(())
}

/// Removes what is left of a room without messages.
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
