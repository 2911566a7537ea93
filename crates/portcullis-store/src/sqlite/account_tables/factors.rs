//! Second factors, invitations, withdrawals and the numbers of roles, in the tables.
//! Never: a code that counts twice.

use portcullis_model::{CUSTOM_ROLES_MAX, SessionId, UserId};
use rusqlite::Connection;

use crate::error::StoreError;
use crate::rows::accounts::{NewInvitation, NewTotp, SessionSelector};
use crate::sqlite::account_tables::sessions::STEP_ROWS;
use crate::sqlite::account_tables::users::AccountTables;
use crate::sqlite::columns::fold;
use crate::sqlite::sealed_fields::seal_totp;

/// Most unused invitations of one inviter; the operators of the command line are one together.
const INVITATIONS_MAX: i64 = 1_000;

impl AccountTables<'_> {
    /// Asks for a second factor or no more; see [`crate::AccountStore::set_totp`].
    pub(crate) fn set_totp(
        &mut self,
        user: &UserId,
        totp: Option<&NewTotp>,
        keep: Option<SessionId>,
    ) -> Result<bool, StoreError> {
        let Some(key) = self.user_key(user)? else { return Ok(false) };
        let secret = |totp: &NewTotp| seal_totp(self.seal, user.as_str(), totp.secret.expose());
        let (stored, sealed) = totp.map(secret).transpose()?.unzip();
        let step = totp.map_or(0, |totp| i64::try_from(totp.step).unwrap_or(i64::MAX));
        self.connection
            .prepare_cached(
                "UPDATE users SET totp = ?2, totp_sealed = ?3, totp_step = ?4 WHERE key = ?1",
            )?
            .execute((key, stored, sealed.unwrap_or(false), step))?;
        self.connection
            .prepare_cached("DELETE FROM recovery_codes WHERE user = ?1")?
            .execute([key])?;
        for hash in totp.map_or(&[][..], |totp| &totp.recovery) {
            self.connection
                .prepare_cached("INSERT OR IGNORE INTO recovery_codes VALUES (?1, ?2)")?
                .execute((key, hash.as_slice()))?;
        }
        let which = keep.map_or(SessionSelector::All, SessionSelector::AllExcept);
        self.end_sessions(user, &which)?;
        self.tell_user(key)?;
        Ok(true)
    }

    /// Uses a step up; see [`crate::AccountStore::use_totp_step`].
    pub(crate) fn use_totp_step(&mut self, user: &UserId, step: u64) -> Result<bool, StoreError> {
        let Ok(step) = i64::try_from(step) else { return Ok(false) };
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE users SET totp_step = ?2
                 WHERE id = ?1 AND totp IS NOT NULL AND totp_step < ?2",
            )?
            .execute((user.as_str(), step))?;
        Ok(changed == 1)
    }

    /// Uses a recovery code up; see [`crate::AccountStore::use_recovery_code`].
    pub(crate) fn use_recovery_code(
        &mut self,
        user: &UserId,
        hash: &[u8; 32],
    ) -> Result<bool, StoreError> {
        let removed = self
            .connection
            .prepare_cached(
                "DELETE FROM recovery_codes
                 WHERE user = (SELECT key FROM users WHERE id = ?1) AND hash = ?2",
            )?
            .execute((user.as_str(), hash.as_slice()))?;
        Ok(removed == 1)
    }

    /// Keeps an invitation; see [`crate::AccountStore::invite`].
    pub(crate) fn invite(&mut self, invitation: &NewInvitation) -> Result<bool, StoreError> {
        let by = invitation.by.as_ref().map(UserId::as_str);
        let mut count = self.connection.prepare_cached(
            "SELECT count(*) FROM (SELECT 1 FROM invitations
             WHERE created_by IS (SELECT key FROM users WHERE id = ?1)
             AND used_by IS NULL AND ends_unix_ms > ?2 LIMIT ?3)",
        )?;
        let standing: i64 =
            count.query_row((by, invitation.at_unix_ms, INVITATIONS_MAX), |row| row.get(0))?;
        if standing >= INVITATIONS_MAX {
            return Ok(false);
        }
        self.connection
            .prepare_cached(
                "INSERT INTO invitations (hash, created_by, created_unix_ms, ends_unix_ms)
                 VALUES (?1, (SELECT key FROM users WHERE id = ?2), ?3, ?4)",
            )?
            .execute((
                invitation.hash.as_slice(),
                by,
                invitation.at_unix_ms,
                invitation.ends_unix_ms,
            ))?;
        Ok(true)
    }

    /// Uses an invitation up. It stays until its end, so that it is known who came by it.
    pub(crate) fn use_invitation(&self, hash: &[u8; 32], user: i64) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE invitations SET used_by = ?2 WHERE hash = ?1")?
            .execute((hash.as_slice(), user))?;
        Ok(())
    }

    /// Removes some of what is over of all that ends by itself.
    pub(crate) fn tidy_ended(&mut self, now_unix_ms: i64) -> Result<(), StoreError> {
        self.tidy_revocations(now_unix_ms)?;
        self.connection
            .prepare_cached(
                "DELETE FROM invitations WHERE hash IN
                 (SELECT hash FROM invitations WHERE ends_unix_ms <= ?1 LIMIT ?2)",
            )?
            .execute((now_unix_ms, STEP_ROWS))?;
        self.tidy_sessions(now_unix_ms)
    }

    /// Numbers roles; see [`crate::AccountStore::assign_role_numbers`].
    pub(crate) fn assign_role_numbers(
        &mut self,
        names: &[String],
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut roles = self.roles()?;
        let known = roles.len();
        let mut numbers = Vec::with_capacity(names.len());
        for name in names {
            let held = roles.iter().find(|(_, role)| role == name).map(|(number, _)| *number);
            let number = match held {
                Some(number) => number,
                None => {
                    let Some(free) = free_number(&roles) else { return Ok(None) };
                    roles.push((free, name.clone()));
                    free
                }
            };
            numbers.push(number);
        }
        // Last: a number given is given for ever, so none is when not all fit.
        let mut insert =
            self.connection.prepare_cached("INSERT INTO roles (number, name) VALUES (?1, ?2)")?;
        for (number, name) in roles.iter().skip(known) {
            insert.execute((number, name))?;
        }
        Ok(Some(numbers))
    }

    fn roles(&self) -> Result<Vec<(u8, String)>, StoreError> {
        let mut select = self.connection.prepare_cached("SELECT number, name FROM roles")?;
        let roles = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(roles.collect::<Result<_, _>>()?)
    }
}

fn free_number(roles: &[(u8, String)]) -> Option<u8> {
    (0u8..).take(CUSTOM_ROLES_MAX).find(|number| roles.iter().all(|(taken, _)| taken != number))
}

/// Whether an invitation is good at that moment, and not used.
pub(crate) fn has_invitation(
    connection: &Connection,
    hash: &[u8; 32],
    at_unix_ms: i64,
) -> Result<bool, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT 1 FROM invitations WHERE hash = ?1 AND ends_unix_ms > ?2 AND used_by IS NULL",
    )?;
    Ok(select.exists((hash.as_slice(), at_unix_ms))?)
}

/// Whether a recovery code is unused; see [`crate::AccountStore::has_recovery_code`].
pub(crate) fn has_recovery_code(
    connection: &Connection,
    username: &str,
    hash: &[u8; 32],
) -> Result<bool, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT 1 FROM recovery_codes
         WHERE user = (SELECT key FROM users WHERE folded = ?1) AND hash = ?2",
    )?;
    Ok(select.exists((fold(username), hash.as_slice()))?)
}

/// How many recovery codes are left; see [`crate::AccountStore::recovery_codes_left`].
pub(crate) fn recovery_codes_left(
    connection: &Connection,
    user: &UserId,
) -> Result<u32, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT count(*) FROM recovery_codes WHERE user = (SELECT key FROM users WHERE id = ?1)",
    )?;
    Ok(select.query_row([user.as_str()], |row| row.get(0))?)
}
