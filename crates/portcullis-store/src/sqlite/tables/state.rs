//! The state that a change works on: the writer's connection, statements, caches, the disk.
//! Never: a commit; the writer commits a batch.

use std::sync::Arc;

use rusqlite::Connection;

use crate::changes::Change;
use crate::error::StoreError;
use crate::field_seal::FieldSeal;
use crate::health::disk_watch::DiskWatch;
use crate::health::monitor::{Health, WriteKind};
use crate::sqlite::account_tables::transaction::AccountTransaction;
use crate::sqlite::tables::cache::Cache;
use crate::sqlite::tables::cleanup::Cleanup;
use crate::sqlite::tables::mids::Mids;
use crate::sqlite::tables::statements::Statements;

/// The state of the writer that changes read and modify.
pub(crate) struct WriteState<'c> {
    /// The writer's own connection, inside a transaction while changes are performed.
    pub(crate) connection: &'c Connection,
    /// The statements of the hot path.
    pub(crate) statements: Statements<'c>,
    /// Members, and the newest message of each room.
    pub(crate) cache: Cache,
    /// Idempotency keys, and the numbers of messages.
    pub(crate) mids: Mids,
    /// The remains of deleted rooms.
    pub(crate) cleanup: Cleanup,
    /// The seal of fields, if there is one.
    pub(crate) seal: Option<Arc<dyn FieldSeal>>,
    /// Whether the disk can be written to.
    pub(crate) disk: DiskWatch,
    /// Set when a change could not be undone alone; the batch is rolled back.
    pub(crate) broken: Option<StoreError>,
}

impl<'c> WriteState<'c> {
    /// Prepares the statements of the hot path.
    pub(crate) fn new(
        connection: &'c Connection,
        seal: Option<Arc<dyn FieldSeal>>,
        disk: DiskWatch,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            connection,
            statements: Statements::prepare(connection)?,
            cache: Cache::default(),
            mids: Mids::new(),
            cleanup: Cleanup::new(),
            seal,
            disk,
            broken: None,
        })
    }

    /// Checks that a change of this kind may be written now.
    ///
    /// # Errors
    /// [`StoreError::Unwritable`] if it may not.
    pub(crate) fn check_writable(&mut self, kind: WriteKind) -> Result<(), StoreError> {
        // A restored file is detected at once.
        if self.disk.monitor.state() == Health::Moved {
            self.disk.has_moved();
        }
        if self.disk.monitor.permits(kind) {
            return Ok(());
        }
        Err(StoreError::Unwritable(self.disk.monitor.state()))
    }

    /// Runs several statements of one change so that either all or none take effect.
    pub(crate) fn in_savepoint<A>(
        &mut self,
        run: impl FnOnce(&Connection) -> Result<A, StoreError>,
    ) -> Result<A, StoreError> {
        let connection = self.connection;
        connection.prepare_cached("SAVEPOINT change")?.execute([])?;
        let result = run(connection);
        if result.is_err() && !connection.is_autocommit() {
            self.end_savepoint("ROLLBACK TO change");
        }
        if !connection.is_autocommit() {
            self.end_savepoint("RELEASE change");
        }
        result
    }

    fn end_savepoint(&mut self, statement: &str) {
        let ended = self.connection.prepare_cached(statement).and_then(|mut end| end.execute([]));
        if let Err(error) = ended {
            self.broken = Some(error.into());
        }
    }

    /// Runs a change of the account tables, if a change of this kind may be written now.
    pub(crate) fn change_account<A>(
        &mut self,
        kind: WriteKind,
        changes: &mut Vec<Change>,
        run: impl FnOnce(&mut AccountTransaction<'_>) -> Result<A, StoreError>,
    ) -> Result<A, StoreError> {
        self.check_writable(kind)?;
        self.in_account_transaction(changes, run)
    }

    /// Runs a change of the account tables; either all or nothing of it takes effect.
    pub(crate) fn in_account_transaction<A>(
        &mut self,
        changes: &mut Vec<Change>,
        run: impl FnOnce(&mut AccountTransaction<'_>) -> Result<A, StoreError>,
    ) -> Result<A, StoreError> {
        let seal = self.seal.clone();
        self.in_savepoint(|connection| {
            run(&mut AccountTransaction { connection, seal: seal.as_deref(), changes })
        })
    }
}
