//! Old idempotency keys and deleted rooms, removed in small steps inside the writer's commits.
//! Never: a clock; a key's age is measured against the newest time a message brought.

use rusqlite::{Connection, OptionalExtension};

use crate::error::StoreError;

/// How long a key counts: a day, in the times messages bring.
pub(crate) const MID_KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// Rows of a deleted room removed in one step.
const ROOM_STEP: i64 = 256;

/// What is left to tidy up.
#[derive(Debug)]
pub(crate) struct Chores {
    /// The newest time heard in this batch, if it kept a key.
    newest_ms: Option<i64>,
    /// Keys kept in this batch.
    kept: i64,
    /// The age of the oldest key; `None` when it has to be looked up.
    oldest_ms: Option<i64>,
    /// Whether a deleted room may still have rows.
    rooms_pending: bool,
}

impl Chores {
    /// Starts without knowing anything, so that the first batches look.
    pub(crate) fn new() -> Self {
        Self { newest_ms: None, kept: 0, oldest_ms: None, rooms_pending: true }
    }

    /// Notes that a key was kept at this time.
    pub(crate) fn mid_kept(&mut self, sent_unix_ms: i64) {
        self.newest_ms = self.newest_ms.max(Some(sent_unix_ms));
        self.kept += 1;
    }

    /// Notes that a room was deleted.
    pub(crate) fn room_deleted(&mut self) {
        self.rooms_pending = true;
    }

    /// Whether there is something to do even when nobody asks for anything.
    pub(crate) fn pending(&self) -> bool {
        self.rooms_pending
    }

    /// After a rollback: looks again later, and leaves deleted rooms until the next deletion or
    /// start, since trying at once and for ever would not help a full disk.
    pub(crate) fn rolled_back(&mut self) {
        *self = Self { rooms_pending: false, ..Self::new() };
    }

    /// Does one step of everything that is due.
    pub(crate) fn step(&mut self, connection: &Connection) -> Result<(), StoreError> {
        if let Some(now_ms) = self.newest_ms.take() {
            self.purge_mids(connection, now_ms)?;
        }
        if self.rooms_pending {
            self.rooms_pending = purge_room(connection)?;
        }
        Ok(())
    }

    /// Removes expired keys from the oldest on, twice as many as came, so that it keeps up.
    fn purge_mids(&mut self, connection: &Connection, now_ms: i64) -> Result<(), StoreError> {
        let step_max = 2 * self.kept + 16;
        self.kept = 0;
        let expired_ms = now_ms.saturating_sub(MID_KEPT_MS);
        if self.oldest_ms.is_some_and(|oldest_ms| oldest_ms > expired_ms) {
            return Ok(());
        }
        connection
            .prepare_cached(
                "DELETE FROM mids WHERE sent_unix_ms <= ?1
                 AND number IN (SELECT number FROM mids ORDER BY number LIMIT ?2)",
            )?
            .execute((expired_ms, step_max))?;
        self.oldest_ms = connection
            .prepare_cached("SELECT sent_unix_ms FROM mids ORDER BY number LIMIT 1")?
            .query_row([], |row| row.get(0))
            .optional()?;
        Ok(())
    }
}

/// Removes a part of one deleted room; says whether there may be more.
fn purge_room(connection: &Connection) -> Result<bool, StoreError> {
    let room: Option<i64> = connection
        .prepare_cached("SELECT key FROM rooms WHERE deleted = 1 LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let Some(room) = room else { return Ok(false) };
    let mut removed = connection
        .prepare_cached(
            "DELETE FROM messages WHERE room = ?1
             AND seq < (SELECT min(seq) FROM messages WHERE room = ?1) + ?2",
        )?
        .execute((room, ROOM_STEP))?;
    if removed == 0 {
        removed = connection
            .prepare_cached(
                "DELETE FROM members WHERE room = ?1
                 AND user IN (SELECT user FROM members WHERE room = ?1 LIMIT ?2)",
            )?
            .execute((room, ROOM_STEP))?;
    }
    if removed == 0 {
        connection.prepare_cached("DELETE FROM rooms WHERE key = ?1")?.execute([room])?;
    }
    Ok(true)
}
