//! Tests of copies: under load, of a stopped database, of damaged and newer ones.
//! Never: a copy that is compared while it is written.

use std::fs::OpenOptions;
use std::os::unix::fs::{FileExt, PermissionsExt};

use rusqlite::Connection;

use super::*;
use crate::accounts::AccountStore;
use crate::messages::MessageStore;
use crate::rooms::RoomStore;
use crate::rows::messages::AppendOutcome;
use crate::sqlite::copy::progress::{CopyProgress, CopyState};
use crate::sqlite::copy::stopped::StoppedDatabase;
use crate::sqlite::fixture::{SilentFeed, ann, lobby, message};
use crate::sqlite::options::SqliteOptions;
use crate::sqlite::store::SqliteStore;
use crate::store::Store;

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, SqliteOptions::default(), Box::new(SilentFeed)).unwrap()
}

async fn with_messages(path: &Path, count: u32) -> SqliteStore {
    let store = open(path);
    store.create_user(ann()).await.unwrap();
    store.create_room(lobby()).await.unwrap();
    // Each takes its position when it is called, so a commit has many of them.
    let pending: Vec<_> =
        (1..=count).map(|number| store.append(message(number, i64::from(number)))).collect();
    for stored in pending {
        assert!(matches!(stored.await.unwrap(), AppendOutcome::Stored { .. }));
    }
    store
}

async fn append(store: &SqliteStore, number: u32) {
    let outcome = store.append(message(number, i64::from(number))).await.unwrap();
    assert!(matches!(outcome, AppendOutcome::Stored { .. }), "{outcome:?}");
}

fn messages(path: &Path) -> (u32, u32) {
    let connection = Connection::open(path).unwrap();
    let statement = "SELECT count(*), max(seq) FROM messages";
    connection.query_row(statement, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

/// Waits for a copy while messages are stored; returns the number of the last one.
async fn store_until_copied(store: &SqliteStore, copy: &CopyProgress, mut number: u32) -> u32 {
    while matches!(copy.state(), CopyState::Running) {
        number += 1;
        append(store, number).await;
    }
    number
}

#[tokio::test]
async fn copy_under_load_is_the_database_as_of_one_commit() {
    let directory = tempfile::tempdir().unwrap();
    let (path, target) = (directory.path().join("a.db"), directory.path().join("copy.db"));
    // More pages than one turn copies.
    let store = with_messages(&path, 6_000).await;
    let copy = store.start_copy(&target).unwrap();
    assert!(matches!(store.start_copy(&target), Err(StoreError::Busy)), "one at a time");
    let last = store_until_copied(&store, &copy, 6_000).await;
    assert!(matches!(copy.state(), CopyState::Complete), "{:?}", copy.state());
    let (copied, total) = copy.pages();
    assert!(copied == total && total > 256, "{copied} of {total} pages");
    assert!(last > 6_000, "messages were stored meanwhile");

    let facts = std::fs::metadata(&target).unwrap();
    assert_eq!(facts.permissions().mode() & 0o777, 0o600);
    assert_eq!(check_copy(&target).unwrap(), newest_schema());
    let (count, highest) = messages(&target);
    assert!((6_000..=last).contains(&count), "{count} of {last} messages");
    assert_eq!(count, highest, "no message between them is missing");

    // The copy is a database that a server can use, and the store goes on.
    let copied = open(&target);
    append(&copied, count + 1).await;
    copied.close().await.unwrap();
    append(&store, last + 1).await;
    store.close().await.unwrap();
    assert_eq!(messages(&path).0, last + 1);
}

#[tokio::test]
async fn copy_ends_with_the_store_and_never_replaces_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = with_messages(&path, 6_000).await;
    let taken = directory.path().join("taken");
    std::fs::write(&taken, "kept").unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(directory.path().join("target"), &link).unwrap();
    let mut last = 6_000;
    for existing in [&taken, &link] {
        let copy = store.start_copy(existing).unwrap();
        last = store_until_copied(&store, &copy, last).await;
        let state = copy.state();
        assert!(matches!(state, CopyState::Failed(StoreError::File { .. })), "{state:?}");
    }
    assert_eq!(std::fs::read_to_string(&taken).unwrap(), "kept");
    assert!(!directory.path().join("target").exists());

    let cancelled = store.start_copy(&directory.path().join("cancelled")).unwrap();
    // A cancelled copy does not keep another one waiting, also while the writer rests.
    cancelled.cancel();
    let copy = store.start_copy(&directory.path().join("closed")).unwrap();
    assert!(matches!(cancelled.state(), CopyState::Failed(StoreError::Closed)));
    store.close().await.unwrap();
    let state = copy.state();
    assert!(matches!(state, CopyState::Failed(StoreError::Closed)), "{state:?}");
}

#[tokio::test]
async fn stopped_database_is_copied_with_its_log() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = with_messages(&path, 20).await;
    assert!(matches!(StoppedDatabase::lock(&path), Err(StoreError::InUse(_))));
    // As after kill -9: the commits are in the log alone.
    let killed = directory.path().join("killed.db");
    for suffix in ["", "-wal"] {
        let name = |base: &Path| format!("{}{suffix}", base.display());
        std::fs::copy(name(&path), name(&killed)).unwrap();
    }
    store.close().await.unwrap();
    let locked = StoppedDatabase::lock(&killed).unwrap();
    let opened = SqliteStore::open(&killed, SqliteOptions::default(), Box::new(SilentFeed));
    assert!(matches!(opened, Err(StoreError::InUse(_))), "no server starts meanwhile");
    let target = directory.path().join("copy.db");
    locked.copy(&target).unwrap();
    assert_eq!(check_copy(&target).unwrap(), newest_schema());
    assert_eq!(messages(&target), (20, 20));
    assert!(matches!(locked.copy(&target), Err(StoreError::File { .. })), "it exists");
}

#[tokio::test]
async fn damaged_or_newer_copy_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    with_messages(&path, 500).await.close().await.unwrap();
    let target = directory.path().join("copy.db");
    StoppedDatabase::lock(&path).unwrap().copy(&target).unwrap();

    let newer = directory.path().join("newer.db");
    std::fs::copy(&target, &newer).unwrap();
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = check_copy(&newer).unwrap_err();
    assert!(matches!(error, StoreError::SchemaNewer { seen: 99, .. }), "{error}");
    assert!(migrate_copy(&newer).is_err());

    let file = OpenOptions::new().write(true).open(&target).unwrap();
    let pages = file.metadata().unwrap().len() / 4_096;
    for page in 2..pages {
        file.write_all_at(&[0xff; 64], page * 4_096).unwrap();
    }
    let error = check_copy(&target).unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
    let error = check_copy(&directory.path().join("missing.db"));
    assert!(error.is_err(), "a missing file is not a copy");
}

#[tokio::test]
async fn copy_with_more_than_tables_and_indexes_is_rejected() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    with_messages(&path, 3).await.close().await.unwrap();
    check_schema(&path).unwrap();
    let hidden = "PRAGMA writable_schema = ON;
        INSERT INTO sqlite_schema VALUES ('table', 'quiet', 'users', 0,
            'CREATE TRIGGER quiet BEFORE DELETE ON sessions BEGIN SELECT RAISE(IGNORE); END');";
    for (change, expect) in [
        (
            "CREATE TRIGGER keep BEFORE DELETE ON sessions BEGIN SELECT RAISE(IGNORE); END",
            Some("trigger keep"),
        ),
        ("CREATE VIEW seen AS SELECT * FROM users", Some("view seen")),
        ("CREATE VIRTUAL TABLE found USING fts5(a)", Some("table found")),
        ("ALTER TABLE rooms ADD COLUMN shown TEXT AS (name)", Some("column rooms.shown")),
        // SQLite compares the type with the text itself.
        (hidden, Some("malformed database schema (quiet)")),
        ("CREATE INDEX users_created ON users (created_unix_ms)", None),
        ("CREATE TABLE notes (text TEXT UNIQUE)", None),
        ("ANALYZE", None),
    ] {
        let copy = directory.path().join("copy.db");
        std::fs::copy(&path, &copy).unwrap();
        Connection::open(&copy).unwrap().execute_batch(change).unwrap();
        let checked = check_schema(&copy);
        let found = checked.err().map(|error| match error {
            StoreError::Damaged(why) => why.to_string(),
            other => other.to_string(),
        });
        let text = found.as_deref().unwrap_or_default();
        assert!(text.contains(expect.unwrap_or_default()), "{change}: {text}");
        assert_eq!(found.is_some(), expect.is_some(), "{change}: {text}");
    }
}
