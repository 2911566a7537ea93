//! The tables, and the migrations that create them.
//! Never: a change of a migration that was released.

use rusqlite::Connection;

use crate::error::StoreError;

/// One migration for each version; `user_version` is the number of applied migrations.
const MIGRATIONS: &[&str] = &[
    VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6, VERSION_7, VERSION_8,
    VERSION_9, VERSION_10,
];

// The reason for this layout: a commit writes every page that it has changed, and a page costs more
// than everything else about a message. So a message changes only the ends of tables:
// - `messages` is in the order of arrival. The rows of one room form a chain, newest to oldest
//   (`previous`). The entry points are `tails`, and `anchors` for older messages.
// - `mids` finds an idempotency key by its hash. It is filled later, in sorted portions. Keys newer
//   than `marks.mids_merged` are in the writer's memory; a start reads them from `messages`.
// A message refers to its room and user by key, without a foreign key. The writer has just read
// both, so they exist, and deleting a room needs no search through all messages.
// `roles & 1` is the administrator's bit. A foreign user has no `folded` name, so that it reserves
// no name of local users. A room stores its number of members, because counting rows is slow.
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

// The newest messages may be removed with their room, and their numbers must not be assigned again:
// a recovered connection names the last number that it has. Messages that an older version removed
// have left a trace only if their key was moved to `mids`.
const VERSION_2: &str = "
ALTER TABLE marks ADD COLUMN number_removed_max INTEGER NOT NULL DEFAULT 0;
UPDATE marks SET number_removed_max =
    max(mids_merged, (SELECT ifnull(max(number), 0) FROM mids));
";

// A session's row is written at each renewal, so renewal changes no indexed column but one. A
// refresh token is checked against the newest turn and the device, and is derived from them. The
// idle end is never after the end, so one index finds expired sessions. `messages.sealed` holds
// text, formatting and digest if they are sealed; their own columns are empty then. Actions of
// operators beside a server are in `operator_acts` until a server records them.
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

// The latest end of a revocation that was deleted.
const VERSION_4: &str = "
ALTER TABLE marks ADD COLUMN revocations_ended_unix_ms INTEGER NOT NULL DEFAULT 0;
";

// A deleted user keeps a row without personal data, because messages and rooms refer to it.
const VERSION_5: &str = "
ALTER TABLE users ADD COLUMN deleted_unix_ms INTEGER NOT NULL DEFAULT 0;
";

// Adds the user of a revocation. Rows of older versions have none: they are valid for all users of
// their issuer, as before, so that no revoked token becomes valid.
const VERSION_6: &str = "
CREATE TABLE revocations_by_user (
    issuer TEXT NOT NULL,
    kind INTEGER NOT NULL,
    name TEXT NOT NULL,
    until_unix_ms INTEGER NOT NULL,
    user TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (issuer, user, kind, name)
) STRICT, WITHOUT ROWID;
INSERT INTO revocations_by_user (issuer, kind, name, until_unix_ms)
    SELECT issuer, kind, name, until_unix_ms FROM revocations;
DROP TABLE revocations;
ALTER TABLE revocations_by_user RENAME TO revocations;
CREATE INDEX revocations_until ON revocations (until_unix_ms);
";

// An access token names the generation of its session; tokens of earlier generations are void.
// Tokens of older versions name none, which is generation 0. `marks.valid_after_unix_ms` is when
// all users were logged out, also foreign users that get a row later.
const VERSION_7: &str = "
ALTER TABLE sessions ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE marks ADD COLUMN valid_after_unix_ms INTEGER NOT NULL DEFAULT 0;
";

// Roles in tokens issued before `roles_after_unix_ms` are ignored: a newer token, or an operator or
// administrator, has set the roles since.
const VERSION_8: &str = "
ALTER TABLE users ADD COLUMN roles_after_unix_ms INTEGER NOT NULL DEFAULT 0;
";

// Networks that administrators have blocked, at most 4,096 that have not ended.
const VERSION_9: &str = "
CREATE TABLE blocks (
    prefix TEXT PRIMARY KEY,
    scope TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_unix_ms INTEGER NOT NULL,
    until_unix_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

// When a session of the user was opened last. It stays when the sessions end. In databases of older
// versions, the open sessions tell it.
const VERSION_10: &str = "
ALTER TABLE users ADD COLUMN last_login_unix_ms INTEGER NOT NULL DEFAULT 0;
UPDATE users SET last_login_unix_ms =
    (SELECT max(created_unix_ms) FROM sessions WHERE user = users.key)
    WHERE key IN (SELECT user FROM sessions);
";

/// The version that this build writes.
pub(crate) fn newest_version() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Creates the tables, or brings them up to date.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = newest_version();
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
mod tests;
