//! One user changes, inside a transaction; what that ends is ended with it.
//! Never: the last administrator taken away.

use portcullis_model::{Role, Secret, UserId};

use crate::error::StoreError;
use crate::rows::accounts::{
    ChangeUserOutcome, OperatorActionKind, SessionSelector, UserChange, UserChangeKind,
};
use crate::sqlite::account_tables::users::AccountTables;
use crate::sqlite::columns::fold;
use crate::sqlite::operator::store::SqliteOperatorStore;

/// How many users were logged out, of how many sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOutSummary {
    /// Users.
    pub users: usize,
    /// Sessions.
    pub sessions: usize,
}

impl SqliteOperatorStore {
    /// Ends the sessions of all users, and voids every token issued before, also those of users of
    /// other issuers who have not connected yet.
    ///
    /// # Errors
    /// `Database` when it cannot be written; nothing has changed then.
    pub fn log_out_all(&self, at_unix_ms: i64) -> Result<LogOutSummary, StoreError> {
        let done = |out: &LogOutSummary| {
            let LogOutSummary { users, sessions } = out;
            let what = format!("all users logged out: {sessions} sessions of {users} users ended");
            Some((OperatorActionKind::Session, None, what))
        };
        self.write(|tables| tables.void_all(at_unix_ms), done)
    }
}

impl AccountTables<'_> {
    /// Changes a user; see [`crate::AccountStore::change_user`].
    pub(crate) fn change_user(
        &mut self,
        change: &UserChange,
    ) -> Result<ChangeUserOutcome, StoreError> {
        let Some(key) = self.user_key(&change.user)? else { return Ok(ChangeUserOutcome::Missing) };
        let (user, at_unix_ms) = (&change.user, change.at_unix_ms);
        if takes_admin(&change.what, at_unix_ms) && self.is_last_admin(key, at_unix_ms)? {
            return Ok(ChangeUserOutcome::LastAdmin);
        }
        match &change.what {
            UserChangeKind::Roles(roles) => self.set(key, "roles", i64::from(roles.bits()))?,
            UserChangeKind::Muted { until_unix_ms } => {
                self.set(key, "muted_until_unix_ms", *until_unix_ms)?;
            }
            UserChangeKind::Disabled(disabled) => {
                self.set(key, "disabled", i64::from(*disabled))?;
                if *disabled {
                    self.void(key, user, at_unix_ms)?;
                }
            }
            UserChangeKind::Banned { until_unix_ms } => {
                self.set(key, "banned_until_unix_ms", *until_unix_ms)?;
                if *until_unix_ms > at_unix_ms {
                    self.void(key, user, at_unix_ms)?;
                }
            }
            UserChangeKind::RevokeAll => self.void(key, user, at_unix_ms)?,
            UserChangeKind::Username(name) => {
                if !self.rename(key, name)? {
                    return Ok(ChangeUserOutcome::NameTaken);
                }
            }
            UserChangeKind::Password { phc, keep } => {
                if !self.set_password(key, phc)? {
                    return Ok(ChangeUserOutcome::Missing);
                }
                let which = keep.clone().map_or(SessionSelector::All, SessionSelector::AllExcept);
                self.end_sessions(user, &which)?;
            }
        }
        self.set(key, "changed_unix_ms", at_unix_ms)?;
        self.tell_user(key).map(ChangeUserOutcome::Changed)
    }

    /// Ends all sessions and voids all tokens issued before.
    fn void(&mut self, key: i64, user: &UserId, at_unix_ms: i64) -> Result<(), StoreError> {
        // What was void stays so, also after the clock was set back.
        self.connection
            .prepare_cached(
                "UPDATE users SET valid_after_unix_ms = max(valid_after_unix_ms, ?2)
                 WHERE key = ?1",
            )?
            .execute((key, at_unix_ms))?;
        self.end_sessions(user, &SessionSelector::All).map(drop)
    }

    /// Ends the sessions of all users and voids all tokens issued before; gives how many there were
    /// of both.
    fn void_all(&mut self, at_unix_ms: i64) -> Result<LogOutSummary, StoreError> {
        self.connection.execute(
            "UPDATE marks SET valid_after_unix_ms = max(valid_after_unix_ms, ?1)",
            [at_unix_ms],
        )?;
        let users = self.connection.execute(
            "UPDATE users SET valid_after_unix_ms = max(valid_after_unix_ms, ?1)
             WHERE deleted_unix_ms = 0",
            [at_unix_ms],
        )?;
        let sessions = self.connection.execute("DELETE FROM sessions", [])?;
        Ok(LogOutSummary { users, sessions })
    }

    /// Sets a column whose name is ours.
    fn set(&self, key: i64, column: &'static str, value: i64) -> Result<(), StoreError> {
        let statement = format!("UPDATE users SET {column} = ?2 WHERE key = ?1");
        self.connection.prepare_cached(&statement)?.execute((key, value))?;
        Ok(())
    }

    /// Who belongs to another issuer has no password here, and never gets one.
    fn set_password(&self, key: i64, phc: &Secret<String>) -> Result<bool, StoreError> {
        let changed = self
            .connection
            .prepare_cached("UPDATE users SET password_phc = ?2 WHERE key = ?1 AND issuer IS NULL")?
            .execute((key, phc.expose()))?;
        Ok(changed == 1)
    }

    fn rename(&self, key: i64, name: &str) -> Result<bool, StoreError> {
        let folded = fold(name);
        let mut taken = self.connection.prepare_cached(
            "SELECT 1 FROM users WHERE folded = ?1 AND key <> ?2
             AND (SELECT issuer IS NULL FROM users WHERE key = ?2)",
        )?;
        if taken.exists((&folded, key))? {
            return Ok(false);
        }
        // A foreign user takes no name from our own.
        self.connection
            .prepare_cached(
                "UPDATE users SET username = ?2, folded = iif(issuer IS NULL, ?3, NULL)
                 WHERE key = ?1",
            )?
            .execute((key, name, folded))?;
        Ok(true)
    }

    /// Whether this user, and nobody else, can administer at that moment.
    pub(crate) fn is_last_admin(&self, key: i64, at_unix_ms: i64) -> Result<bool, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT key = ?1 FROM users WHERE roles & 1 AND disabled = 0
             AND banned_until_unix_ms <= ?2 ORDER BY key = ?1 LIMIT 1",
        )?;
        let mut rows = select.query((key, at_unix_ms))?;
        // Others come first, so the first is this user only when there is no other.
        Ok(match rows.next()? {
            Some(row) => row.get(0)?,
            None => false,
        })
    }
}

/// Whether a change would keep the user from administering.
fn takes_admin(what: &UserChangeKind, at_unix_ms: i64) -> bool {
    match what {
        UserChangeKind::Roles(roles) => !roles.contains(Role::Admin),
        UserChangeKind::Disabled(disabled) => *disabled,
        UserChangeKind::Banned { until_unix_ms } => *until_unix_ms > at_unix_ms,
        UserChangeKind::Muted { .. }
        | UserChangeKind::Username(_)
        | UserChangeKind::Password { .. }
        | UserChangeKind::RevokeAll => false,
    }
}
