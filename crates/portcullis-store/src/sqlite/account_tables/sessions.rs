//! Opens, lists and ends sessions.
//! Never: a session of a disabled or banned user.

use portcullis_model::{SessionId, UserId};
use rusqlite::{Connection, OptionalExtension, Row, Rows};

use crate::changes::Change;
use crate::error::StoreError;
use crate::rows::sessions::{NewSession, OpenSessionOutcome, SessionRow, SessionSelector};
use crate::sqlite::account_tables::transaction::{AccountTransaction, STEP_ROWS};
use crate::sqlite::columns::{factors, factors_number, session_id, text, user_id};

/// The columns of a [`SessionRow`]; `sessions` is joined with `users`.
pub(super) const SESSION: &str = "sessions.id, users.id, sessions.created_unix_ms,
    authenticated_unix_ms, renewed_unix_ms, turn, idle_ends_unix_ms, ends_unix_ms, device, address,
    sessions.key, factors, generation";

/// Reads a [`SessionRow`] from the columns of [`SESSION`].
pub(super) fn session_row(row: &Row<'_>) -> Result<SessionRow, StoreError> {
    Ok(SessionRow {
        id: session_id(text(row, 0)?)?,
        user: user_id(text(row, 1)?)?,
        created_unix_ms: row.get(2)?,
        authenticated_unix_ms: row.get(3)?,
        renewed_unix_ms: row.get(4)?,
        turn: row.get::<_, i64>(5)?.cast_unsigned(),
        idle_ends_unix_ms: row.get(6)?,
        ends_unix_ms: row.get(7)?,
        device: row.get(8)?,
        address: row.get(9)?,
        key: row.get(10)?,
        factors: factors(row.get(11)?),
        generation: row.get::<_, i64>(12)?.cast_unsigned(),
    })
}

impl AccountTransaction<'_> {
    /// Opens a session; see [`crate::AccountStore::open_session`].
    pub(crate) fn open_session(
        &mut self,
        new: &NewSession,
    ) -> Result<OpenSessionOutcome, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT key FROM users WHERE id = ?1 AND disabled = 0 AND banned_until_unix_ms <= ?2",
        )?;
        let user: Option<i64> =
            select.query_row((new.user.as_str(), new.at_unix_ms), |row| row.get(0)).optional()?;
        let Some(user) = user else { return Ok(OpenSessionOutcome::UserMissing) };
        drop(select);
        // The search for expired sessions only reads the idle end.
        let idle_ends_unix_ms = new.idle_ends_unix_ms.min(new.ends_unix_ms);
        self.connection
            .prepare_cached(
                "INSERT INTO sessions (id, user, created_unix_ms, authenticated_unix_ms,
                     renewed_unix_ms, turn, idle_ends_unix_ms, ends_unix_ms, device, address,
                     device_hash, key, factors)
                 VALUES (?1, ?2, ?3, ?3, ?3, 0, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute((
                new.id.as_str(),
                user,
                new.at_unix_ms,
                idle_ends_unix_ms,
                new.ends_unix_ms,
                &new.device,
                &new.address,
                new.device_hash.as_slice(),
                new.key.as_deref(),
                factors_number(new.factors),
            ))?;
        // In the same transaction, so that a login is one commit.
        self.connection
            .prepare_cached("UPDATE users SET last_login_unix_ms = ?2 WHERE key = ?1")?
            .execute((user, new.at_unix_ms))?;
        // Last, so that no session ends for one that fails.
        self.end_surplus_sessions(user, new)?;
        self.report_session(&new.id)?;
        Ok(OpenSessionOutcome::Opened)
    }

    /// Ends the least recently renewed sessions, so that the new one is within the limit.
    fn end_surplus_sessions(&mut self, key: i64, new: &NewSession) -> Result<(), StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT id FROM sessions WHERE user = ?1 AND id <> ?3
             ORDER BY renewed_unix_ms DESC, rowid DESC LIMIT -1 OFFSET ?2",
        )?;
        let kept = new.sessions_per_user_max.saturating_sub(1);
        let ids = collect_ids(&mut select.query((key, kept, new.id.as_str()))?)?;
        drop(select);
        for id in ids {
            self.end_session(&id, &new.user)?;
        }
        Ok(())
    }

    /// Ends sessions; see [`crate::AccountStore::end_sessions`].
    pub(crate) fn end_sessions(
        &mut self,
        user: &UserId,
        which: &SessionSelector,
    ) -> Result<Vec<SessionId>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT sessions.id FROM sessions JOIN users ON users.key = sessions.user
             WHERE users.id = ?1",
        )?;
        let ids = collect_ids(&mut select.query([user.as_str()])?)?;
        drop(select);
        let is_selected = |id: &SessionId| match which {
            SessionSelector::One(one) => id == one,
            SessionSelector::All => true,
            SessionSelector::AllExcept(kept) => id != kept,
        };
        let ids: Vec<SessionId> = ids.into_iter().filter(is_selected).collect();
        for id in &ids {
            self.end_session(id, user)?;
        }
        Ok(ids)
    }

    /// Deletes a session, and reports its end to the feed.
    pub(super) fn end_session(&mut self, id: &SessionId, user: &UserId) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM sessions WHERE id = ?1")?
            .execute([id.as_str()])?;
        self.changes.push(Change::SessionEnded { session: id.clone(), user: user.clone() });
        Ok(())
    }

    /// Removes some of the expired sessions.
    pub(super) fn remove_ended_sessions(&mut self, now_unix_ms: i64) -> Result<(), StoreError> {
        let statement = format!(
            "SELECT {SESSION} FROM sessions JOIN users ON users.key = sessions.user
             WHERE idle_ends_unix_ms <= ?1 LIMIT ?2"
        );
        let mut select = self.connection.prepare_cached(&statement)?;
        let mut rows = select.query((now_unix_ms, STEP_ROWS))?;
        let mut expired = Vec::new();
        while let Some(row) = rows.next()? {
            expired.push(session_row(row)?);
        }
        drop(rows);
        drop(select);
        for row in expired {
            self.end_session(&row.id, &row.user)?;
        }
        Ok(())
    }

    fn report_session(&mut self, id: &SessionId) -> Result<(), StoreError> {
        let statement = format!(
            "SELECT {SESSION} FROM sessions JOIN users ON users.key = sessions.user
             WHERE sessions.id = ?1"
        );
        let mut select = self.connection.prepare_cached(&statement)?;
        let mut rows = select.query([id.as_str()])?;
        if let Some(row) = rows.next()? {
            self.changes.push(Change::Session(session_row(row)?));
        }
        Ok(())
    }
}

fn collect_ids(rows: &mut Rows<'_>) -> Result<Vec<SessionId>, StoreError> {
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        ids.push(session_id(text(row, 0)?)?);
    }
    Ok(ids)
}

/// Lists the sessions of a user; see [`crate::AccountStore::list_sessions`].
pub(crate) fn list_sessions(
    connection: &Connection,
    user: &UserId,
    at_unix_ms: i64,
) -> Result<Vec<SessionRow>, StoreError> {
    let statement = format!(
        "SELECT {SESSION} FROM sessions JOIN users ON users.key = sessions.user
         WHERE users.id = ?1 AND idle_ends_unix_ms > ?2 ORDER BY renewed_unix_ms DESC"
    );
    let mut select = connection.prepare_cached(&statement)?;
    let mut rows = select.query((user.as_str(), at_unix_ms))?;
    let mut sessions = Vec::new();
    while let Some(row) = rows.next()? {
        sessions.push(session_row(row)?);
    }
    Ok(sessions)
}
