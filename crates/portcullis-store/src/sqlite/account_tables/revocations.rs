//! Revoked tokens and sessions, and the latest end of those that were deleted.
//! Never: a deletion without a trace; a clock that is set back could need it.

use rusqlite::Connection;

use crate::changes::Change;
use crate::error::StoreError;
use crate::rows::access_snapshot::Revocation;
use crate::sqlite::account_tables::transaction::{AccountTransaction, STEP_ROWS};
use crate::sqlite::columns::{revocation_kind, revocation_kind_number};

/// Rows stay for a day after their end, so that a clock that is wrong by hours deletes none early.
const KEPT_AFTER_END_MS: i64 = 24 * 60 * 60 * 1000;

impl AccountTransaction<'_> {
    /// Revokes a token or session; see [`crate::AccountStore::revoke`].
    ///
    /// If it is revoked again with an earlier end, the later end stays.
    pub(crate) fn revoke(&mut self, revocation: Revocation) -> Result<(), StoreError> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO revocations (issuer, user, kind, name, until_unix_ms)
             VALUES (?1, ?5, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET until_unix_ms = max(until_unix_ms, ?4)
             RETURNING until_unix_ms",
        )?;
        let Revocation { issuer, user, kind, name, until_unix_ms } = &revocation;
        let values = (issuer, revocation_kind_number(*kind), name, until_unix_ms, user);
        let until_unix_ms = insert.query_row(values, |row| row.get(0))?;
        self.changes.push(Change::Revoked(Revocation { until_unix_ms, ..revocation }));
        Ok(())
    }

    /// Deletes some revocations that ended long ago, and records the latest end among them.
    pub(super) fn remove_ended_revocations(&self, now_unix_ms: i64) -> Result<(), StoreError> {
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

/// Reads all revocations.
pub(super) fn revocations(connection: &Connection) -> Result<Vec<Revocation>, StoreError> {
    let mut select =
        connection.prepare("SELECT issuer, kind, name, until_unix_ms, user FROM revocations")?;
    let rows = select.query_map([], |row| {
        Ok(Revocation {
            issuer: row.get(0)?,
            kind: revocation_kind(row.get(1)?),
            name: row.get(2)?,
            until_unix_ms: row.get(3)?,
            user: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The latest end of a revocation that was deleted, in milliseconds since 1970; 0 for none.
pub(super) fn revocations_ended(connection: &Connection) -> Result<i64, StoreError> {
    let mut select = connection.prepare("SELECT revocations_ended_unix_ms FROM marks")?;
    let mut rows = select.query([])?;
    Ok(rows.next()?.map_or(Ok(0), |row| row.get(0))?)
}
