//! Renews sessions: a refresh token has one next one; records that a user authenticated again.
//! Never: two next turns of one turn; an old turn that is presented ends the session.

use portcullis_model::SessionId;

use crate::changes::Change;
use crate::error::StoreError;
use crate::rows::sessions::{
    PresentedTurn, ReauthenticateOutcome, ReauthenticateRequest, RotateOutcome, RotateRequest,
    SessionRow,
};
use crate::sqlite::account_tables::sessions::{SESSION, session_row};
use crate::sqlite::account_tables::transaction::AccountTransaction;
use crate::sqlite::columns::factors_number;

/// A session with the columns that a renewal checks.
struct RenewableSession {
    row: SessionRow,
    device_hash: Vec<u8>,
    /// Whether its user is disabled or banned.
    is_blocked: bool,
}

/// When a request arrived, and when its proof was checked.
#[derive(Clone, Copy)]
struct RequestTimes {
    arrived_unix_ms: i64,
    ready_unix_ms: i64,
}

/// The age of a presented refresh token.
enum TurnAge {
    /// The newest; it is replaced.
    Newest,
    /// The newest or the one before, just after the change and from the same device: a lost
    /// response, or another tab. The newest does not change.
    Shared,
    /// An older one, which only a copy can present.
    Copy,
}

impl RenewableSession {
    fn has_ended(&self, at_unix_ms: i64) -> bool {
        self.is_blocked || at_unix_ms >= self.row.ends_unix_ms.min(self.row.idle_ends_unix_ms)
    }

    /// The age of the turn of a request that arrived, and was ready, at these times.
    fn age_of(&self, presented: &PresentedTurn, times: RequestTimes, grace_ms: i64) -> TurnAge {
        // The newest turn may have started while the request waited for its password check, and
        // requests get their time before they wait here.
        let renewed_unix_ms = self.row.renewed_unix_ms;
        let in_time = times.arrived_unix_ms.saturating_sub(renewed_unix_ms) <= grace_ms
            && times.ready_unix_ms.saturating_sub(renewed_unix_ms) >= -grace_ms;
        let shared = in_time && self.row.turn > 0 && self.device_hash == presented.device_hash;
        match self.row.turn.checked_sub(presented.number) {
            // Turns of one device start at least `grace_ms` apart. So an earlier turn that is
            // presented in time is always the last one, however many tabs renew at once.
            Some(0 | 1) if shared => TurnAge::Shared,
            Some(0) => TurnAge::Newest,
            _ => TurnAge::Copy,
        }
    }
}

impl AccountTransaction<'_> {
    /// Starts the next turn; see [`crate::AccountStore::rotate_session`].
    pub(crate) fn rotate_session(
        &mut self,
        request: &RotateRequest,
    ) -> Result<RotateOutcome, StoreError> {
        let at_unix_ms = request.at_unix_ms;
        let Some(session) = self.find_renewable(&request.session, at_unix_ms)? else {
            return Ok(RotateOutcome::Ended);
        };
        if session.has_ended(at_unix_ms) || request.presented.number > session.row.turn {
            return Ok(RotateOutcome::Ended);
        }
        let times = RequestTimes { arrived_unix_ms: at_unix_ms, ready_unix_ms: at_unix_ms };
        let age = session.age_of(&request.presented, times, request.grace_ms);
        let row = session.row;
        match age {
            TurnAge::Newest => {
                let next = next_turn(row, at_unix_ms, request.idle_ms);
                self.update_session(&next)?;
                Ok(RotateOutcome::Next(next))
            }
            TurnAge::Shared => Ok(RotateOutcome::Same(row)),
            TurnAge::Copy => {
                self.end_session(&row.id, &row.user)?;
                Ok(RotateOutcome::Reused(row))
            }
        }
    }

    /// Writes the turn, the times and the factors of a session, and reports it to the feed.
    fn update_session(&mut self, row: &SessionRow) -> Result<(), StoreError> {
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
                factors_number(row.factors),
                row.generation.cast_signed(),
            ))?;
        self.changes.push(Change::Session(row.clone()));
        Ok(())
    }

    fn find_renewable(
        &self,
        session: &SessionId,
        at_unix_ms: i64,
    ) -> Result<Option<RenewableSession>, StoreError> {
        let statement = format!(
            "SELECT {SESSION}, device_hash, disabled OR banned_until_unix_ms > ?2
             FROM sessions JOIN users ON users.key = sessions.user WHERE sessions.id = ?1"
        );
        let mut select = self.connection.prepare_cached(&statement)?;
        let mut rows = select.query((session.as_str(), at_unix_ms))?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let (device_hash, is_blocked) = (row.get(13)?, row.get(14)?);
        Ok(Some(RenewableSession { row: session_row(row)?, device_hash, is_blocked }))
    }

    /// Records an authentication; see [`crate::AccountStore::reauthenticate_session`].
    pub(crate) fn reauthenticate_session(
        &mut self,
        request: &ReauthenticateRequest,
    ) -> Result<ReauthenticateOutcome, StoreError> {
        let at_unix_ms = request.at_unix_ms;
        let Some(session) = self.find_renewable(&request.session, at_unix_ms)? else {
            return Ok(ReauthenticateOutcome::Ended);
        };
        let presented = request.presented.as_ref();
        let is_future = presented.is_some_and(|turn| turn.number > session.row.turn);
        if session.has_ended(at_unix_ms) || is_future {
            return Ok(ReauthenticateOutcome::Ended);
        }
        let ready_unix_ms = at_unix_ms.max(request.checked_unix_ms);
        let times = RequestTimes { arrived_unix_ms: at_unix_ms, ready_unix_ms };
        let age = presented.map(|turn| session.age_of(turn, times, request.grace_ms));
        let row = match age {
            Some(TurnAge::Newest) => next_turn(session.row, at_unix_ms, request.idle_ms),
            Some(TurnAge::Shared) | None => session.row,
            Some(TurnAge::Copy) => {
                let row = session.row;
                self.end_session(&row.id, &row.user)?;
                return Ok(ReauthenticateOutcome::Reused(row));
            }
        };
        let row = SessionRow {
            authenticated_unix_ms: at_unix_ms,
            factors: request.factors,
            generation: row.generation.saturating_add(1),
            ..row
        };
        self.update_session(&row)?;
        Ok(ReauthenticateOutcome::Recorded(row))
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
