//! Changes one user: roles, ban, mute, name, password; ends the sessions that the change voids.
//! Never: a change that leaves no administrator.

use portcullis_model::{Role, Roles, Secret, UserId};

use crate::error::StoreError;
use crate::rows::sessions::SessionSelector;
use crate::rows::users::{ChangeUserOutcome, UserChange, UserChangeKind};
use crate::sqlite::account_tables::transaction::AccountTransaction;
use crate::sqlite::columns::fold;

/// The numbers of users and sessions that were logged out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOutSummary {
    /// Users.
    pub users: usize,
    /// Sessions.
    pub sessions: usize,
}

impl AccountTransaction<'_> {
    /// Changes a user; see [`crate::AccountStore::change_user`].
    pub(crate) fn change_user(
        &mut self,
        change: &UserChange,
    ) -> Result<ChangeUserOutcome, StoreError> {
        let Some(key) = self.user_key(&change.user)? else {
            return Ok(ChangeUserOutcome::Missing);
        };
        let (user, at_unix_ms) = (&change.user, change.at_unix_ms);
        if removes_admin(&change.what, at_unix_ms) && self.is_last_admin(key, at_unix_ms)? {
            return Ok(ChangeUserOutcome::LastAdmin);
        }
        match &change.what {
            UserChangeKind::Roles(roles) => self.set_roles(key, *roles, at_unix_ms)?,
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
        self.report_user(key).map(ChangeUserOutcome::Changed)
    }

    /// Sets the roles. Roles in tokens issued before the change are ignored from now on, also when
    /// the issuer's clock is ahead.
    fn set_roles(&self, key: i64, roles: Roles, at_unix_ms: i64) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE users
                 SET roles = ?2, roles_after_unix_ms = max(roles_after_unix_ms + 1, ?3)
                 WHERE key = ?1",
            )?
            .execute((key, roles.bits(), at_unix_ms))?;
        Ok(())
    }

    /// Ends all sessions of a user and voids all tokens issued before.
    fn void(&mut self, key: i64, user: &UserId, at_unix_ms: i64) -> Result<(), StoreError> {
        // Void tokens stay void, also after the clock was set back.
        self.connection
            .prepare_cached(
                "UPDATE users SET valid_after_unix_ms = max(valid_after_unix_ms, ?2)
                 WHERE key = ?1",
            )?
            .execute((key, at_unix_ms))?;
        self.end_sessions(user, &SessionSelector::All).map(drop)
    }

    /// Ends the sessions of all users and voids all tokens issued before; returns their numbers.
    pub(crate) fn void_all(&mut self, at_unix_ms: i64) -> Result<LogOutSummary, StoreError> {
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

    /// Sets a column; its name is a constant of this file.
    fn set(&self, key: i64, column: &'static str, value: i64) -> Result<(), StoreError> {
        let statement = format!("UPDATE users SET {column} = ?2 WHERE key = ?1");
        self.connection.prepare_cached(&statement)?.execute((key, value))?;
        Ok(())
    }

    /// Sets the password of a local user; foreign users have none and never get one.
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
        // A foreign user reserves no name of local users.
        self.connection
            .prepare_cached(
                "UPDATE users SET username = ?2, folded = iif(issuer IS NULL, ?3, NULL)
                 WHERE key = ?1",
            )?
            .execute((key, name, folded))?;
        Ok(true)
    }

    /// Whether this user is the only active administrator at that moment. A foreign user never is:
    /// the issuer can give the role again.
    pub(super) fn is_last_admin(&self, key: i64, at_unix_ms: i64) -> Result<bool, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT key = ?1 AND issuer IS NULL FROM users WHERE roles & 1 AND disabled = 0
             AND banned_until_unix_ms <= ?2 ORDER BY key = ?1 LIMIT 1",
        )?;
        let mut rows = select.query((key, at_unix_ms))?;
        // Other users come first, so the first row is this user only if there is no other.
        Ok(match rows.next()? {
            Some(row) => row.get(0)?,
            None => false,
        })
    }
}

/// Whether a change would prevent an administrator from administering.
fn removes_admin(what: &UserChangeKind, at_unix_ms: i64) -> bool {
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
