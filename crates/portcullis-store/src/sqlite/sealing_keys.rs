//! Finds the keys that stored values are sealed with, and names those that are missing.
//! Never: a value opened or changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::error::StoreError;
use crate::field_seal::SealingKey;
use crate::sqlite::database::connection::BUSY_TIMEOUT;
use crate::sqlite::database::files::data_paths;
use crate::sqlite::database::migrations::newest_version;

/// The first schema with sealed values.
const SEALED_SCHEMA: u32 = 3;
/// Intervals of messages whose ends a sample always reads.
const INTERVALS: i64 = 64;
/// Rows that are read at one place to find a sealed message.
const ROWS_MAX: i64 = 64;
/// Most places of a sample.
const PLACES_MAX: u32 = 4_096;

/// Reads the key that a sealed value names.
pub(crate) type KeyOf<'a> = &'a dyn Fn(&[u8]) -> Option<SealingKey>;

/// Finds the keys that a database needs and `key_of` does not know, by a sample of the messages.
///
/// A missing file needs no keys. All second factors are read, and messages at 65 places at least;
/// between two places with different keys it reads on until it has found where they change.
/// So it reads about 10,000 messages at most, however many there are. It finds every key if each
/// key sealed consecutive messages.
///
/// # Errors
/// `SchemaNewer` if a later version wrote it, `Damaged` or `Database` if it cannot be read.
pub fn missing_keys(path: &Path, key_of: KeyOf<'_>) -> Result<Vec<String>, StoreError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    missing_by_sample(&open(path)?, key_of)
}

/// As [`missing_keys`], of a database that no server uses: neither it nor its log is changed.
///
/// # Errors
/// As [`missing_keys`]; `Database` also if another program uses it.
pub fn missing_keys_unchanged(path: &Path, key_of: KeyOf<'_>) -> Result<Vec<String>, StoreError> {
    // Without a log, SQLite creates an empty one, and removes it at the end.
    if !log_path(path).exists() {
        return missing_keys(path, key_of);
    }
    let connection = open(path)?;
    // The log stays when the last connection is closed, and its index is only in memory.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE;")?;
    missing_by_sample(&connection, key_of)
}

/// Finds the keys that a copy of a database needs and `key_of` does not know; reads every value.
///
/// # Errors
/// As [`missing_keys`].
pub fn missing_keys_of_copy(path: &Path, key_of: KeyOf<'_>) -> Result<Vec<String>, StoreError> {
    let copy = open(path)?;
    let mut keys = BTreeSet::new();
    if has_sealed_columns(&copy)? {
        add_second_factors(&copy, key_of, &mut keys)?;
        let every = "SELECT sealed FROM messages WHERE sealed IS NOT NULL";
        add_all(&copy, every, key_of, &mut keys)?;
    }
    Ok(missing(keys))
}

/// As [`missing_keys`], of an open database.
pub(crate) fn missing_by_sample(
    connection: &Connection,
    key_of: KeyOf<'_>,
) -> Result<Vec<String>, StoreError> {
    let mut keys = BTreeSet::new();
    if has_sealed_columns(connection)? {
        add_second_factors(connection, key_of, &mut keys)?;
        Sample { connection, key_of, keys: &mut keys, places_left: PLACES_MAX }.read()?;
    }
    Ok(missing(keys))
}

fn missing(keys: BTreeSet<SealingKey>) -> Vec<String> {
    keys.into_iter().filter(|key| !key.is_known).map(|key| key.name).collect()
}

/// The log of a database, which SQLite keeps beside the target of a link.
fn log_path(database: &Path) -> PathBuf {
    let [_, log, _] = data_paths(database);
    log
}

/// Opens a database of any schema. It is not changed, but the last connection that is closed
/// applies its log to it.
///
/// Only by SQLite: in a server, closing another descriptor of the file would drop its locks.
fn open(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF;")?;
    Ok(connection)
}

fn has_sealed_columns(connection: &Connection) -> Result<bool, StoreError> {
    let schema: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = newest_version();
    if schema > known {
        return Err(StoreError::SchemaNewer { seen: schema, known });
    }
    Ok(schema >= SEALED_SCHEMA)
}

/// Adds the keys of second factors. A start reads all users in any case.
fn add_second_factors(
    connection: &Connection,
    key_of: KeyOf<'_>,
    keys: &mut BTreeSet<SealingKey>,
) -> Result<(), StoreError> {
    let every = "SELECT totp FROM users WHERE totp_sealed AND totp IS NOT NULL";
    add_all(connection, every, key_of, keys)
}

fn add_all(
    connection: &Connection,
    query: &str,
    key_of: KeyOf<'_>,
    keys: &mut BTreeSet<SealingKey>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        keys.extend(key_of(row.get_ref(0)?.as_blob().unwrap_or_default()));
    }
    Ok(())
}

/// A sealed message: its number, and the key that it names.
struct Place {
    number: i64,
    key: SealingKey,
}

/// A sample of the messages, in the order of their numbers.
struct Sample<'a> {
    connection: &'a Connection,
    key_of: KeyOf<'a>,
    keys: &'a mut BTreeSet<SealingKey>,
    places_left: u32,
}

impl Sample<'_> {
    /// Adds the keys of the messages at equal distances, and of those between different keys.
    fn read(&mut self) -> Result<(), StoreError> {
        let ends: (Option<i64>, Option<i64>) = self.connection.query_row(
            "SELECT (SELECT min(number) FROM messages), (SELECT max(number) FROM messages)",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let (Some(first), Some(last)) = ends else { return Ok(()) };
        let width = (last.saturating_sub(first) / INTERVALS).max(1);
        let mut former: Option<Place> = None;
        let mut start = first;
        while start <= last {
            let end = start.saturating_add(width);
            if let Some(place) = self.first_sealed(start, end)? {
                self.refine(former.as_ref(), &place)?;
                former = Some(place);
            }
            start = end;
        }
        if let Some(newest) = self.last_sealed(first, last.saturating_add(1))? {
            self.refine(former.as_ref(), &newest)?;
        }
        Ok(())
    }

    /// Reads between two places until the keys of neighbours are the same.
    fn refine(&mut self, low: Option<&Place>, high: &Place) -> Result<(), StoreError> {
        let Some(low) = low.filter(|low| low.key != high.key) else { return Ok(()) };
        let middle = low.number.midpoint(high.number);
        if middle <= low.number {
            return Ok(());
        }
        let found = match self.first_sealed(middle, high.number)? {
            Some(place) => Some(place),
            None => self.last_sealed(low.number + 1, middle)?,
        };
        if let Some(place) = found {
            self.refine(Some(low), &place)?;
            self.refine(Some(&place), high)?;
        }
        Ok(())
    }

    /// The oldest sealed message of the first rows from `start` to before `end`.
    fn first_sealed(&mut self, start: i64, end: i64) -> Result<Option<Place>, StoreError> {
        let query = "SELECT number, sealed FROM
            (SELECT number, sealed FROM messages WHERE number >= ?1 AND number < ?2
             ORDER BY number LIMIT ?3)
            WHERE sealed IS NOT NULL ORDER BY number LIMIT 1";
        self.place(query, start, end)
    }

    /// The newest sealed message of the last rows from `start` to before `end`.
    fn last_sealed(&mut self, start: i64, end: i64) -> Result<Option<Place>, StoreError> {
        let query = "SELECT number, sealed FROM
            (SELECT number, sealed FROM messages WHERE number >= ?1 AND number < ?2
             ORDER BY number DESC LIMIT ?3)
            WHERE sealed IS NOT NULL ORDER BY number DESC LIMIT 1";
        self.place(query, start, end)
    }

    fn place(&mut self, query: &str, start: i64, end: i64) -> Result<Option<Place>, StoreError> {
        if self.places_left == 0 || start >= end {
            return Ok(None);
        }
        self.places_left -= 1;
        let mut statement = self.connection.prepare_cached(query)?;
        let found = statement
            .query_row((start, end, ROWS_MAX), |row| {
                Ok((row.get(0)?, (self.key_of)(row.get_ref(1)?.as_blob().unwrap_or_default())))
            })
            .optional()?;
        // A value that names no key is damaged; the request for it is rejected.
        let Some((number, Some(key))) = found else { return Ok(None) };
        self.keys.insert(key.clone());
        Ok(Some(Place { number, key }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value whose first byte is the name of its key; keys below 100 are known.
    fn key_of(sealed: &[u8]) -> Option<SealingKey> {
        let key = *sealed.first()?;
        Some(SealingKey { name: key.to_string(), is_known: key < 100 })
    }

    /// A database with the columns that are read. A message is sealed with its key, or is in the
    /// clear.
    fn database(messages: impl IntoIterator<Item = (i64, Option<u8>)>) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE users (totp BLOB, totp_sealed INTEGER);
                 CREATE TABLE messages (number INTEGER PRIMARY KEY, sealed BLOB);
                 PRAGMA user_version = 3;",
            )
            .unwrap();
        let mut insert = connection.prepare("INSERT INTO messages VALUES (?1, ?2)").unwrap();
        connection.execute_batch("BEGIN").unwrap();
        for (number, key) in messages {
            insert.execute((number, key.map(|key| vec![key; 30]))).unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
        drop(insert);
        connection
    }

    fn runs(keys: &[(u8, i64)]) -> Vec<(i64, Option<u8>)> {
        let each = keys.iter().flat_map(|(key, count)| (0..*count).map(|_| Some(*key)));
        (1..).zip(each).collect()
    }

    #[test]
    fn key_of_few_messages_anywhere_is_found_by_a_sample() {
        for (keys, expect) in [
            (vec![], vec![]),
            (vec![(1, 1)], vec![]),
            (vec![(100, 1)], vec!["100"]),
            (vec![(1, 20_000), (100, 1)], vec!["100"]),
            (vec![(100, 1), (1, 20_000)], vec!["100"]),
            (vec![(1, 9_999), (100, 1), (2, 10_000)], vec!["100"]),
            (vec![(1, 500), (100, 3), (2, 2), (101, 9_000), (3, 1)], vec!["100", "101"]),
        ] {
            let connection = database(runs(&keys));
            assert_eq!(missing_by_sample(&connection, &key_of).unwrap(), expect, "{keys:?}");
        }
    }

    #[test]
    fn sample_is_bounded_and_skips_messages_in_the_clear() {
        let clear = (1..50_000).map(|number| (number, None));
        let connection = database(clear.chain([(90_000, Some(100))]));
        assert_eq!(missing_by_sample(&connection, &key_of).unwrap(), ["100"]);
        // Two keys in turn are the worst case.
        let mixed = (1..200_000).map(|number| (number * 3, Some(u8::from(number % 2 == 0))));
        let connection = database(mixed);
        let mut keys = BTreeSet::new();
        let mut sample =
            Sample { connection: &connection, key_of: &key_of, keys: &mut keys, places_left: 500 };
        sample.read().unwrap();
        assert_eq!((sample.places_left, keys.len()), (0, 2));
    }

    #[test]
    fn log_of_a_killed_server_is_read_and_stays() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let killed = Connection::open(at("live.db")).unwrap();
        killed
            .execute_batch(
                "PRAGMA journal_mode = WAL;
                 CREATE TABLE users (totp BLOB, totp_sealed INTEGER);
                 CREATE TABLE messages (number INTEGER PRIMARY KEY, sealed BLOB);
                 PRAGMA user_version = 3;
                 PRAGMA wal_checkpoint(TRUNCATE);
                 INSERT INTO messages VALUES (1, x'64');",
            )
            .unwrap();
        let copy = |names: &[&str]| {
            for name in names {
                std::fs::copy(at(&format!("live.db{name}")), at(&format!("a.db{name}"))).unwrap();
            }
        };
        let files = || {
            let names = ["a.db", "a.db-wal", "a.db-shm", "a.db-journal"];
            names.map(|name| std::fs::read(at(name)).ok())
        };
        // The key is only in the log, whose index may be lost.
        for names in [&["", "-wal"][..], &["", "-wal", "-shm"]] {
            copy(names);
            let before = files();
            for _ in 0..2 {
                assert_eq!(missing_keys_unchanged(&at("a.db"), &key_of).unwrap(), ["100"]);
                assert!(files() == before, "{names:?}");
            }
        }
        assert_eq!(missing_keys(&at("a.db"), &key_of).unwrap(), ["100"]);
        // The log was applied.
        let before = files();
        assert!(before[1].is_none());
        assert_eq!(missing_keys_unchanged(&at("a.db"), &key_of).unwrap(), ["100"]);
        assert!(files() == before);
        assert_eq!(missing_keys_unchanged(&at("missing.db"), &key_of).unwrap(), [""; 0]);
    }

    #[test]
    fn second_factor_or_an_unreadable_value_needs_its_key() {
        let connection = database([(1, Some(1))]);
        connection.execute_batch("INSERT INTO messages VALUES (2, x'')").unwrap();
        assert_eq!(missing_by_sample(&connection, &key_of).unwrap(), [""; 0]);
        connection.execute_batch("INSERT INTO users VALUES (x'7f', 0), (NULL, 0)").unwrap();
        assert_eq!(missing_by_sample(&connection, &key_of).unwrap(), [""; 0], "in the clear");
        connection.execute_batch("INSERT INTO users VALUES (x'7e', 1)").unwrap();
        assert_eq!(missing_by_sample(&connection, &key_of).unwrap(), ["126"]);
        connection.execute_batch("PRAGMA user_version = 2").unwrap();
        assert_eq!(missing_by_sample(&connection, &key_of).unwrap(), [""; 0], "no such columns");
    }
}
