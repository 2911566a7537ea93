//! Revoked tokens and sessions in the tables, and the mark of those that were deleted.
//! Never: a deleted revocation without a trace; a clock that is set back could need it.

use rusqlite::Connection;

use portcullis_model::RevocationKind;

use crate::changes::Change;
use crate::error::StoreError;
use crate::rows::accounts::Revocation;
use crate::sqlite::account_tables::sessions::STEP_ROWS;
use crate::sqlite::account_tables::users::AccountTables;

/// The migration that adds the mark: the latest end of a revocation that was deleted.
pub(crate) const REVOCATIONS_ENDED: &str = "
ALTER TABLE marks ADD COLUMN revocations_ended_unix_ms INTEGER NOT NULL DEFAULT 0;
";

/// The migration that adds the user. Rows of older versions name none: they hold for all users of
/// their issuer, as before, so that no revoked token becomes valid.
pub(crate) const REVOCATIONS_BY_USER: &str = "
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

/// Rows stay for a day after their end, so that a clock off by hours deletes none too early.
const KEPT_AFTER_END_MS: i64 = 24 * 60 * 60 * 1000;

/// The stored number of a kind.
fn kind_number(kind: RevocationKind) -> i64 {
    match kind {
        RevocationKind::Token => 0,
        RevocationKind::Session => 1,
    }
}

/// Reads the stored number of a kind.
fn kind_from_number(number: i64) -> RevocationKind {
    if number == 0 { RevocationKind::Token } else { RevocationKind::Session }
}

impl AccountTables<'_> {
    /// Revokes a token or session; see [`crate::AccountStore::revoke`].
    ///
    /// Revoked again with an earlier end, it stays revoked until the later one.
    pub(crate) fn revoke(&mut self, revocation: Revocation) -> Result<(), StoreError> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO revocations (issuer, user, kind, name, until_unix_ms)
             VALUES (?1, ?5, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET until_unix_ms = max(until_unix_ms, ?4)
             RETURNING until_unix_ms",
        )?;
        let Revocation { issuer, user, kind, name, until_unix_ms } = &revocation;
        let values = (issuer, kind_number(*kind), name, until_unix_ms, user);
        let until_unix_ms = insert.query_row(values, |row| row.get(0))?;
        self.changes.push(Change::Revoked(Revocation { until_unix_ms, ..revocation }));
        Ok(())
    }

    /// Deletes some revocations that ended long ago, and notes the latest end among them.
    pub(crate) fn tidy_revocations(&self, now_unix_ms: i64) -> Result<(), StoreError> {
        let mut delete = self.connection.prepare_cached(
            "DELETE FROM revocations WHERE (issuer, user, kind, name) IN
             (SELECT issuer, user, kind, name FROM revocations WHERE until_unix_ms <= ?1
              ORDER BY until_unix_ms LIMIT ?2)
             RETURNING until_unix_ms",
        )?;
        let before_unix_ms = now_unix_ms.saturating_sub(KEPT_AFTER_END_MS);
        let ends = delete.query_map((before_unix_ms, STEP_ROWS), |row| row.get::<_, i64>(0))?;
        let mut latest = None;
        for end in ends {
            latest = latest.max(Some(end?));
        }
        if let Some(latest) = latest {
            self.connection
                .prepare_cached(
                    "UPDATE marks SET revocations_ended_unix_ms =
                     max(revocations_ended_unix_ms, ?1)",
                )?
                .execute([latest])?;
        }
        Ok(())
    }
}

/// All revocations.
pub(crate) fn revocations(connection: &Connection) -> Result<Vec<Revocation>, StoreError> {
    let mut select =
        connection.prepare("SELECT issuer, kind, name, until_unix_ms, user FROM revocations")?;
    let rows = select.query_map([], |row| {
        Ok(Revocation {
            issuer: row.get(0)?,
            kind: kind_from_number(row.get(1)?),
            name: row.get(2)?,
            until_unix_ms: row.get(3)?,
            user: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The latest end of a revocation that was deleted, in milliseconds since 1970; 0 for none.
pub(crate) fn revocations_ended(connection: &Connection) -> Result<i64, StoreError> {
    let mut select = connection.prepare("SELECT revocations_ended_unix_ms FROM marks")?;
    let mut rows = select.query([])?;
    Ok(rows.next()?.map_or(Ok(0), |row| row.get(0))?)
}
