//! Sessions in the tables: opened, renewed turn by turn, ended.
//! Never: two next turns of one; an old turn shown again ends the session.

use portcullis_model::{SessionId, UserId};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::changes::Change;
use crate::error::StoreError;
use crate::rows::accounts::{
    Factors, NewSession, OpenSessionOutcome, PresentedTurn, ReauthenticateOutcome,
    ReauthenticateRequest, RotateOutcome, RotateRequest, SessionRow, SessionSelector,
};
use crate::sqlite::account_tables::users::AccountTables;
use crate::sqlite::columns::{text, user_id};

/// Rows of each table removed in one step of tidying up.
pub(crate) const STEP_ROWS: i64 = 256;

/// The columns of a [`SessionRow`]; `sessions` is joined with `users`.
pub(crate) const SESSION: &str = "sessions.id, users.id, sessions.created_unix_ms,
    authenticated_unix_ms, renewed_unix_ms, turn, idle_ends_unix_ms, ends_unix_ms, device, address,
    sessions.key, factors, generation";

impl Factors {
    /// The number stored.
    fn number(self) -> i64 {
        match self {
            Self::Password => 1,
            Self::PasswordAndCode => 2,
        }
    }

    /// Reads the number stored; what is not both is the password alone.
    fn from_number(number: i64) -> Self {
        if number == 2 { Self::PasswordAndCode } else { Self::Password }
    }
}

/// Reads a [`SessionRow`] out of the columns of [`SESSION`].
pub(crate) fn session_row(row: &Row<'_>) -> Result<SessionRow, StoreError> {
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
        factors: Factors::from_number(row.get(11)?),
        generation: row.get::<_, i64>(12)?.cast_unsigned(),
    })
}

fn session_id(text: &str) -> Result<SessionId, StoreError> {
    SessionId::parse(text).map_err(|_| StoreError::Corrupt("session id"))
}

/// A session as far as its next turn needs it.
struct Standing {
    row: SessionRow,
    device_hash: Vec<u8>,
    barred: bool,
}

/// Which of a session's refresh tokens a request shows.
enum TurnShown {
    /// The newest; it is replaced.
    Newest,
    /// The newest or the one before, just after the change and from the same device: a lost
    /// answer, or another tab. The newest stays.
    Shared,
    Copy,
}

impl Standing {
    fn is_over(&self, at_unix_ms: i64) -> bool {
        self.barred || at_unix_ms >= self.row.ends_unix_ms.min(self.row.idle_ends_unix_ms)
    }

    /// Judges a turn of a request that arrived and was ready to be judged at these times.
    fn judge(&self, shown: &PresentedTurn, times: (i64, i64), grace_ms: i64) -> TurnShown {
        // The newest turn may have begun while the request waited for its password, and requests
        // are timed before they queue here.
        let (arrived_unix_ms, ready_unix_ms) = times;
        let renewed_unix_ms = self.row.renewed_unix_ms;
        let in_time = arrived_unix_ms.saturating_sub(renewed_unix_ms) <= grace_ms
            && ready_unix_ms.saturating_sub(renewed_unix_ms) >= -grace_ms;
        let shared = in_time && self.row.turn > 0 && self.device_hash == shown.device_hash;
        match self.row.turn.checked_sub(shown.number) {
            // Turns of one device begin at least the grace apart: a former turn that is shown in
            // time is always the last one, however many tabs renew together.
            Some(0 | 1) if shared => TurnShown::Shared,
            Some(0) => TurnShown::Newest,
            _ => TurnShown::Copy,
        }
    }
}

impl AccountTables<'_> {
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
        // Whatever looks for sessions that are over looks at the idle end alone.
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
                new.factors.number(),
            ))?;
        // Last, so that nobody makes room for what fails.
        self.make_room(user, new)?;
        self.tell_session(&new.id)?;
        Ok(OpenSessionOutcome::Opened)
    }

    /// Ends the sessions not renewed for longest, for the new one.
    fn make_room(&mut self, key: i64, new: &NewSession) -> Result<(), StoreError> {
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

    /// Lets the next turn begin; see [`crate::AccountStore::rotate_session`].
    pub(crate) fn rotate_session(
        &mut self,
        ask: &RotateRequest,
    ) -> Result<RotateOutcome, StoreError> {
        let Some(standing) = self.standing(&ask.session, ask.at_unix_ms)? else {
            return Ok(RotateOutcome::Ended);
        };
        if standing.is_over(ask.at_unix_ms) || ask.presented.number > standing.row.turn {
            return Ok(RotateOutcome::Ended);
        }
        let turn = standing.judge(&ask.presented, (ask.at_unix_ms, ask.at_unix_ms), ask.grace_ms);
        let row = standing.row;
        match turn {
            TurnShown::Newest => {
                let next = next_turn(row, ask.at_unix_ms, ask.idle_ms);
                self.put_session(&next)?;
                Ok(RotateOutcome::Next(next))
            }
            TurnShown::Shared => Ok(RotateOutcome::Same(row)),
            TurnShown::Copy => {
                self.end_session(&row.id, &row.user)?;
                Ok(RotateOutcome::Reused(row))
            }
        }
    }

    /// Writes what changes of a session: its turn, its times, and what was proved.
    fn put_session(&mut self, row: &SessionRow) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE sessions SET turn = ?2, renewed_unix_ms = ?3, idle_ends_unix_ms = ?4,
                     authenticated_unix_ms = ?5, factors = ?6, generation = ?7
                 WHERE id = ?1",
            )?
            .execute((
                row.id.as_str(),
                row.turn.cast_signed(),
                row.renewed_unix_ms,
                row.idle_ends_unix_ms,
                row.authenticated_unix_ms,
                row.factors.number(),
                row.generation.cast_signed(),
            ))?;
        self.changes.push(Change::Session(row.clone()));
        Ok(())
    }

    fn standing(
        &self,
        session: &SessionId,
        at_unix_ms: i64,
    ) -> Result<Option<Standing>, StoreError> {
        let statement = format!(
            "SELECT {SESSION}, device_hash, disabled OR banned_until_unix_ms > ?2
             FROM sessions JOIN users ON users.key = sessions.user WHERE sessions.id = ?1"
        );
        let mut select = self.connection.prepare_cached(&statement)?;
        let mut rows = select.query((session.as_str(), at_unix_ms))?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let (device_hash, barred) = (row.get(13)?, row.get(14)?);
        Ok(Some(Standing { row: session_row(row)?, device_hash, barred }))
    }

    /// Notes a fresh proof; see [`crate::AccountStore::reauthenticate_session`].
    pub(crate) fn reauthenticate_session(
        &mut self,
        proof: &ReauthenticateRequest,
    ) -> Result<ReauthenticateOutcome, StoreError> {
        let at_unix_ms = proof.at_unix_ms;
        let Some(standing) = self.standing(&proof.session, at_unix_ms)? else {
            return Ok(ReauthenticateOutcome::Ended);
        };
        let newest = standing.row.turn;
        let future = proof.presented.as_ref().is_some_and(|shown| shown.number > newest);
        if standing.is_over(at_unix_ms) || future {
            return Ok(ReauthenticateOutcome::Ended);
        }
        let times = (at_unix_ms, at_unix_ms.max(proof.checked_unix_ms));
        let turn =
            proof.presented.as_ref().map(|shown| standing.judge(shown, times, proof.grace_ms));
        let row = match turn {
            Some(TurnShown::Newest) => next_turn(standing.row, at_unix_ms, proof.idle_ms),
            Some(TurnShown::Shared) | None => standing.row,
            Some(TurnShown::Copy) => {
                let row = standing.row;
                self.end_session(&row.id, &row.user)?;
                return Ok(ReauthenticateOutcome::Reused(row));
            }
        };
        let row = SessionRow {
            authenticated_unix_ms: at_unix_ms,
            factors: proof.factors,
            generation: row.generation.saturating_add(1),
            ..row
        };
        self.put_session(&row)?;
        Ok(ReauthenticateOutcome::Recorded(row))
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
        let wanted = |id: &SessionId| match which {
            SessionSelector::One(one) => id == one,
            SessionSelector::All => true,
            SessionSelector::AllExcept(kept) => id != kept,
        };
        let ids: Vec<SessionId> = ids.into_iter().filter(wanted).collect();
        for id in &ids {
            self.end_session(id, user)?;
        }
        Ok(ids)
    }

    fn end_session(&mut self, id: &SessionId, user: &UserId) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM sessions WHERE id = ?1")?
            .execute([id.as_str()])?;
        self.changes.push(Change::SessionEnded { session: id.clone(), user: user.clone() });
        Ok(())
    }

    /// Removes some of the sessions that are over.
    pub(crate) fn tidy_sessions(&mut self, now_unix_ms: i64) -> Result<(), StoreError> {
        let statement = format!(
            "SELECT {SESSION} FROM sessions JOIN users ON users.key = sessions.user
             WHERE idle_ends_unix_ms <= ?1 LIMIT ?2"
        );
        let mut select = self.connection.prepare_cached(&statement)?;
        let mut rows = select.query((now_unix_ms, STEP_ROWS))?;
        let mut over = Vec::new();
        while let Some(row) = rows.next()? {
            over.push(session_row(row)?);
        }
        drop(rows);
        drop(select);
        for row in over {
            self.end_session(&row.id, &row.user)?;
        }
        Ok(())
    }

    fn tell_session(&mut self, id: &SessionId) -> Result<(), StoreError> {
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

fn next_turn(row: SessionRow, at_unix_ms: i64, idle_ms: i64) -> SessionRow {
    SessionRow {
        turn: row.turn + 1,
        renewed_unix_ms: at_unix_ms,
        idle_ends_unix_ms: at_unix_ms.saturating_add(idle_ms).min(row.ends_unix_ms),
        ..row
    }
}

fn collect_ids(rows: &mut rusqlite::Rows<'_>) -> Result<Vec<SessionId>, StoreError> {
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        ids.push(session_id(text(row, 0)?)?);
    }
    Ok(ids)
}

/// The sessions of a user; see [`crate::AccountStore::list_sessions`].
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
