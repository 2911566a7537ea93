//! Invitations to register.
//! Never: an invitation that is used twice.

use portcullis_model::UserId;
use rusqlite::Connection;

use crate::accounts::LIST_MAX;
use crate::error::StoreError;
use crate::rows::factors::{InvitationId, InvitationRow, NewInvitation};
use crate::sqlite::account_tables::transaction::{AccountTransaction, STEP_ROWS};
use crate::sqlite::columns::user_id;

/// Most unused invitations of one inviter; all operators of the command line count as one.
const INVITATIONS_MAX: i64 = 1_000;

impl AccountTransaction<'_> {
    /// Stores an invitation; see [`crate::AccountStore::invite`].
    pub(crate) fn invite(&mut self, invitation: &NewInvitation) -> Result<bool, StoreError> {
        let by = invitation.by.as_ref().map(UserId::as_str);
        let mut count = self.connection.prepare_cached(
            "SELECT count(*) FROM (SELECT 1 FROM invitations
             WHERE created_by IS (SELECT key FROM users WHERE id = ?1)
             AND used_by IS NULL AND ends_unix_ms > ?2 LIMIT ?3)",
        )?;
        let unused: i64 =
            count.query_row((by, invitation.at_unix_ms, INVITATIONS_MAX), |row| row.get(0))?;
        if unused >= INVITATIONS_MAX {
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

    /// Uses up an invitation. Its row stays until its end, and names the user who used it.
    pub(super) fn use_invitation(&self, hash: &[u8; 32], user: i64) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE invitations SET used_by = ?2 WHERE hash = ?1")?
            .execute((hash.as_slice(), user))?;
        Ok(())
    }

    /// Removes an unused invitation; see [`crate::AccountStore::revoke_invitation`].
    pub(crate) fn revoke_invitation(&mut self, id: InvitationId) -> Result<bool, StoreError> {
        let mut delete = self.connection.prepare_cached(
            "DELETE FROM invitations WHERE substr(hash, 1, 8) = ?1 AND used_by IS NULL",
        )?;
        Ok(delete.execute([id.0.as_slice()])? > 0)
    }

    /// Removes some of the expired invitations.
    pub(super) fn remove_ended_invitations(&self, now_unix_ms: i64) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "DELETE FROM invitations WHERE hash IN
                 (SELECT hash FROM invitations WHERE ends_unix_ms <= ?1 LIMIT ?2)",
            )?
            .execute((now_unix_ms, STEP_ROWS))?;
        Ok(())
    }
}

/// Whether an invitation is valid at that moment, and unused.
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

/// The invitations of [`crate::AccountStore::list_invitations`].
pub(crate) fn list_invitations(
    connection: &Connection,
    at_unix_ms: i64,
) -> Result<Vec<InvitationRow>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT substr(i.hash, 1, 8), by.id, i.created_unix_ms, i.ends_unix_ms, used.id
         FROM invitations i
         LEFT JOIN users by ON by.key = i.created_by
         LEFT JOIN users used ON used.key = i.used_by
         WHERE i.ends_unix_ms > ?1
         ORDER BY i.created_unix_ms DESC, i.hash LIMIT ?2",
    )?;
    let mut rows = select.query((at_unix_ms, LIST_MAX))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let user = |id: Option<String>| id.as_deref().map(user_id).transpose();
        found.push(InvitationRow {
            id: InvitationId(row.get(0)?),
            by: user(row.get(1)?)?,
            at_unix_ms: row.get(2)?,
            ends_unix_ms: row.get(3)?,
            used_by: user(row.get(4)?)?,
        });
    }
    Ok(found)
}
