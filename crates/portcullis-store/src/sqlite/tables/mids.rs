//! Finds the message of an idempotency key: new keys in memory, older ones in a sorted table.
//! Never: the only copy of a key; a start reads the keys in memory from the messages.

use std::collections::BTreeSet;

use rusqlite::{Connection, Statement};

use crate::error::StoreError;

/// How long a key is valid: a day, by the times of the messages.
pub(crate) const MID_KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// More keys than this are moved to the table; 24 bytes each, 2 MiB with the tree.
const MEMORY_MIN: usize = if cfg!(test) { 64 } else { 65_536 };
/// A start reads at most about this many messages to find keys that are not in the table.
const SPAN_MAX: i64 = if cfg!(test) { 512 } else { 400_000 };
/// Most messages with the same hash that are read to find the key.
const SAME_HASH_MAX: i64 = 16;

/// One key: its day, its hash, and the number of its message, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    day: i64,
    hash: i64,
    number: i64,
}

impl Key {
    const FIRST: Self = Self { day: i64::MIN, hash: i64::MIN, number: i64::MIN };
}

/// The keys of the last day, and the numbers of messages.
///
/// Keys arrive unsorted, so an immediate insert would change one page of the table for each
/// message. Instead they are collected here, and a slow sweep in the order of hashes moves them to
/// the table: neighbours share a page. All keys up to `marks.mids_merged` have been moved.
#[derive(Debug)]
pub(crate) struct Mids {
    memory: BTreeSet<Key>,
    /// The position of the sweep.
    cursor: Key,
    /// The newest message when the sweep started; at its end, all keys up to it are in the table.
    sweep_from: i64,
    /// The value of `marks.mids_merged`.
    merged: i64,
    /// The number of the newest message.
    newest: i64,
    /// The day of the newest key.
    day: i64,
    /// The newest day with keys in the table.
    table_day: i64,
    /// Whether the table may hold keys of expired days.
    has_old_days: bool,
    /// Messages that this batch has stored.
    stored: usize,
    /// Whether memory matches the tables; `false` before the first batch.
    is_loaded: bool,
    /// The changes of the current batch.
    undo: Undo,
}

/// The state that the rollback of a batch restores, so that no stored key has to be read again.
#[derive(Debug, Default)]
struct Undo {
    /// The values before the batch; `None` between batches, and in a batch that read the tables.
    before: Option<Marks>,
    /// Whether the batch has read the tables; a rollback makes the next batch read them again.
    has_read: bool,
    inserted: Vec<Key>,
    removed: Vec<Key>,
}

/// The values of [`Mids`] that a batch can change, except the keys.
#[derive(Debug, Clone, Copy)]
struct Marks {
    cursor: Key,
    sweep_from: i64,
    merged: i64,
    day: i64,
    table_day: i64,
    has_old_days: bool,
}

impl Mids {
    /// Starts empty; the first batch reads the keys from the tables.
    pub(crate) fn new() -> Self {
        Self {
            memory: BTreeSet::new(),
            cursor: Key::FIRST,
            sweep_from: 0,
            merged: 0,
            newest: 0,
            day: i64::MIN,
            table_day: i64::MIN,
            has_old_days: true,
            stored: 0,
            is_loaded: false,
            undo: Undo::default(),
        }
    }

    /// Starts a batch, inside its transaction.
    pub(crate) fn start_batch(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.undo.has_read = !self.is_loaded;
        self.refresh(connection)?;
        if self.undo.has_read {
            return Ok(());
        }
        let Self { cursor, sweep_from, merged, day, table_day, has_old_days, .. } = *self;
        self.undo.before = Some(Marks { cursor, sweep_from, merged, day, table_day, has_old_days });
        self.undo.inserted.clear();
        self.undo.removed.clear();
        Ok(())
    }

    /// Records that the batch was committed.
    pub(crate) fn committed(&mut self) {
        self.undo.before = None;
        self.undo.has_read = false;
    }

    /// Undoes the changes of the batch after its transaction was rolled back.
    ///
    /// Its numbers are not assigned again.
    pub(crate) fn rolled_back(&mut self) {
        if std::mem::take(&mut self.undo.has_read) {
            self.is_loaded = false;
        }
        let Some(before) = self.undo.before.take() else { return };
        self.memory.extend(self.undo.removed.drain(..));
        for key in self.undo.inserted.drain(..) {
            self.memory.remove(&key);
        }
        let Marks { cursor, sweep_from, merged, day, table_day, has_old_days } = before;
        self.cursor = cursor;
        self.sweep_from = sweep_from;
        self.merged = merged;
        self.day = day;
        self.table_day = table_day;
        self.has_old_days = has_old_days;
        self.stored = 0;
    }

    /// Reads the keys that are not in the table, before the first batch.
    fn refresh(&mut self, connection: &Connection) -> Result<(), StoreError> {
        if self.is_loaded {
            return Ok(());
        }
        let (merged, removed): (i64, i64) = connection.query_row(
            "SELECT mids_merged, number_removed_max FROM marks",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let last: i64 =
            connection
                .query_row("SELECT ifnull(max(number), 0) FROM messages", [], |row| row.get(0))?;
        let table_day: Option<i64> =
            connection.query_row("SELECT max(day) FROM mids", [], |row| row.get(0))?;
        let table_day = table_day.unwrap_or(i64::MIN);
        // A number is not assigned again, even if its message was removed or rolled back.
        let newest = last.max(merged).max(removed).max(self.newest);
        let undo = std::mem::take(&mut self.undo);
        *self = Self { merged, newest, table_day, undo, ..Self::new() };
        let mut select = connection.prepare(
            "SELECT number, user, mid, sent_unix_ms FROM messages
             WHERE number > ?1 AND mid IS NOT NULL",
        )?;
        let mut rows = select.query([merged])?;
        while let Some(row) = rows.next()? {
            let mid: String = row.get(2)?;
            self.insert(row.get(1)?, &mid, row.get(3)?, row.get(0)?);
        }
        if self.memory.len() > MEMORY_MIN || self.newest - self.merged > SPAN_MAX {
            // All at once, so that frequent starts do not read more each time.
            self.sweep(connection, usize::MAX)?;
        }
        self.is_loaded = true;
        Ok(())
    }

    /// The number of the next message.
    pub(crate) fn next_number(&mut self) -> i64 {
        self.newest += 1;
        self.stored += 1;
        self.newest
    }

    /// Records the key of a stored message.
    pub(crate) fn record(&mut self, user: i64, mid: &str, sent_unix_ms: i64, number: i64) {
        self.insert(user, mid, sent_unix_ms, number);
    }

    fn insert(&mut self, user: i64, mid: &str, sent_unix_ms: i64, number: i64) {
        let day = day(sent_unix_ms);
        if day > self.day {
            self.day = day;
            self.has_old_days = true;
        }
        let key = Key { day, hash: hash(user, mid), number };
        if self.memory.insert(key) && self.undo.before.is_some() {
            self.undo.inserted.push(key);
        }
    }

    /// The numbers of messages that may have this key and are at most a day old.
    pub(crate) fn find(
        &self,
        statement: &mut Statement<'_>,
        user: i64,
        mid: &str,
        sent_unix_ms: i64,
    ) -> Result<Vec<i64>, StoreError> {
        let (hash, today) = (hash(user, mid), day(sent_unix_ms));
        let mut numbers = Vec::new();
        for day in [today.saturating_sub(1), today] {
            if self.memory.first().is_some_and(|first| first.day <= day) {
                let from = Key { day, hash, number: i64::MIN };
                let to = Key { day, hash, number: i64::MAX };
                numbers.extend(self.memory.range(from..=to).map(|key| key.number));
            }
            if day <= self.table_day {
                let mut rows = statement.query((day, hash, SAME_HASH_MAX))?;
                while let Some(row) = rows.next()? {
                    numbers.push(row.get(0)?);
                }
            }
        }
        Ok(numbers)
    }

    /// Continues the sweep and removes keys of old days, in proportion to the stored messages.
    pub(crate) fn step(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let stored = std::mem::take(&mut self.stored);
        if stored == 0 {
            return Ok(());
        }
        let portion = 2 * stored + 16;
        if self.memory.len() > MEMORY_MIN || self.newest - self.merged > SPAN_MAX {
            self.sweep(connection, portion)?;
        }
        if self.has_old_days {
            self.remove_old(connection, portion)?;
        }
        Ok(())
    }

    fn sweep(&mut self, connection: &Connection, portion: usize) -> Result<(), StoreError> {
        if self.cursor == Key::FIRST {
            self.sweep_from = self.newest;
        }
        let keys: Vec<Key> = self.memory.range(self.cursor..).take(portion).copied().collect();
        let mut insert =
            connection.prepare_cached("INSERT OR IGNORE INTO mids VALUES (?1, ?2, ?3)")?;
        for key in &keys {
            if key.day >= self.day.saturating_sub(1) {
                insert.execute((key.day, key.hash, key.number))?;
                self.table_day = self.table_day.max(key.day);
            }
            if self.memory.remove(key) && self.undo.before.is_some() {
                self.undo.removed.push(*key);
            }
            self.cursor = *key;
        }
        if keys.len() < portion {
            self.merged = self.sweep_from;
            connection
                .prepare_cached("UPDATE marks SET mids_merged = ?1")?
                .execute([self.merged])?;
            self.cursor = Key::FIRST;
        }
        Ok(())
    }

    fn remove_old(&mut self, connection: &Connection, portion: usize) -> Result<(), StoreError> {
        let removed = connection
            .prepare_cached(
                "DELETE FROM mids WHERE (day, hash, number) IN
                 (SELECT day, hash, number FROM mids WHERE day < ?1
                  ORDER BY day, hash, number LIMIT ?2)",
            )?
            .execute((self.day.saturating_sub(1), i64::try_from(portion).unwrap_or(i64::MAX)))?;
        self.has_old_days = removed > 0;
        Ok(())
    }
}

/// The day of a time, counted from 1970.
fn day(unix_ms: i64) -> i64 {
    unix_ms.div_euclid(MID_KEPT_MS)
}

/// Spreads keys over the table (FNV-1a, then mixed). It is stored, so it must not change.
///
/// It does not resist attacks and need not: a hash is only a hint where to search. A user who makes
/// keys with equal hashes only prevents the detection of their own repeats.
fn hash(user: i64, mid: &str) -> i64 {
    let bytes = user.to_le_bytes().into_iter().chain(mid.bytes());
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    (hash ^ (hash >> 33)).cast_signed()
}

#[cfg(test)]
mod tests;
