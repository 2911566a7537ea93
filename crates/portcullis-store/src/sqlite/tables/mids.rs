//! Finds the message a key was used for: the newest in memory, older ones in sorted portions.
//! Never: the only copy; what is in memory is read again from the messages after a start.

use std::collections::BTreeSet;

use rusqlite::{Connection, Statement};

use crate::error::StoreError;

/// How long a key counts: a day, in the times messages bring.
pub(crate) const MID_KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// From so many keys on they are moved to the table; 24 bytes each, 2 MiB with the tree.
const MEMORY_MIN: usize = if cfg!(test) { 64 } else { 65_536 };
/// A start reads about this many messages, at most, to find the keys that are not in the table.
const SPAN_MAX: i64 = if cfg!(test) { 512 } else { 400_000 };
/// Messages whose hash is the same are told apart by reading them, at most so many.
const SAME_HASH_MAX: i64 = 16;

/// One key: its day, its hash, and the message it was used for. The order is that of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    day: i64,
    hash: i64,
    number: i64,
}

impl Key {
    const FIRST: Self = Self { day: i64::MIN, hash: i64::MIN, number: i64::MIN };
}

/// The keys of a day, and the numbers messages get.
///
/// Keys come in no order, so writing each to its own place in the table would touch one page a
/// message. Instead they gather here and go to the table in a slow sweep through the order of
/// hashes: neighbours share a page. `marks.mids_merged` says up to which message all have gone.
#[derive(Debug)]
pub(crate) struct Mids {
    memory: BTreeSet<Key>,
    /// Where the sweep stands.
    cursor: Key,
    /// The newest message when the sweep started; all up to it are in the table when it ends.
    sweep_from: i64,
    /// What `marks.mids_merged` says.
    merged: i64,
    /// The number of the newest message.
    newest: i64,
    /// The day of the newest key.
    day: i64,
    /// The newest day of which the table holds keys.
    table_day: i64,
    /// Whether the table may hold keys of days that do not count any more.
    old_days: bool,
    /// Messages stored in this batch.
    stored: usize,
    /// Whether memory fits the tables; not before the first batch.
    fits: bool,
    /// What the batch at hand has changed here.
    undo: Undo,
}

/// What a batch that is rolled back has to undo, so that no stored key has to be read again.
#[derive(Debug, Default)]
struct Undo {
    /// The values before the batch; `None` between batches, and in one that has read the tables.
    before: Option<Marks>,
    /// The batch has read the tables, and moved keys there: they have to be read again.
    has_read: bool,
    inserted: Vec<Key>,
    removed: Vec<Key>,
}

/// The values of [`Mids`] that a batch can change, keys apart.
#[derive(Debug, Clone, Copy)]
struct Marks {
    cursor: Key,
    sweep_from: i64,
    merged: i64,
    day: i64,
    table_day: i64,
    old_days: bool,
}

impl Mids {
    /// Starts empty; [`Mids::refresh`] reads what belongs here.
    pub(crate) fn new() -> Self {
        Self {
            memory: BTreeSet::new(),
            cursor: Key::FIRST,
            sweep_from: 0,
            merged: 0,
            newest: 0,
            day: i64::MIN,
            table_day: i64::MIN,
            old_days: true,
            stored: 0,
            fits: false,
            undo: Undo::default(),
        }
    }

    /// Begins a batch, inside its transaction.
    pub(crate) fn begin(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.undo.has_read = !self.fits;
        self.refresh(connection)?;
        if self.undo.has_read {
            return Ok(());
        }
        let Self { cursor, sweep_from, merged, day, table_day, old_days, .. } = *self;
        self.undo.before = Some(Marks { cursor, sweep_from, merged, day, table_day, old_days });
        self.undo.inserted.clear();
        self.undo.removed.clear();
        Ok(())
    }

    /// Notes that the batch was committed.
    pub(crate) fn committed(&mut self) {
        self.undo.before = None;
        self.undo.has_read = false;
    }

    /// Undoes what the batch has changed here, after its transaction was rolled back.
    ///
    /// Numbers stay used: none is given again.
    pub(crate) fn rolled_back(&mut self) {
        if std::mem::take(&mut self.undo.has_read) {
            self.fits = false;
        }
        let Some(before) = self.undo.before.take() else { return };
        self.memory.extend(self.undo.removed.drain(..));
        for key in self.undo.inserted.drain(..) {
            self.memory.remove(&key);
        }
        let Marks { cursor, sweep_from, merged, day, table_day, old_days } = before;
        self.cursor = cursor;
        self.sweep_from = sweep_from;
        self.merged = merged;
        self.day = day;
        self.table_day = table_day;
        self.old_days = old_days;
        self.stored = 0;
    }

    /// Reads the keys that are not in the table, before the first batch.
    fn refresh(&mut self, connection: &Connection) -> Result<(), StoreError> {
        if self.fits {
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
        // A number is not given again, whether its message was removed or rolled back.
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
            // All at once, so that servers that start often do not read more each time.
            self.sweep(connection, usize::MAX)?;
        }
        self.fits = true;
        Ok(())
    }

    /// The number of the next message.
    pub(crate) fn next_number(&mut self) -> i64 {
        self.newest += 1;
        self.stored += 1;
        self.newest
    }

    /// Notes the key a message was stored under.
    pub(crate) fn keep(&mut self, user: i64, mid: &str, sent_unix_ms: i64, number: i64) {
        self.insert(user, mid, sent_unix_ms, number);
    }

    fn insert(&mut self, user: i64, mid: &str, sent_unix_ms: i64, number: i64) {
        let day = day(sent_unix_ms);
        if day > self.day {
            self.day = day;
            self.old_days = true;
        }
        let key = Key { day, hash: hash(user, mid), number };
        if self.memory.insert(key) && self.undo.before.is_some() {
            self.undo.inserted.push(key);
        }
    }

    /// The messages that may have been stored under this key within a day, to be looked at.
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

    /// Moves the sweep on and removes keys of old days, in proportion to what was stored.
    pub(crate) fn step(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let stored = std::mem::take(&mut self.stored);
        if stored == 0 {
            return Ok(());
        }
        let portion = 2 * stored + 16;
        if self.memory.len() > MEMORY_MIN || self.newest - self.merged > SPAN_MAX {
            self.sweep(connection, portion)?;
        }
        if self.old_days {
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
        self.old_days = removed > 0;
        Ok(())
    }
}

/// The day of a time, counted from 1970.
fn day(unix_ms: i64) -> i64 {
    unix_ms.div_euclid(MID_KEPT_MS)
}

/// Spreads keys over the table (FNV-1a, then mixed). It is kept in the database, so it must stay
/// as it is. It withstands no attack and need not: a hash is only a hint where to look, and who
/// makes keys with equal hashes spoils, at most, the recognition of repeats of his own.
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
mod tests {
    use std::collections::HashMap;

    use tokio::sync::oneshot::Receiver;

    use super::*;
    use crate::rows::rooms::{AppendOutcome, NewMessage};
    use crate::sqlite::database::migrations::open_writer;
    use crate::sqlite::fixture::{Deaf, ann, commit, healthy, lobby, message};
    use crate::sqlite::writer::commit::Writer;
    use crate::sqlite::writer::task::{Asked, Task};

    /// A row of equal-looking but different numbers (xorshift).
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: u32) -> u32 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            u32::try_from(self.0 % u64::from(sides)).unwrap()
        }
    }

    /// What should be known: the places and times of the keys, and the newest place.
    #[derive(Clone, Default)]
    struct Model {
        keys: HashMap<u32, (u64, i64)>,
        newest: u64,
    }

    impl Model {
        fn expect(&mut self, key: u32, now_ms: i64) -> u64 {
            match self.keys.get(&key) {
                Some((seq, sent_unix_ms)) if now_ms - sent_unix_ms < MID_KEPT_MS => *seq,
                _ => {
                    self.newest += 1;
                    self.keys.insert(key, (self.newest, now_ms));
                    self.newest
                }
            }
        }
    }

    fn ask(batch: &mut Vec<Box<dyn Task>>, message: NewMessage) -> Receiver<Answer> {
        let (task, answer) =
            Asked::ask(move |writer, changes| writer.append(message, None, changes));
        batch.push(task);
        answer
    }

    type Answer = Result<AppendOutcome, StoreError>;

    fn seq(mut answer: Receiver<Answer>) -> u64 {
        match answer.try_recv().unwrap() {
            Ok(AppendOutcome::Stored { seq, .. } | AppendOutcome::Repeated { seq, .. }) => seq,
            other => panic!("{other:?}"),
        }
    }

    // T-142, over many days, restarts and rollbacks.
    #[test]
    fn a_key_has_one_effect_a_day_wherever_it_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let connection = open_writer(&directory.path().join("mids.db")).unwrap();
        let mut writer = Writer::new(&connection, None, healthy()).unwrap();
        let (user, _) = Asked::ask(|writer, changes| {
            writer.account(changes, |tables| tables.create_user(ann()))
        });
        let (room, _) = Asked::ask(|writer, changes| writer.create_room(lobby(), changes));
        commit(&mut writer, &mut vec![user, room], &mut Deaf);

        let mut dice = Dice(0x5eed);
        let mut model = Model::default();
        let (mut now_ms, mut number) = (0, 0);
        let mut swept = false;
        for _ in 0..600 {
            let mut batch = Vec::new();
            let mut after = model.clone();
            let mut answers = Vec::new();
            for _ in 0..=dice.roll(12) {
                now_ms += i64::from(dice.roll(300_000));
                number += 1;
                let key = dice.roll(2_000);
                let mid = message(key, 0).mid;
                let answer = ask(&mut batch, NewMessage { mid, ..message(number, now_ms) });
                answers.push((answer, after.expect(key, now_ms)));
            }
            let fails = dice.roll(10) == 0;
            if fails {
                let (task, _) = Asked::ask(|writer, _| {
                    writer.fault_at_commit = true;
                    Ok(())
                });
                batch.push(task);
            }
            commit(&mut writer, &mut batch, &mut Deaf);
            if !fails {
                model = after;
                for (answer, expect) in answers {
                    assert_eq!(seq(answer), expect);
                }
            }
            swept |= writer.mids.merged > 0;
            if dice.roll(20) == 0 {
                writer = Writer::new(&connection, None, healthy()).unwrap();
            }
            assert!(writer.mids.memory.len() < 400, "{}", writer.mids.memory.len());
        }
        assert!(swept);
        let left: i64 = connection
            .query_row("SELECT count(*) FROM mids WHERE day < ?1", [writer.mids.day - 1], |row| {
                row.get(0)
            })
            .unwrap();
        assert!(left < 400, "{left} keys of old days");
    }

    #[test]
    fn rolled_back_batch_leaves_the_keys_as_a_start_would_read_them() {
        let directory = tempfile::tempdir().unwrap();
        let connection = open_writer(&directory.path().join("undo.db")).unwrap();
        let mut writer = Writer::new(&connection, None, healthy()).unwrap();
        let (user, _) = Asked::ask(|writer, changes| {
            writer.account(changes, |tables| tables.create_user(ann()))
        });
        let (room, _) = Asked::ask(|writer, changes| writer.create_room(lobby(), changes));
        commit(&mut writer, &mut vec![user, room], &mut Deaf);
        // Enough keys that each batch sweeps some into the table, over two days.
        let day_ms = MID_KEPT_MS;
        for round in 0..40 {
            let mut batch = Vec::new();
            for number in round * 8..round * 8 + 8 {
                drop(ask(&mut batch, message(number, i64::from(number) * day_ms / 200)));
            }
            let before = (writer.mids.memory.clone(), writer.mids.cursor, writer.mids.merged);
            let (fault, _) = Asked::ask(|writer, _| {
                writer.fault_at_commit = true;
                Ok(())
            });
            batch.push(fault);
            commit(&mut writer, &mut batch, &mut Deaf);
            let after = (writer.mids.memory.clone(), writer.mids.cursor, writer.mids.merged);
            assert_eq!(after, before, "round {round}");
            let mut batch = Vec::new();
            for number in round * 8..round * 8 + 8 {
                drop(ask(&mut batch, message(number, i64::from(number) * day_ms / 200)));
            }
            commit(&mut writer, &mut batch, &mut Deaf);
        }
        assert!(writer.mids.merged > 0, "the sweep must have come round");
        assert!(writer.mids.fits, "no rollback makes the keys be read again");
    }

    /// The hash is kept in databases: these values are for ever.
    #[test]
    fn the_hash_stays_as_it_is() {
        let cases = [
            (1, "a", -2_404_576_666_230_286_663),
            (1, "b", -7_128_924_369_997_004_570),
            (2, "a", -2_119_332_496_650_309_369),
            (-1, "", 7_679_411_569_137_598_510),
        ];
        for (user, mid, expect) in cases {
            assert_eq!(hash(user, mid), expect, "{user} {mid:?}");
        }
    }
}
