//! Deletes users: their sessions, memberships and personal data.
//! Never: the row itself, because messages and rooms refer to it.

use rusqlite::OptionalExtension;

use crate::error::StoreError;
use crate::rows::operator::{DeleteUserOutcome, DeleteUserRequest, OwnedRooms};
use crate::rows::sessions::SessionSelector;
use crate::sqlite::account_tables::transaction::AccountTransaction;

/// The name that is shown for deleted users. A user cannot register it.
const DELETED_NAME: &str = "deleted user";

impl AccountTransaction<'_> {
    /// Deletes a user; see [`DeleteUserRequest`].
    pub(crate) fn delete_user(
        &mut self,
        deletion: &DeleteUserRequest,
    ) -> Result<DeleteUserOutcome, StoreError> {
        let (user, at_unix_ms) = (&deletion.user, deletion.at_unix_ms);
        let found: Option<i64> = self
            .connection
            .prepare_cached("SELECT key FROM users WHERE id = ?1 AND deleted_unix_ms = 0")?
            .query_row([user.as_str()], |row| row.get(0))
            .optional()?;
        let Some(key) = found else { return Ok(DeleteUserOutcome::Missing) };
        if self.is_last_admin(key, at_unix_ms)? {
            return Ok(DeleteUserOutcome::LastAdmin);
        }
        self.end_sessions(user, &SessionSelector::All)?;
        let rooms = match deletion.rooms {
            OwnedRooms::Deleted => "UPDATE rooms SET deleted = 1 WHERE owner = ?1 AND deleted = 0",
            // Changes nothing, and counts the rooms in the same way.
            OwnedRooms::Kept => "UPDATE rooms SET owner = owner WHERE owner = ?1 AND deleted = 0",
        };
        let rooms = self.connection.prepare_cached(rooms)?.execute([key])?;
        for statement in [
            "UPDATE rooms SET members = members - 1
             WHERE key IN (SELECT room FROM members WHERE user = ?1)",
            "DELETE FROM members WHERE user = ?1",
            "DELETE FROM relations WHERE user = ?1",
            "DELETE FROM recovery_codes WHERE user = ?1",
            "DELETE FROM invitations WHERE created_by = ?1 AND used_by IS NULL",
        ] {
            self.connection.prepare_cached(statement)?.execute([key])?;
        }
        self.connection
            .prepare_cached(
                "UPDATE users SET username = ?2, folded = NULL, password_phc = NULL, issuer = NULL,
                     subject = NULL, totp = NULL, totp_sealed = 0, roles = 0, disabled = 1,
                     valid_after_unix_ms = max(valid_after_unix_ms, ?3), changed_unix_ms = ?3,
                     last_login_unix_ms = 0,
                     deleted_unix_ms = max(?3, 1)
                 WHERE key = ?1",
            )?
            .execute((key, DELETED_NAME, at_unix_ms))?;
        Ok(DeleteUserOutcome::Deleted { rooms })
    }
}
