//! The account tables inside a transaction.
//! Never: the transaction itself; the caller starts and commits it.

use portcullis_model::UserId;
use rusqlite::{Connection, OptionalExtension};

use crate::changes::Change;
use crate::error::StoreError;
use crate::field_seal::FieldSeal;

/// How many rows one step of a cleanup removes from each table.
pub(super) const STEP_ROWS: i64 = 256;

/// The account tables inside a transaction, and the changes for the feed.
pub(crate) struct AccountTransaction<'a> {
    /// A connection with an open transaction.
    pub(crate) connection: &'a Connection,
    /// The seal of second factors, if there is one.
    pub(crate) seal: Option<&'a dyn FieldSeal>,
    /// The changes that the feed will receive.
    pub(crate) changes: &'a mut Vec<Change>,
}

impl AccountTransaction<'_> {
    /// Finds the key of a user in the tables.
    pub(super) fn user_key(&self, user: &UserId) -> Result<Option<i64>, StoreError> {
        let mut select = self.connection.prepare_cached("SELECT key FROM users WHERE id = ?1")?;
        Ok(select.query_row([user.as_str()], |row| row.get(0)).optional()?)
    }

    /// Removes some expired sessions, revocations, invitations and blocks.
    pub(crate) fn remove_ended(&mut self, now_unix_ms: i64) -> Result<(), StoreError> {
        self.remove_ended_revocations(now_unix_ms)?;
        self.remove_ended_invitations(now_unix_ms)?;
        self.remove_ended_blocks(now_unix_ms)?;
        self.remove_ended_sessions(now_unix_ms)
    }
}
