//! Tests of the migrations: databases of older versions still work.
//! Never: a table that a released version did not create.

use std::sync::Arc;

use portcullis_model::{BlockScope, RevocationKind, Role, Roles, RoomId, Secret};
use portcullis_test::{NEWEST_SCHEMA, undo_schemas};

use super::*;
use crate::accounts::AccountStore;
use crate::blocks::BlockStore;
use crate::changes::{ChangeStore, RecheckOutcome};
use crate::messages::MessageStore;
use crate::rooms::RoomStore;
use crate::rows::access_snapshot::Revocation;
use crate::rows::blocks::{BlockRow, PutBlockOutcome};
use crate::rows::factors::NewTotp;
use crate::rows::messages::{AppendOutcome, HistoryRequest};
use crate::rows::rooms::{InviteOutcome, InviteRequest};
use crate::rows::users::UserRow;
use crate::sqlite::copy::check::{check_copy, migrate_copy, newest_schema};
use crate::sqlite::copy::stopped::StoppedDatabase;
use crate::sqlite::database::connection::{open_operator, open_reader, open_writer};
use crate::sqlite::fixture::{SilentFeed, ann, lobby, message};
use crate::sqlite::options::SqliteOptions;
use crate::sqlite::store::SqliteStore;
use crate::store::Store;

#[test]
fn tables_are_created_once_and_a_later_schema_is_rejected() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("schema.db");
    for _ in 0..2 {
        let connection = open_writer(&path).unwrap();
        let version: u32 =
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version, 10);
        let mode: String =
            connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
        let synchronous: u32 =
            connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
        assert_eq!(synchronous, 2, "FULL");
    }
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 11).unwrap();
    let refused = open_writer(&path).unwrap_err();
    assert!(matches!(refused, StoreError::SchemaNewer { seen: 11, known: 10 }));
}

#[test]
fn older_database_keeps_the_highest_number_in_its_tables() {
    let cases = [("", 0), ("UPDATE marks SET mids_merged = 20;", 20)];
    let key = "INSERT INTO mids VALUES (1, 1, 30);";
    let cases = cases
        .into_iter()
        .flat_map(|(marks, expect)| [(marks.to_owned(), expect), (format!("{marks}{key}"), 30)]);
    for (script, expect) in cases {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("older.db");
        let older = Connection::open(&path).unwrap();
        older.execute_batch(VERSION_1).unwrap();
        older.execute_batch(&script).unwrap();
        older.pragma_update(None, "user_version", 1).unwrap();
        drop(older);
        let connection = open_writer(&path).unwrap();
        let mark: i64 = connection
            .query_row("SELECT number_removed_max FROM marks", [], |row| row.get(0))
            .unwrap();
        assert_eq!(mark, expect, "{script}");
    }
}

/// Two users, two rooms, and two messages in one of them, as the second version wrote them.
const OLDER: &str = "
    INSERT INTO users (key, id, username, folded, password_phc, roles, disabled,
        valid_after_unix_ms, created_unix_ms)
    VALUES (1, 'ann', 'Ann', 'ann', 'phc', 5, 0, 7, 1);
    INSERT INTO users (key, id, username, issuer, subject, roles, created_unix_ms)
    VALUES (2, 'far', 'ann', 'https://id.example', '7', 4, 2);
    INSERT INTO rooms VALUES (1, 'lobby', 'Lobby', 0, 1, 2, 0, 3),
        (2, 'cellar', 'Cellar', 1, 1, 1, 0, 3);
    INSERT INTO members VALUES (1, 1), (1, 2), (2, 1);
    INSERT INTO tails VALUES (1, 2, 9), (2, 0, 0);
    INSERT INTO messages VALUES
        (8, 'm8', 1, 1, 0, 1, 100, NULL, 'k8', NULL, 'one', '<b>one</b>'),
        (9, 'm9', 1, 2, 8, 2, 101, 'm8', NULL, NULL, 'two', NULL);
    UPDATE marks SET number_removed_max = 11;";

#[tokio::test]
async fn database_of_the_second_version_is_migrated() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("older.db");
    let older = Connection::open(&path).unwrap();
    older.execute_batch(&format!("{VERSION_1}{VERSION_2}{OLDER}")).unwrap();
    older.pragma_update(None, "user_version", 2).unwrap();
    drop(older);
    assert!(matches!(open_operator(&path), Err(StoreError::SchemaOlder { seen: 2, known: 10 })));
    let store = SqliteStore::open(&path, SqliteOptions::default(), Box::new(SilentFeed)).unwrap();

    let loaded = store.load().await.unwrap();
    let expect = UserRow {
        id: ann().id,
        username: Arc::from("Ann"),
        roles: Roles::user().with(Role::Admin),
        disabled: false,
        valid_after_unix_ms: 7,
        banned_until_unix_ms: 0,
        muted_until_unix_ms: 0,
        roles_after_unix_ms: 0,
        has_totp: false,
        foreign: false,
    };
    assert_eq!(loaded.access.users[0], expect);
    assert_eq!((loaded.access.users[1].id.as_str(), loaded.access.users[1].foreign), ("far", true));
    assert_eq!((loaded.rooms.len(), loaded.members.len()), (2, 3));
    assert_eq!((loaded.invited, loaded.barred), (vec![], vec![]));
    let credentials = store.credentials("ANN").await.unwrap().unwrap();
    assert_eq!(credentials.password_phc.expose(), "phc");
    assert!(credentials.totp.is_none());
    let page = || HistoryRequest { room: lobby().id, before: None, after: None, limit: 9 };
    let (rows, _) = store.history(page()).await.unwrap();
    let texts: Vec<_> = rows.iter().map(|row| (row.text.as_str(), row.html.as_deref())).collect();
    assert_eq!(texts, [("one", Some("<b>one</b>")), ("two", None)]);

    // Rows and numbers continue, and new operations work on old rows.
    let stored = store.append(message(1, 200)).await.unwrap();
    assert!(matches!(stored, AppendOutcome::Stored { seq: 3, .. }), "{stored:?}");
    let (rows, _) = store.history(page()).await.unwrap();
    assert_eq!(rows[2].number, 12);
    assert!(store.use_recovery_code(ann().id, [1; 32]).await.is_ok_and(|used| !used));
    let totp = NewTotp { secret: Secret::new(vec![1; 20]), step: 5, recovery: vec![[1; 32]] };
    assert!(store.set_totp(ann().id, Some(totp), None).await.unwrap());
    assert!(store.use_totp_step(ann().id, 6).await.unwrap());
    let ask = InviteRequest {
        room: RoomId::parse("cellar").unwrap(),
        user: loaded.access.users[1].id.clone(),
        by: ann().id,
        anywhere: false,
        invited_max: 9,
        party: 0,
    };
    assert_eq!(store.invite_to_room(ask).await.unwrap(), InviteOutcome::Invited);
    assert_eq!(store.recheck().await.unwrap(), RecheckOutcome::Reported);
    store.close().await.unwrap();
    assert!(open_operator(&path).is_ok());
}

#[tokio::test]
async fn database_of_the_third_version_keeps_its_users_and_rooms() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("third.db");
    let third = Connection::open(&path).unwrap();
    third.execute_batch(&format!("{VERSION_1}{VERSION_2}{OLDER}{VERSION_3}")).unwrap();
    third.pragma_update(None, "user_version", 3).unwrap();
    drop(third);
    let store = SqliteStore::open(&path, SqliteOptions::default(), Box::new(SilentFeed)).unwrap();
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.access.users.len(), loaded.rooms.len()), (2, 2), "none of them is deleted");
    let activity: Vec<i64> = loaded.rooms.iter().map(|room| room.active_unix_ms).collect();
    assert_eq!(activity, [101, 3], "the newest message, or else the room");
    store.close().await.unwrap();
}

#[tokio::test]
async fn revocation_of_the_fifth_version_stays_in_force_for_every_user() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifth.db");
    let fifth = Connection::open(&path).unwrap();
    fifth.execute_batch(&MIGRATIONS[..5].concat()).unwrap();
    fifth
        .execute_batch(
            "INSERT INTO revocations VALUES ('https://id.example', 0, 't1', 99);
             INSERT INTO revocations VALUES ('https://id.example', 1, 't1', 98);",
        )
        .unwrap();
    fifth.pragma_update(None, "user_version", 5).unwrap();
    drop(fifth);
    let store = SqliteStore::open(&path, SqliteOptions::default(), Box::new(SilentFeed)).unwrap();
    let row = |kind, until_unix_ms| Revocation {
        issuer: String::from("https://id.example"),
        user: String::new(),
        kind,
        name: String::from("t1"),
        until_unix_ms,
    };
    let expect = [row(RevocationKind::Token, 99), row(RevocationKind::Session, 98)];
    let mut kept = store.load().await.unwrap().access.revocations;
    kept.sort_unstable_by_key(|row| std::cmp::Reverse(row.until_unix_ms));
    assert_eq!(kept, expect);
    // The same name of one user is another revocation.
    let of_ann = Revocation { user: String::from("u_ann"), ..row(RevocationKind::Token, 50) };
    store.revoke(of_ann).await.unwrap();
    assert_eq!(store.load().await.unwrap().access.revocations.len(), 3);
    store.close().await.unwrap();
}

#[tokio::test]
async fn session_of_the_sixth_version_has_generation_0() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sixth.db");
    let sixth = Connection::open(&path).unwrap();
    sixth.execute_batch(&MIGRATIONS[..6].concat()).unwrap();
    sixth
        .execute_batch(
            "INSERT INTO users (key, id, username, folded, roles, created_unix_ms)
             VALUES (1, 'ann', 'Ann', 'ann', 1, 1);
             INSERT INTO sessions VALUES
                 ('s1', 1, 1, 2, 3, 4, 90, 99, 'a browser', '::1', x'01', NULL, 1);",
        )
        .unwrap();
    sixth.pragma_update(None, "user_version", 6).unwrap();
    drop(sixth);
    let store = SqliteStore::open(&path, SqliteOptions::default(), Box::new(SilentFeed)).unwrap();
    let sessions = store.load().await.unwrap().access.sessions;
    let [session] = sessions.as_slice() else { panic!("{sessions:?}") };
    assert_eq!((session.turn, session.generation), (4, 0));
    assert_eq!(session.authenticated_unix_ms, 2);
    store.close().await.unwrap();
}

#[test]
fn index_of_administrators_uses_the_right_bit() {
    assert_eq!(Roles::NONE.with(Role::Admin).bits(), 1);
}

#[test]
fn reader_connection_cannot_write() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("reader.db");
    let _writer = open_writer(&path).unwrap();
    let reader = open_reader(&path).unwrap();
    assert!(reader.execute("DELETE FROM users", []).is_err());
}

#[tokio::test]
async fn user_of_the_seventh_version_keeps_roles_until_a_token_gives_others() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("seventh.db");
    let seventh = Connection::open(&path).unwrap();
    seventh.execute_batch(&MIGRATIONS[..7].concat()).unwrap();
    seventh
        .execute_batch(
            "INSERT INTO users (key, id, username, issuer, subject, roles, created_unix_ms)
             VALUES (1, 'far', 'ann', 'https://id.example', '7', 5, 2);",
        )
        .unwrap();
    seventh.pragma_update(None, "user_version", 7).unwrap();
    drop(seventh);
    let store = SqliteStore::open(&path, SqliteOptions::default(), Box::new(SilentFeed)).unwrap();
    let far = store.load().await.unwrap().access.users[0].clone();
    assert_eq!((far.roles.bits(), far.roles_after_unix_ms), (5, 0));
    store.close().await.unwrap();
}

#[tokio::test]
async fn user_of_the_ninth_version_has_the_login_of_the_newest_session() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ninth.db");
    let ninth = Connection::open(&path).unwrap();
    ninth.execute_batch(&MIGRATIONS[..9].concat()).unwrap();
    ninth
        .execute_batch(
            "INSERT INTO users (key, id, username, folded, roles, created_unix_ms)
             VALUES (1, 'ann', 'Ann', 'ann', 1, 1), (2, 'bob', 'Bob', 'bob', 1, 2);
             INSERT INTO sessions VALUES
                 ('s1', 1, 20, 20, 90, 4, 90, 99, 'a browser', '::1', x'01', NULL, 1, 0),
                 ('s2', 1, 30, 70, 70, 4, 90, 99, 'a browser', '::1', x'01', NULL, 1, 0);",
        )
        .unwrap();
    ninth.pragma_update(None, "user_version", 9).unwrap();
    drop(ninth);
    let store = SqliteStore::open(&path, SqliteOptions::default(), Box::new(SilentFeed)).unwrap();
    for (name, expect) in [("ann", Some(30)), ("bob", None)] {
        let account = store.find_account(name).await.unwrap().unwrap();
        assert_eq!(account.last_login_unix_ms, expect, "{name}");
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn database_of_each_version_is_migrated_and_accepts_blocks() {
    for version in 1..newest_version() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("older.db");
        let older = Connection::open(&path).unwrap();
        older.execute_batch(&MIGRATIONS[..version as usize].concat()).unwrap();
        older
            .execute_batch(
                "INSERT INTO users (key, id, username, folded, roles, created_unix_ms)
                 VALUES (1, 'ann', 'Ann', 'ann', 4, 1);",
            )
            .unwrap();
        older.pragma_update(None, "user_version", version).unwrap();
        drop(older);
        let store =
            SqliteStore::open(&path, SqliteOptions::default(), Box::new(SilentFeed)).unwrap();
        let access = store.load().await.unwrap().access;
        assert_eq!((access.users.len(), access.blocks.len()), (1, 0), "{version}");
        let block = BlockRow {
            prefix: String::from("192.0.2.0/24"),
            scope: BlockScope::All,
            reason: String::from("a flood"),
            by: String::from("root"),
            created_unix_ms: 1,
            until_unix_ms: 2,
        };
        assert_eq!(store.put_block(block.clone()).await.unwrap(), PutBlockOutcome::Stored);
        assert_eq!(store.list_blocks(1).await.unwrap(), [block], "{version}");
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn backup_of_each_version_is_checked_and_migrated() {
    for version in 2..=newest_version() {
        let directory = tempfile::tempdir().unwrap();
        let (path, copy) = (directory.path().join("older.db"), directory.path().join("copy.db"));
        let older = Connection::open(&path).unwrap();
        older.execute_batch(&format!("{VERSION_1}{VERSION_2}{OLDER}")).unwrap();
        older.execute_batch(&MIGRATIONS[2..version as usize].concat()).unwrap();
        older.pragma_update(None, "user_version", version).unwrap();
        drop(older);
        StoppedDatabase::lock(&path).unwrap().copy(&copy).unwrap();
        assert_eq!(check_copy(&copy).unwrap(), version);
        migrate_copy(&copy).unwrap();
        assert_eq!(check_copy(&copy).unwrap(), newest_schema());
        let store =
            SqliteStore::open(&copy, SqliteOptions::default(), Box::new(SilentFeed)).unwrap();
        let page = HistoryRequest { room: lobby().id, before: None, after: None, limit: 9 };
        let (rows, _) = store.history(page).await.unwrap();
        let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
        assert_eq!(texts, ["one", "two"], "{version}");
        let loaded = store.load().await.unwrap();
        assert_eq!((loaded.access.users.len(), loaded.rooms.len()), (2, 2), "{version}");
        store.close().await.unwrap();
        let seen = Connection::open(&path).unwrap();
        let seen: u32 = seen.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(seen, version, "the original is as it was");
    }
}

/// The definitions of all tables and indexes, without their layout.
fn definitions(database: &Connection) -> Vec<(String, String)> {
    let select = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name";
    let mut statement = database.prepare(select).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).unwrap();
    let plain = |sql: String| sql.replace('"', "").split_whitespace().collect::<String>();
    rows.map(|row| row.map(|(name, sql)| (name, plain(sql))).unwrap()).collect()
}

// Tests of whole data directories make databases of earlier versions in this way.
#[test]
fn undone_schema_is_the_one_that_its_migrations_make() {
    assert_eq!(NEWEST_SCHEMA, newest_version());
    for version in 1..newest_version() {
        let made = Connection::open_in_memory().unwrap();
        made.execute_batch(&MIGRATIONS[..version as usize].concat()).unwrap();
        let undone = Connection::open_in_memory().unwrap();
        undone.execute_batch(&MIGRATIONS.concat()).unwrap();
        undone.execute_batch(&undo_schemas(version)).unwrap();
        assert_eq!(definitions(&undone), definitions(&made), "{version}");
        let seen: u32 = undone.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(seen, version);
    }
}
