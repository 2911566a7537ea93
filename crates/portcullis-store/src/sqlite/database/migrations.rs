//! Tables, their migrations, and the settings every connection starts with.
//! Never: a migration that was released and then changed.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::StoreError;
use crate::sqlite::account_tables::revocations::{REVOCATIONS_BY_USER, REVOCATIONS_ENDED};

/// One step a version; `user_version` counts the steps a database has taken.
const MIGRATIONS: &[&str] = &[
    VERSION_1,
    VERSION_2,
    VERSION_3,
    REVOCATIONS_ENDED,
    VERSION_5,
    REVOCATIONS_BY_USER,
    VERSION_7,
];

/// Whoever else holds the file (a backup, an operator's shell) is waited for this long.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

// What decides the shape: a commit writes every page it touched, and a page costs more than all
// else about a message. So a message touches the ends of tables only:
// - `messages` lies in the order of arrival. Its rows of one room are a chain, newest to oldest
//   (`previous`), entered at `tails`, or nearer to the past at one of the `anchors`.
// - `mids` finds an idempotency key by its hash, and is filled later, in sorted portions; what is
//   newer than `marks.mids_merged` is in the writer's memory, and after a start read from
//   `messages`.
// A message names its room and user by their keys; the writer, which has just looked them up, sees
// to it that they exist, so that a deleted room need not be searched for in all messages.
// `roles & 1` is the administrator's bit. A foreign user has no `folded` name, so it takes none
// from our own users. A room counts its members, since counting rows costs more the larger it is.
const VERSION_1: &str = "
CREATE TABLE users (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    username TEXT NOT NULL,
    folded TEXT UNIQUE,
    password_phc TEXT,
    issuer TEXT,
    subject TEXT,
    roles INTEGER NOT NULL,
    disabled INTEGER NOT NULL DEFAULT 0,
    valid_after_unix_ms INTEGER NOT NULL DEFAULT 0,
    created_unix_ms INTEGER NOT NULL,
    UNIQUE (issuer, subject)
) STRICT;
CREATE INDEX users_admin ON users (key) WHERE roles & 1;
CREATE TABLE rooms (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    visibility INTEGER NOT NULL,
    owner INTEGER NOT NULL REFERENCES users (key),
    members INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0,
    created_unix_ms INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX rooms_id ON rooms (id) WHERE deleted = 0;
CREATE INDEX rooms_owner ON rooms (owner) WHERE deleted = 0;
CREATE INDEX rooms_deleted ON rooms (key) WHERE deleted = 1;
CREATE TABLE members (
    room INTEGER NOT NULL REFERENCES rooms (key),
    user INTEGER NOT NULL REFERENCES users (key),
    PRIMARY KEY (room, user)
) STRICT, WITHOUT ROWID;
CREATE TABLE tails (
    room INTEGER PRIMARY KEY REFERENCES rooms (key),
    seq INTEGER NOT NULL,
    number INTEGER NOT NULL
) STRICT;
CREATE TABLE anchors (
    room INTEGER NOT NULL REFERENCES rooms (key),
    seq INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (room, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE messages (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    room INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    previous INTEGER NOT NULL,
    user INTEGER NOT NULL,
    sent_unix_ms INTEGER NOT NULL,
    reply_to TEXT,
    mid TEXT,
    digest BLOB,
    text TEXT NOT NULL,
    html TEXT
) STRICT;
CREATE TABLE mids (
    day INTEGER NOT NULL,
    hash INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (day, hash, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE marks (mids_merged INTEGER NOT NULL) STRICT;
INSERT INTO marks VALUES (0);
";

// The newest messages may go with their room, and their numbers must not come again: a connection
// that comes back names the last number it has. What an older version removed has left a trace
// only where its key was moved to `mids`.
const VERSION_2: &str = "
ALTER TABLE marks ADD COLUMN number_removed_max INTEGER NOT NULL DEFAULT 0;
UPDATE marks SET number_removed_max =
    max(mids_merged, (SELECT ifnull(max(number), 0) FROM mids));
";

// A session's row is written at each renewal, so it holds nothing that is looked up otherwise. The
// newest turn and the device are all a refresh token is checked against; the token itself is made
// again from them. Its idle end is never after its end, so that one index finds what is over.
// `messages.sealed` holds text, formatting and digest where they are sealed; their own columns are
// empty. What an operator does beside a server waits in `operator_acts` until a server records it.
const VERSION_3: &str = "
ALTER TABLE users ADD COLUMN banned_until_unix_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN muted_until_unix_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN totp BLOB;
ALTER TABLE users ADD COLUMN totp_sealed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN totp_step INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN changed_unix_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN sealed BLOB;
CREATE TABLE recovery_codes (
    user INTEGER NOT NULL REFERENCES users (key),
    hash BLOB NOT NULL,
    PRIMARY KEY (user, hash)
) STRICT, WITHOUT ROWID;
CREATE TABLE sessions (
    id TEXT NOT NULL UNIQUE,
    user INTEGER NOT NULL REFERENCES users (key),
    created_unix_ms INTEGER NOT NULL,
    authenticated_unix_ms INTEGER NOT NULL,
    renewed_unix_ms INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    idle_ends_unix_ms INTEGER NOT NULL,
    ends_unix_ms INTEGER NOT NULL,
    device TEXT NOT NULL,
    address TEXT NOT NULL,
    device_hash BLOB NOT NULL,
    key BLOB,
    factors INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_user ON sessions (user);
CREATE INDEX sessions_ends ON sessions (idle_ends_unix_ms);
CREATE TABLE revocations (
    issuer TEXT NOT NULL,
    kind INTEGER NOT NULL,
    name TEXT NOT NULL,
    until_unix_ms INTEGER NOT NULL,
    PRIMARY KEY (issuer, kind, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX revocations_until ON revocations (until_unix_ms);
CREATE TABLE invitations (
    hash BLOB PRIMARY KEY,
    created_by INTEGER REFERENCES users (key),
    created_unix_ms INTEGER NOT NULL,
    ends_unix_ms INTEGER NOT NULL,
    used_by INTEGER REFERENCES users (key)
) STRICT, WITHOUT ROWID;
CREATE INDEX invitations_ends ON invitations (ends_unix_ms);
CREATE TABLE roles (
    number INTEGER PRIMARY KEY CHECK (number BETWEEN 0 AND 23),
    name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE relations (
    room INTEGER NOT NULL REFERENCES rooms (key),
    user INTEGER NOT NULL REFERENCES users (key),
    kind INTEGER NOT NULL,
    PRIMARY KEY (room, user)
) STRICT, WITHOUT ROWID;
CREATE TABLE operator_acts (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    user TEXT,
    detail TEXT NOT NULL,
    at_unix_ms INTEGER NOT NULL
) STRICT;
";

// A deleted user keeps a row without anything that names a person: messages and rooms refer to it.
const VERSION_5: &str = "
ALTER TABLE users ADD COLUMN deleted_unix_ms INTEGER NOT NULL DEFAULT 0;
";

// An access token names the generation of its session; one of an earlier generation is void. The
// tokens that older versions issued name none, which is generation 0. Every user was logged out at
// `marks.valid_after_unix_ms`: also one of another issuer who gets a row later.
const VERSION_7: &str = "
ALTER TABLE sessions ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE marks ADD COLUMN valid_after_unix_ms INTEGER NOT NULL DEFAULT 0;
";

/// The version that this build writes.
pub(crate) fn newest_version() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Opens a connection beside a running server's, for the tables about people.
///
/// # Errors
/// `SchemaOlder` or `SchemaNewer` unless the database is exactly of this version.
pub(crate) fn open_beside(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // What is sealed again here is overwritten in its place.
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA secure_delete = ON;",
    )?;
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    let seen: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match seen.cmp(&known) {
        std::cmp::Ordering::Less => Err(StoreError::SchemaOlder { seen, known }),
        std::cmp::Ordering::Equal => Ok(connection),
        std::cmp::Ordering::Greater => Err(StoreError::SchemaNewer { seen, known }),
    }
}

/// Opens the writer's connection and brings the tables up to date.
///
/// Worst-case memory: 32 MiB of page cache.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // FULL makes a commit in WAL mode wait for the disk: an answer given is a message kept. The
    // two `fullfsync` lines say the same to macOS, whose plain fsync stops at the drive's cache.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -32768;
         PRAGMA journal_size_limit = 67108864;",
    )?;
    connection.set_prepared_statement_cache_capacity(64);
    migrate(&mut connection)?;
    Ok(connection)
}

/// Opens a connection that cannot write.
///
/// Worst-case memory: 8 MiB of page cache.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.execute_batch(
        "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -8192;",
    )?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    let seen: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if seen > known {
        return Err(StoreError::SchemaNewer { seen, known });
    }
    for (version, script) in (1u32..).zip(MIGRATIONS) {
        if version > seen {
            let step = connection.transaction()?;
            step.execute_batch(script)?;
            step.pragma_update(None, "user_version", version)?;
            step.commit()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portcullis_model::{Role, Roles, RoomId, Secret};

    use super::*;
    use crate::accounts::{AccountStore, RecheckOutcome};
    use crate::rows::accounts::{NewTotp, Revocation};
    use crate::rows::rooms::{
        AppendOutcome, HistoryRequest, InviteOutcome, InviteRequest, UserRow,
    };
    use crate::sqlite::fixture::{Deaf, ann, lobby, message};
    use crate::sqlite::store::{SqliteOptions, SqliteStore};
    use crate::store::Store;
    use portcullis_model::RevocationKind;

    #[test]
    fn the_tables_are_made_once_and_a_later_schema_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("schema.db");
        for _ in 0..2 {
            let connection = open_writer(&path).unwrap();
            let version: u32 =
                connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
            assert_eq!(version, 7);
            let mode: String =
                connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
            assert_eq!(mode, "wal");
            let synchronous: u32 =
                connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
            assert_eq!(synchronous, 2, "FULL");
        }
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 9).unwrap();
        let refused = open_writer(&path).unwrap_err();
        assert!(matches!(refused, StoreError::SchemaNewer { seen: 9, known: 7 }));
    }

    #[test]
    fn an_older_database_keeps_the_highest_number_it_has_a_trace_of() {
        let cases = [("", 0), ("UPDATE marks SET mids_merged = 20;", 20)];
        let key = "INSERT INTO mids VALUES (1, 1, 30);";
        let cases = cases.into_iter().flat_map(|(marks, expect)| {
            [(marks.to_owned(), expect), (format!("{marks}{key}"), 30)]
        });
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
    async fn a_database_of_the_second_version_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("older.db");
        let older = Connection::open(&path).unwrap();
        older.execute_batch(&format!("{VERSION_1}{VERSION_2}{OLDER}")).unwrap();
        older.pragma_update(None, "user_version", 2).unwrap();
        drop(older);
        assert!(matches!(open_beside(&path), Err(StoreError::SchemaOlder { seen: 2, known: 7 })));
        let store = SqliteStore::open(&path, SqliteOptions::default(), Box::new(Deaf)).unwrap();

        let loaded = store.load().await.unwrap();
        let expect = UserRow {
            id: ann().id,
            username: Arc::from("Ann"),
            roles: Roles::user().with(Role::Admin),
            disabled: false,
            valid_after_unix_ms: 7,
            banned_until_unix_ms: 0,
            muted_until_unix_ms: 0,
            has_totp: false,
            foreign: false,
        };
        assert_eq!(loaded.users[0], expect);
        assert_eq!((loaded.users[1].id.as_str(), loaded.users[1].foreign), ("far", true));
        assert_eq!((loaded.rooms.len(), loaded.members.len()), (2, 3));
        assert_eq!((loaded.invited, loaded.barred), (vec![], vec![]));
        let credentials = store.credentials("ANN").await.unwrap().unwrap();
        assert_eq!(credentials.password_phc.expose(), "phc");
        assert!(credentials.totp.is_none());
        let page = || HistoryRequest { room: lobby().id, before: None, after: None, limit: 9 };
        let (rows, _) = store.history(page()).await.unwrap();
        let texts: Vec<_> =
            rows.iter().map(|row| (row.text.as_str(), row.html.as_deref())).collect();
        assert_eq!(texts, [("one", Some("<b>one</b>")), ("two", None)]);

        // Places and numbers go on, and what is new can be done to what is old.
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
            user: loaded.users[1].id.clone(),
            by: ann().id,
            anywhere: false,
            invited_max: 9,
            party: 0,
        };
        assert_eq!(store.invite_to_room(ask).await.unwrap(), InviteOutcome::Invited);
        assert_eq!(store.recheck().await.unwrap(), RecheckOutcome::Reported);
        store.close().await.unwrap();
        assert!(open_beside(&path).is_ok());
    }

    #[tokio::test]
    async fn database_of_the_third_version_keeps_its_users_and_rooms() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("third.db");
        let third = Connection::open(&path).unwrap();
        third.execute_batch(&format!("{VERSION_1}{VERSION_2}{OLDER}{VERSION_3}")).unwrap();
        third.pragma_update(None, "user_version", 3).unwrap();
        drop(third);
        let store = SqliteStore::open(&path, SqliteOptions::default(), Box::new(Deaf)).unwrap();
        let loaded = store.load().await.unwrap();
        assert_eq!((loaded.users.len(), loaded.rooms.len()), (2, 2), "none of them is deleted");
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
        let store = SqliteStore::open(&path, SqliteOptions::default(), Box::new(Deaf)).unwrap();
        let row = |kind, until_unix_ms| Revocation {
            issuer: String::from("https://id.example"),
            user: String::new(),
            kind,
            name: String::from("t1"),
            until_unix_ms,
        };
        let expect = [row(RevocationKind::Token, 99), row(RevocationKind::Session, 98)];
        let mut kept = store.load().await.unwrap().revocations;
        kept.sort_unstable_by_key(|row| std::cmp::Reverse(row.until_unix_ms));
        assert_eq!(kept, expect);
        // The same name of one user is another revocation.
        let of_ann = Revocation { user: String::from("u_ann"), ..row(RevocationKind::Token, 50) };
        store.revoke(of_ann).await.unwrap();
        assert_eq!(store.load().await.unwrap().revocations.len(), 3);
        store.close().await.unwrap();
    }

    #[tokio::test]
    async fn session_of_the_sixth_version_goes_on_in_generation_0() {
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
        let store = SqliteStore::open(&path, SqliteOptions::default(), Box::new(Deaf)).unwrap();
        let sessions = store.load().await.unwrap().sessions;
        let [session] = sessions.as_slice() else { panic!("{sessions:?}") };
        assert_eq!((session.turn, session.generation), (4, 0));
        assert_eq!(session.authenticated_unix_ms, 2);
        store.close().await.unwrap();
    }

    #[test]
    fn the_index_of_administrators_names_the_right_bit() {
        assert_eq!(Roles::NONE.with(Role::Admin).bits(), 1);
    }

    #[test]
    fn a_reader_cannot_write() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("reader.db");
        let _writer = open_writer(&path).unwrap();
        let reader = open_reader(&path).unwrap();
        assert!(reader.execute("DELETE FROM users", []).is_err());
    }
}
