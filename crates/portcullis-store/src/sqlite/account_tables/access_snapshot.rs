//! Reads users, sessions, revocations and blocks at once; the files beside it change them.
//! Never: rooms or messages.

use rusqlite::Connection;

use crate::error::StoreError;
use crate::rows::access_snapshot::AccessSnapshot;
use crate::sqlite::account_tables::blocks::list_blocks;
use crate::sqlite::account_tables::revocations::{revocations, revocations_ended};
use crate::sqlite::account_tables::sessions::{SESSION, session_row};
use crate::sqlite::account_tables::users::{USER, user_row};

/// Reads the authority; inside a transaction.
pub(crate) fn read_access_snapshot(connection: &Connection) -> Result<AccessSnapshot, StoreError> {
    let mut authority = AccessSnapshot::default();
    let mut select =
        connection.prepare(&format!("SELECT {USER} FROM users WHERE deleted_unix_ms = 0"))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        authority.users.push(user_row(row)?);
    }
    let mut select = connection.prepare(&format!(
        "SELECT {SESSION} FROM sessions JOIN users ON users.key = sessions.user"
    ))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        authority.sessions.push(session_row(row)?);
    }
    authority.revocations = revocations(connection)?;
    authority.blocks = list_blocks(connection, 0)?;
    authority.revocations_ended_unix_ms = revocations_ended(connection)?;
    Ok(authority)
}
