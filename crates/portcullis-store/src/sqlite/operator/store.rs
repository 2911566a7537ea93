//! The database of a server, opened beside it: what only operators do.
//! Never: messages or idempotency keys, which the server's writer caches.

use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use portcullis_model::{RoleTable, RoomId};
use rusqlite::{Connection, TransactionBehavior};

use crate::error::StoreError;
use crate::field_seal::FieldSeal;
use crate::rows::operator::{
    DeleteUserOutcome, DeleteUserRequest, OperatorActionKind, RoomSummary,
};
use crate::rows::rooms::DeleteRoomOutcome;
use crate::sqlite::account_tables::operator_actions::ActionNote;
use crate::sqlite::account_tables::transaction::AccountTransaction;
use crate::sqlite::account_tables::user_change::LogOutSummary;
use crate::sqlite::database::connection::open_operator;
use crate::sqlite::operator::reseal::{Cursor, ResealProgress, reseal};
use crate::sqlite::operator::rooms::{delete_room, list_rooms};

/// A second connection to the database of a server, which may run or not.
///
/// A running server detects each change in its next recheck, and records it. A stopped one records
/// it at its next start. Every call waits for the database, for 5 s at most.
pub struct SqliteOperatorStore {
    operator: String,
    roles: RoleTable,
    connection: Mutex<Connection>,
    seal: Option<Arc<dyn FieldSeal>>,
    resealed: Mutex<Cursor>,
}

impl std::fmt::Debug for SqliteOperatorStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SqliteOperatorStore").finish_non_exhaustive()
    }
}

impl SqliteOperatorStore {
    /// Opens the database of a server that has been started at least once.
    ///
    /// `operator` is the name of the operator in the records.
    ///
    /// # Errors
    /// `SchemaOlder` or `SchemaNewer` unless it is of this version, `Database` if it is missing.
    pub fn open(
        path: &Path,
        seal: Option<Arc<dyn FieldSeal>>,
        operator: &str,
    ) -> Result<Self, StoreError> {
        let connection = Mutex::new(open_operator(path)?);
        Ok(Self {
            operator: String::from(operator),
            roles: RoleTable::default(),
            connection,
            seal,
            resealed: Mutex::new(Cursor::START),
        })
    }

    /// Sets the names of roles in the records; the default has only the built-in roles.
    #[must_use]
    pub fn with_roles(self, roles: RoleTable) -> Self {
        Self { roles, ..self }
    }

    /// The names of roles in the records.
    pub(super) fn roles(&self) -> &RoleTable {
        &self.roles
    }

    /// The connection, locked.
    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock()
    }

    /// The seal of fields, if there is one.
    pub(super) fn seal(&self) -> Option<&dyn FieldSeal> {
        self.seal.as_deref()
    }

    /// Records an action on files that belong to the database, such as keys.
    ///
    /// # Errors
    /// `Database` if it cannot be written.
    pub fn note(&self, kind: OperatorActionKind, what: &str) -> Result<(), StoreError> {
        self.write(|_| Ok(()), |()| Some(ActionNote::general(kind, what)))
    }

    /// Seals up to `portion` values (never more than 1,000) that are in the clear or under an older
    /// key, in one short transaction.
    ///
    /// Each call continues where the last one ended, and after the last value from the start. A
    /// running server seals the values that it stores meanwhile with its own keys. Old copies on
    /// unused pages of the file are only removed by [`SqliteOperatorStore::compact`].
    ///
    /// # Errors
    /// `Unsealable` if a value cannot be opened: nothing of the portion is changed.
    pub fn reseal(&self, portion: u32) -> Result<ResealProgress, StoreError> {
        let without_seal =
            || StoreError::Unsealable { record: String::from("a value of a store without a seal") };
        let seal = self.seal().ok_or_else(without_seal)?;
        let mut connection = self.connection.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut cursor = *self.resealed.lock();
        let progress = reseal(&transaction, seal, &mut cursor, portion)?;
        transaction.commit()?;
        *self.resealed.lock() = if progress.left == 0 { Cursor::START } else { cursor };
        Ok(progress)
    }

    /// Writes the file again, without copies of values that were sealed, changed or removed.
    ///
    /// For a stopped server: a running one cannot write meanwhile, and its changes fail if that
    /// takes more than 5 s. Needs as much free space as the database has.
    ///
    /// # Errors
    /// `Database` if another program writes for more than 5 s, or without enough space.
    pub fn compact(&self) -> Result<(), StoreError> {
        // Pages that were split keep copies of moved rows, and only a new file has none.
        self.connection.lock().execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")?;
        Ok(())
    }

    /// Ends the sessions of all users, and voids every token issued before, also those of foreign
    /// users who have not connected yet.
    ///
    /// # Errors
    /// `Database` if it cannot be written; nothing has changed then.
    pub fn log_out_all(&self, at_unix_ms: i64) -> Result<LogOutSummary, StoreError> {
        let note = |summary: &LogOutSummary| {
            let LogOutSummary { users, sessions } = summary;
            let what = format!("all users logged out: {sessions} sessions of {users} users ended");
            Some(ActionNote::general(OperatorActionKind::Session, what))
        };
        self.write(|accounts| accounts.void_all(at_unix_ms), note)
    }

    /// Reads a part of all rooms, the oldest first.
    ///
    /// # Errors
    /// `Database` if it cannot be read.
    pub fn rooms(&self, skip: u64, limit: u32) -> Result<Vec<RoomSummary>, StoreError> {
        list_rooms(&self.connection(), skip, limit)
    }

    /// Deletes a room with its members and messages; a running server ends it in its next recheck.
    ///
    /// # Errors
    /// `Database` if it cannot be written.
    pub fn delete_room(&self, room: &RoomId) -> Result<DeleteRoomOutcome, StoreError> {
        let note = |outcome: &DeleteRoomOutcome| match outcome {
            DeleteRoomOutcome::Deleted => {
                let what = format!("room {room} deleted");
                Some(ActionNote::general(OperatorActionKind::Status, what))
            }
            DeleteRoomOutcome::Rejected => None,
        };
        self.write(|accounts| delete_room(accounts.connection, room), note)
    }

    /// Deletes a user; see [`DeleteUserRequest`]. A running server follows in its next recheck.
    ///
    /// # Errors
    /// `Database` if it cannot be written.
    pub fn delete_user(
        &self,
        deletion: &DeleteUserRequest,
    ) -> Result<DeleteUserOutcome, StoreError> {
        let note = |outcome: &DeleteUserOutcome| match outcome {
            DeleteUserOutcome::Deleted { rooms } => {
                let what = format!("user deleted, {}", deletion.rooms.describe(*rooms));
                let user = deletion.user.clone();
                Some(ActionNote::of_user(OperatorActionKind::Status, user, what))
            }
            DeleteUserOutcome::Missing | DeleteUserOutcome::LastAdmin => None,
        };
        self.write(|accounts| accounts.delete_user(deletion), note)
    }

    /// Changes accounts and, if `note` returns one, records the action in the same transaction.
    pub(super) fn write<A>(
        &self,
        change: impl FnOnce(&mut AccountTransaction<'_>) -> Result<A, StoreError>,
        note: impl FnOnce(&A) -> Option<ActionNote>,
    ) -> Result<A, StoreError> {
        let mut connection = self.connection.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // There is no feed here: the server finds the changes by its recheck.
        let mut changes = Vec::new();
        let mut accounts = AccountTransaction {
            connection: &transaction,
            seal: self.seal.as_deref(),
            changes: &mut changes,
        };
        let result = change(&mut accounts)?;
        if let Some(note) = note(&result) {
            accounts.store_operator_action(&note, &self.operator)?;
        }
        transaction.commit()?;
        Ok(result)
    }
}
