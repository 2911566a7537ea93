//! The statements of the hot path, prepared once for the life of the connection.
//! Never: a statement that is rarely used.

use rusqlite::{Connection, Statement};

use crate::error::StoreError;

/// The prepared statements.
pub(crate) struct Statements<'c> {
    /// Inserts a message.
    pub(crate) insert_message: Statement<'c>,
    /// Finds the messages of a day under a hash.
    pub(crate) find_mid: Statement<'c>,
}

impl<'c> Statements<'c> {
    /// Prepares them; fails if the tables are not those of this version.
    pub(crate) fn prepare(connection: &'c Connection) -> Result<Self, StoreError> {
        Ok(Self {
            insert_message: connection.prepare(
                "INSERT INTO messages (number, id, room, seq, previous, user, sent_unix_ms,
                     reply_to, mid, digest, text, html, sealed)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?,
            find_mid: connection
                .prepare("SELECT number FROM mids WHERE day = ?1 AND hash = ?2 LIMIT ?3")?,
        })
    }
}
