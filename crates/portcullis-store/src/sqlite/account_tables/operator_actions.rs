//! What an operator does beside a server, kept until a server has recorded it.
//! Never: lost between the two; it is stored with the change, and removed with being told.

use portcullis_model::{RoleTable, UserId};
use rusqlite::Connection;

use crate::error::StoreError;
use crate::rows::accounts::{
    FOR_EVER_UNIX_MS, OperatorAction, OperatorActionKind, UserChange, UserChangeKind,
};
use crate::sqlite::account_tables::users::AccountTables;

/// What was done to whom, before anybody is named who did it.
pub(crate) type Done = (OperatorActionKind, Option<UserId>, String);

impl AccountTables<'_> {
    /// Keeps an act for the server to record; `by` is who did it.
    pub(crate) fn keep_operator_act(&mut self, done: &Done, by: &str) -> Result<(), StoreError> {
        let (kind, user, what) = done;
        let detail = format!("{what}, by {by} at the command line");
        self.connection
            .prepare_cached(
                "INSERT INTO operator_acts (kind, user, detail, at_unix_ms)
                 VALUES (?1, ?2, ?3, CAST(unixepoch('subsec') * 1000 AS INTEGER))",
            )?
            .execute((kind.name(), user.as_ref().map(UserId::as_str), detail))?;
        Ok(())
    }
}

/// Reads the acts that wait, above a number.
///
/// A damaged act is read as far as possible: it must not prevent the server from reading the
/// authority.
pub(crate) fn operator_acts(
    connection: &Connection,
    above: i64,
) -> Result<Vec<(i64, OperatorAction)>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT number, kind, user, detail, at_unix_ms FROM operator_acts
         WHERE number > ?1 ORDER BY number",
    )?;
    let mut rows = select.query([above])?;
    let mut acts = Vec::new();
    while let Some(row) = rows.next()? {
        let kind: String = row.get(1)?;
        let user: Option<String> = row.get(2)?;
        let known = OperatorActionKind::ALL.into_iter().find(|known| known.name() == kind);
        let act = OperatorAction {
            kind: known.unwrap_or(OperatorActionKind::Status),
            user: user.and_then(|user| UserId::parse(&user).ok()),
            detail: row.get(3)?,
            at_unix_ms: row.get(4)?,
        };
        acts.push((row.get(0)?, act));
    }
    Ok(acts)
}

/// A change of a user, in words.
pub(crate) fn changed(change: &UserChange, roles: &RoleTable) -> Done {
    let until = |until_unix_ms: i64| {
        if until_unix_ms == FOR_EVER_UNIX_MS {
            String::from("for ever")
        } else {
            format!("for {} s", (until_unix_ms - change.at_unix_ms) / 1000)
        }
    };
    let lasts = |until_unix_ms: i64| until_unix_ms > change.at_unix_ms;
    let (kind, what) = match &change.what {
        UserChangeKind::Roles(held) => {
            (OperatorActionKind::Roles, format!("roles now {}", roles.names(*held).join(" ")))
        }
        UserChangeKind::Disabled(true) => (OperatorActionKind::Status, String::from("locked out")),
        UserChangeKind::Disabled(false) => {
            (OperatorActionKind::Status, String::from("let in again"))
        }
        UserChangeKind::Banned { until_unix_ms } if lasts(*until_unix_ms) => {
            (OperatorActionKind::Status, format!("banned {}", until(*until_unix_ms)))
        }
        UserChangeKind::Banned { .. } => (OperatorActionKind::Status, String::from("ban lifted")),
        UserChangeKind::Muted { until_unix_ms } if lasts(*until_unix_ms) => {
            (OperatorActionKind::Status, format!("muted {}", until(*until_unix_ms)))
        }
        UserChangeKind::Muted { .. } => {
            (OperatorActionKind::Status, String::from("may speak again"))
        }
        UserChangeKind::Username(_) => (OperatorActionKind::Status, String::from("renamed")),
        UserChangeKind::Password { .. } => {
            (OperatorActionKind::Factors, String::from("password replaced"))
        }
        UserChangeKind::RevokeAll => {
            (OperatorActionKind::Session, String::from("all sessions and tokens ended"))
        }
    };
    (kind, Some(change.user.clone()), what)
}
