//! Actions of operators beside a server, stored until a server has recorded them.
//! Never: an action that is lost; it is stored with its change, and removed after its report.

use portcullis_model::{RoleTable, UserId};
use rusqlite::Connection;

use crate::error::StoreError;
use crate::rows::operator::{OperatorAction, OperatorActionKind};
use crate::rows::users::{FOR_EVER_UNIX_MS, UserChange, UserChangeKind};
use crate::sqlite::account_tables::transaction::AccountTransaction;

/// An operation on a user; the operator is added when it is stored.
pub(crate) struct ActionNote {
    /// The subject.
    pub(crate) kind: OperatorActionKind,
    /// The affected user, if there is one.
    pub(crate) user: Option<UserId>,
    /// The operation, in words.
    pub(crate) what: String,
}

impl ActionNote {
    /// A note about one user.
    pub(crate) fn of_user(kind: OperatorActionKind, user: UserId, what: impl Into<String>) -> Self {
        Self { kind, user: Some(user), what: what.into() }
    }

    /// A note that names no user.
    pub(crate) fn general(kind: OperatorActionKind, what: impl Into<String>) -> Self {
        Self { kind, user: None, what: what.into() }
    }

    /// Describes a change of a user.
    pub(crate) fn of_change(change: &UserChange, roles: &RoleTable) -> Self {
        let until = |until_unix_ms: i64| {
            if until_unix_ms == FOR_EVER_UNIX_MS {
                String::from("for ever")
            } else {
                format!("for {} s", (until_unix_ms - change.at_unix_ms) / 1000)
            }
        };
        let is_future = |until_unix_ms: i64| until_unix_ms > change.at_unix_ms;
        let status = OperatorActionKind::Status;
        let (kind, what) = match &change.what {
            UserChangeKind::Roles(held) => {
                let names = roles.names(*held).join(" ");
                (OperatorActionKind::Roles, format!("roles set to {names}"))
            }
            UserChangeKind::Disabled(true) => (status, String::from("locked out")),
            UserChangeKind::Disabled(false) => (status, String::from("unlocked")),
            UserChangeKind::Banned { until_unix_ms } if is_future(*until_unix_ms) => {
                (status, format!("banned {}", until(*until_unix_ms)))
            }
            UserChangeKind::Banned { .. } => (status, String::from("ban lifted")),
            UserChangeKind::Muted { until_unix_ms } if is_future(*until_unix_ms) => {
                (status, format!("muted {}", until(*until_unix_ms)))
            }
            UserChangeKind::Muted { .. } => (status, String::from("mute lifted")),
            UserChangeKind::Username(_) => (status, String::from("renamed")),
            UserChangeKind::Password { .. } => {
                (OperatorActionKind::Factors, String::from("password replaced"))
            }
            UserChangeKind::RevokeAll => {
                (OperatorActionKind::Session, String::from("all sessions and tokens ended"))
            }
        };
        Self::of_user(kind, change.user.clone(), what)
    }
}

impl AccountTransaction<'_> {
    /// Stores an action for the server to record; `by` is the operator.
    pub(crate) fn store_operator_action(
        &mut self,
        note: &ActionNote,
        by: &str,
    ) -> Result<(), StoreError> {
        let detail = format!("{}, by {by} at the command line", note.what);
        self.connection
            .prepare_cached(
                "INSERT INTO operator_acts (kind, user, detail, at_unix_ms)
                 VALUES (?1, ?2, ?3, CAST(unixepoch('subsec') * 1000 AS INTEGER))",
            )?
            .execute((note.kind.name(), note.user.as_ref().map(UserId::as_str), detail))?;
        Ok(())
    }
}

/// Reads the stored actions with numbers above `above`.
///
/// A damaged action is read as far as possible: it must not prevent the server from reading the
/// authority.
pub(crate) fn operator_actions(
    connection: &Connection,
    above: i64,
) -> Result<Vec<(i64, OperatorAction)>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT number, kind, user, detail, at_unix_ms FROM operator_acts
         WHERE number > ?1 ORDER BY number",
    )?;
    let mut rows = select.query([above])?;
    let mut actions = Vec::new();
    while let Some(row) = rows.next()? {
        let kind: String = row.get(1)?;
        let user: Option<String> = row.get(2)?;
        let known = OperatorActionKind::ALL.into_iter().find(|known| known.name() == kind);
        let action = OperatorAction {
            kind: known.unwrap_or(OperatorActionKind::Status),
            user: user.and_then(|user| UserId::parse(&user).ok()),
            detail: row.get(3)?,
            at_unix_ms: row.get(4)?,
        };
        actions.push((row.get(0)?, action));
    }
    Ok(actions)
}

/// Deletes the actions with numbers up to `number`; inside a transaction.
pub(crate) fn remove_operator_actions(
    connection: &Connection,
    number: i64,
) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM operator_acts WHERE number <= ?1")?.execute([number])?;
    Ok(())
}
