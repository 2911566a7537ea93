//! Performs changes: a batch is one transaction; then the feed gets it, then the callers.
//! Never: a result, or a report to the feed, before the commit reached the disk.

use std::sync::Arc;
use std::time::Duration;

use portcullis_model::{Moment, TimeHistogram};
use rusqlite::Connection;

use crate::changes::{Change, CommitFeed};
use crate::error::StoreError;
use crate::field_seal::FieldSeal;
use crate::health::disk_watch::DiskWatch;
use crate::health::monitor::Health;
use crate::sqlite::copy::paged::CopyJob;
use crate::sqlite::database::connection::BUSY_TIMEOUT;
use crate::sqlite::tables::state::WriteState;
use crate::sqlite::writer::authority_watch::AuthorityWatch;
use crate::sqlite::writer::task::Task;

/// The wait of one attempt to get another program's lock. Between two attempts the writer does work
/// that needs no lock.
const LOCK_STEP: Duration = Duration::from_millis(20);

/// How long a batch waits for the lock if the batch before it has failed, so that its callers do
/// not wait for all earlier callers first.
const STALLED_TIMEOUT: Duration = Duration::from_millis(250);

/// Commits batches.
pub(crate) struct Writer<'c> {
    /// The state that changes work on.
    pub(crate) state: WriteState<'c>,
    /// The changes of other connections.
    pub(super) authority: AuthorityWatch,
    /// How long a batch waits for another program's lock.
    pub(super) lock_timeout: Duration,
    /// Counts the times of commits.
    pub(super) commit_times: Arc<TimeHistogram>,
    /// The disk's fault of a single change that failed.
    fault: Option<StoreError>,
    /// Whether the last batch failed.
    is_stalled: bool,
    /// A copy of the database that is to start.
    pub(crate) requested_copy: Option<CopyJob>,
    /// Faults that a test has planned.
    #[cfg(test)]
    pub(crate) planned: PlannedFaults,
}

/// Faults of the next commit, for tests.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct PlannedFaults {
    /// Fails the batch just before its COMMIT.
    pub(crate) before_commit: bool,
    /// The error of COMMIT.
    pub(crate) of_commit: Option<StoreError>,
}

/// The writer's work between two attempts to get the lock.
pub(super) type Between<'a, 'c> = &'a mut dyn FnMut(&mut Writer<'c>, &mut dyn CommitFeed);

impl<'c> Writer<'c> {
    /// Prepares the statements of the hot path.
    pub(crate) fn new(
        connection: &'c Connection,
        seal: Option<Arc<dyn FieldSeal>>,
        disk: DiskWatch,
    ) -> Result<Self, StoreError> {
        connection.busy_timeout(LOCK_STEP)?;
        Ok(Self {
            state: WriteState::new(connection, seal, disk)?,
            authority: AuthorityWatch::default(),
            lock_timeout: BUSY_TIMEOUT,
            commit_times: Arc::default(),
            fault: None,
            is_stalled: false,
            requested_copy: None,
            #[cfg(test)]
            planned: PlannedFaults::default(),
        })
    }

    /// Whether a transaction is due even without a change.
    pub(super) fn has_cleanup(&self) -> bool {
        let is_healthy = self.state.disk.monitor.state() == Health::Ok;
        let is_pending = self.state.cleanup.is_pending() || self.authority.has_reported_actions();
        (is_pending && is_healthy) || self.state.disk.is_retry_due()
    }

    /// Checks the disk from time to time, and logs a change of its state.
    pub(super) fn check_disk(&mut self) {
        let (before, after) = self.state.disk.check();
        if before != after {
            let (before, state) = (before.name(), after.name());
            tracing::warn!(before, state, "the state of the store's disk changed");
            if after == Health::Ok {
                self.state.cleanup.resume();
            }
        }
    }

    /// Commits a batch as one transaction, then reports to the feed, then replies.
    pub(crate) fn commit(
        &mut self,
        batch: &mut Vec<Box<dyn Task>>,
        feed: &mut dyn CommitFeed,
        between: Between<'_, 'c>,
    ) {
        self.fault = None;
        let mut changes = Vec::with_capacity(batch.len());
        let written = self.state.connection.total_changes();
        let started = Moment::now();
        let failure = self.transact(batch, feed, &mut changes, between).err();
        let has_written = self.state.connection.total_changes() > written;
        if has_written && failure.is_none() {
            self.commit_times.record(Moment::now().since(started));
        }
        // Stored in a file that may have been removed: it is unknown whether the change lasts.
        let moved = failure.is_none() && has_written && self.state.disk.has_moved();
        if let Some(error) = &failure {
            self.roll_back(error);
        } else if !changes.is_empty() {
            feed.committed(&changes);
        }
        if failure.is_none() {
            self.authority.committed(&changes);
            self.state.mids.committed();
        }
        let fault = self.fault.take().or_else(|| failure.clone());
        if has_written || fault.is_some() {
            self.state.disk.record_batch(fault.as_ref());
            self.reuse_log();
        }
        self.is_stalled = failure.is_some();
        let failure = failure.or(moved.then_some(StoreError::Unknown));
        for task in batch.drain(..) {
            task.reply(failure.as_ref());
        }
    }

    fn roll_back(&mut self, error: &StoreError) {
        if matches!(error, StoreError::Busy) {
            tracing::warn!("another program holds the database: nothing was written");
        } else {
            // The client's error does not say why the commit failed.
            let cause = self.fault.as_ref().filter(|_| matches!(error, StoreError::Unknown));
            let error = cause.unwrap_or(error);
            tracing::error!(%error, cause = ?std::error::Error::source(error), "a batch failed");
            self.state.cleanup.rolled_back();
        }
        if !self.state.connection.is_autocommit()
            && let Err(error) = self.state.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a batch could not be rolled back");
        }
        self.state.cache.clear();
        self.state.mids.rolled_back();
        self.authority.rolled_back();
    }

    /// On a full disk, moves the log into the file at once, so that the next change overwrites the
    /// log and needs no space.
    fn reuse_log(&self) {
        if self.state.disk.monitor.state() == Health::Full {
            let moved = self.state.connection.execute_batch("PRAGMA wal_checkpoint(PASSIVE)");
            tracing::debug!(?moved, "checkpoint of the log on a full disk");
        }
    }

    /// Logs a single change that failed, and keeps the disk's fault.
    fn record_failed_change(&mut self, error: StoreError) {
        // A change that was not tried is logged with the state of the disk.
        if matches!(error, StoreError::Unwritable(_)) {
            return;
        }
        tracing::warn!(%error, cause = ?std::error::Error::source(&error), "a change failed");
        // Also damage: writes to a damaged file may damage more of it.
        if error.write_fault().is_some() {
            self.fault = Some(error);
        }
    }

    /// Cleans up in small steps while the disk is healthy; tries a write while it is failing.
    fn clean_up(&mut self) -> Result<(), StoreError> {
        let state = &mut self.state;
        if state.disk.monitor.state() == Health::Ok {
            state.mids.step(state.connection)?;
            state.cleanup.step(state.connection)?;
            self.authority.remove_reported(state.connection)?;
        } else if state.disk.is_retry_due() {
            state.connection.execute("UPDATE marks SET mids_merged = mids_merged", [])?;
        }
        Ok(())
    }

    fn transact(
        &mut self,
        batch: &mut Vec<Box<dyn Task>>,
        feed: &mut dyn CommitFeed,
        changes: &mut Vec<Change>,
        between: Between<'_, 'c>,
    ) -> Result<(), StoreError> {
        let written = self.state.connection.total_changes();
        self.state.cache.trim();
        if !self.begin(batch, feed, between)? {
            return Ok(());
        }
        self.state.mids.start_batch(self.state.connection)?;
        for task in batch.iter_mut() {
            let earlier_changes = changes.len();
            if let Err(error) = task.perform(&mut self.state, changes) {
                changes.truncate(earlier_changes);
                // Some faults (a full disk, a failed read) end the whole transaction, with all
                // earlier changes of the batch.
                if self.state.connection.is_autocommit() {
                    return Err(error);
                }
                self.record_failed_change(error);
            }
            if let Some(error) = self.state.broken.take() {
                return Err(error);
            }
        }
        self.state.cache.flush(self.state.connection)?;
        self.clean_up()?;
        #[cfg(test)]
        self.fail_as_planned()?;
        if self.state.connection.total_changes() > written && self.state.disk.has_moved() {
            return Err(StoreError::Unwritable(Health::Moved));
        }
        let committed = self.state.connection.prepare_cached("COMMIT")?.execute([]);
        committed.map(|_| ()).map_err(|error| self.commit_error(error.into()))
    }

    #[cfg(test)]
    fn fail_as_planned(&mut self) -> Result<(), StoreError> {
        if std::mem::take(&mut self.planned.before_commit) {
            return Err(StoreError::Closed);
        }
        match self.planned.of_commit.take() {
            Some(fault) => Err(self.commit_error(fault)),
            None => Ok(()),
        }
    }

    /// The error of callers if COMMIT fails. After an error of the disk the log may hold the whole
    /// batch, and then it is in force after a restart.
    fn commit_error(&mut self, error: StoreError) -> StoreError {
        if !matches!(error, StoreError::Failed(_)) {
            return error;
        }
        self.fault = Some(error);
        StoreError::Unknown
    }

    /// Waits for the lock that writing needs; `false` if all changes were cancelled meanwhile.
    fn begin(
        &mut self,
        batch: &mut Vec<Box<dyn Task>>,
        feed: &mut dyn CommitFeed,
        between: Between<'_, 'c>,
    ) -> Result<bool, StoreError> {
        let timeout = if self.is_stalled { STALLED_TIMEOUT } else { self.lock_timeout };
        let (has_changes, started) = (!batch.is_empty(), Moment::now());
        loop {
            let result = self.state.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]);
            match result.map_err(StoreError::from) {
                Ok(_) => return Ok(true),
                Err(StoreError::Busy) if Moment::now().since(started) < timeout => {}
                Err(error) => return Err(error),
            }
            between(self, feed);
            self.check_disk();
            batch.retain(|task| !task.is_cancelled());
            if has_changes && batch.is_empty() {
                return Ok(false);
            }
        }
    }
}

#[cfg(test)]
mod tests;
