//! Second factors and recovery codes.
//! Never: a code that is valid twice.

use portcullis_model::{SessionId, UserId};
use rusqlite::Connection;

use crate::error::StoreError;
use crate::rows::factors::NewTotp;
use crate::rows::sessions::SessionSelector;
use crate::sqlite::account_tables::transaction::AccountTransaction;
use crate::sqlite::columns::fold;
use crate::sqlite::sealed_fields::seal_totp;

impl AccountTransaction<'_> {
    /// Adds or removes a second factor; see [`crate::AccountStore::set_totp`].
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
        self.report_user(key)?;
        Ok(true)
    }

    /// Uses up a time step; see [`crate::AccountStore::use_totp_step`].
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

    /// Uses up a recovery code; see [`crate::AccountStore::use_recovery_code`].
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

/// The number of unused recovery codes; see [`crate::AccountStore::recovery_codes_left`].
pub(crate) fn recovery_codes_left(
    connection: &Connection,
    user: &UserId,
) -> Result<u32, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT count(*) FROM recovery_codes WHERE user = (SELECT key FROM users WHERE id = ?1)",
    )?;
    Ok(select.query_row([user.as_str()], |row| row.get(0))?)
}
