//! Takes a database back to an earlier schema, as an earlier version of the server had it.
//! Never: used outside of tests; what a schema does not have is lost.

/// For each schema from the newest to 2, SQL that makes the schema before of it.
///
/// A test of the store compares the results with what the migrations make.
const UNDO: [&str; 9] = [
    "ALTER TABLE users DROP COLUMN last_login_unix_ms;",
    "DROP TABLE blocks;",
    "ALTER TABLE users DROP COLUMN roles_after_unix_ms;",
    "ALTER TABLE marks DROP COLUMN valid_after_unix_ms;
     ALTER TABLE sessions DROP COLUMN generation;",
    "CREATE TABLE revocations_of_issuer (
         issuer TEXT NOT NULL,
         kind INTEGER NOT NULL,
         name TEXT NOT NULL,
         until_unix_ms INTEGER NOT NULL,
         PRIMARY KEY (issuer, kind, name)
     ) STRICT, WITHOUT ROWID;
     INSERT OR IGNORE INTO revocations_of_issuer
         SELECT issuer, kind, name, until_unix_ms FROM revocations;
     DROP TABLE revocations;
     ALTER TABLE revocations_of_issuer RENAME TO revocations;
     CREATE INDEX revocations_until ON revocations (until_unix_ms);",
    "ALTER TABLE users DROP COLUMN deleted_unix_ms;",
    "ALTER TABLE marks DROP COLUMN revocations_ended_unix_ms;",
    "DROP TABLE operator_acts;
     DROP TABLE relations;
     DROP TABLE roles;
     DROP TABLE invitations;
     DROP TABLE revocations;
     DROP TABLE sessions;
     DROP TABLE recovery_codes;
     ALTER TABLE messages DROP COLUMN sealed;
     ALTER TABLE users DROP COLUMN changed_unix_ms;
     ALTER TABLE users DROP COLUMN totp_step;
     ALTER TABLE users DROP COLUMN totp_sealed;
     ALTER TABLE users DROP COLUMN totp;
     ALTER TABLE users DROP COLUMN muted_until_unix_ms;
     ALTER TABLE users DROP COLUMN banned_until_unix_ms;",
    "ALTER TABLE marks DROP COLUMN number_removed_max;",
];

/// The schema that [`undo_schemas`] starts from: the one that the server writes.
pub const NEWEST_SCHEMA: u32 = 10;

/// SQL that takes a database of the newest schema back to an earlier one.
///
/// Schemas before 3 have no sealed texts: put plain ones into `messages.text` before.
#[must_use]
pub fn undo_schemas(schema: u32) -> String {
    let undone = (2..=NEWEST_SCHEMA).rev().zip(UNDO).take_while(|(made, _)| *made > schema);
    let scripts: Vec<&str> = undone.map(|(_, script)| script).collect();
    format!("{}\nPRAGMA user_version = {schema};", scripts.join("\n"))
}
