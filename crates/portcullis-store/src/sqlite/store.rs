//! The embedded store: opens the database, starts its threads and holds their queues.
//! Never: a call that blocks its caller.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use parking_lot::Mutex;
use portcullis_model::{TimeCounts, TimeHistogram};
use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use crate::changes::{Change, CommitFeed, RecheckOutcome};
use crate::error::StoreError;
use crate::field_seal::FieldSeal;
use crate::future::StoreFuture;
use crate::health::disk_watch::DiskWatch;
use crate::health::file_watch::FileWatch;
use crate::health::status::{HealthCell, StoreStatus};
use crate::rows::snapshot::StoreSnapshot;
use crate::sqlite::copy::paged::CopyJob;
use crate::sqlite::copy::progress::{CopyProgress, CopyState};
use crate::sqlite::database::connection::open_writer;
use crate::sqlite::database::files::{data_paths, file_error, lock, private_file};
use crate::sqlite::options::SqliteOptions;
use crate::sqlite::reader::Readers;
use crate::sqlite::sealing_keys::missing_keys;
use crate::sqlite::tables::snapshot;
use crate::sqlite::tables::state::WriteState;
use crate::sqlite::tables::statements::Statements;
use crate::sqlite::writer::progress::Progress;
use crate::sqlite::writer::recheck::{Interlude, RecheckRequest};
use crate::sqlite::writer::task::{ChangeTask, Task};
use crate::sqlite::writer::thread::WriterThread;
use crate::store::Store;

/// Most rechecks that wait for the writer.
const INTERLUDES_MAX: usize = 16;

/// Records that the writer thread has ended, for whatever reason.
struct EndNotice(Arc<HealthCell>);

impl Drop for EndNotice {
    fn drop(&mut self) {
        self.0.set_writer_ended();
    }
}

/// Users, rooms, members and messages in one SQLite file.
///
/// One thread writes, a few read. Only one store may have the file open, because the writer caches
/// what it has written. A lock file beside the database ensures that.
pub struct SqliteStore {
    writer: WriterQueues,
    readers: ReaderThreads,
    health: Arc<HealthCell>,
    is_closing: Arc<AtomicBool>,
    ended: watch::Receiver<bool>,
    seal: Option<Arc<dyn FieldSeal>>,
    seals_messages: bool,
    /// Each pending call holds a clone, so that they can be counted.
    pending: Arc<()>,
}

/// The queues of the writer thread.
struct WriterQueues {
    /// Changes; `None` only wakes the writer.
    changes: SyncSender<Option<Box<dyn Task>>>,
    interludes: SyncSender<Interlude>,
    changes_max: usize,
    commit_times: Arc<TimeHistogram>,
    /// The copy that was requested last.
    newest_copy: Mutex<Option<Arc<CopyProgress>>>,
}

/// The reader threads, separate so that none of them waits for another's work.
struct ReaderThreads {
    history: Readers,
    lookups: Readers,
    authority: Readers,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens or creates the database, migrates its tables and starts the threads.
    ///
    /// Only the owner of the file can read it. The directory must exist.
    ///
    /// # Errors
    /// `InUse` if another store has it open, `SchemaNewer` if a later version wrote it, `File` or
    /// `Database` if it cannot be opened.
    pub fn open(
        path: &Path,
        options: SqliteOptions,
        feed: Box<dyn CommitFeed>,
    ) -> Result<Self, StoreError> {
        Self::start(path, options, feed, None)
    }

    /// As [`SqliteStore::open`], with second factors and message texts sealed at rest.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_sealed(
        path: &Path,
        options: SqliteOptions,
        feed: Box<dyn CommitFeed>,
        seal: Arc<dyn FieldSeal>,
    ) -> Result<Self, StoreError> {
        Self::start(path, options, feed, Some(seal))
    }

    fn start(
        path: &Path,
        options: SqliteOptions,
        feed: Box<dyn CommitFeed>,
        seal: Option<Arc<dyn FieldSeal>>,
    ) -> Result<Self, StoreError> {
        let lock = lock(path)?;
        private_file(path)?;
        check_keys(path, seal.as_deref())?;
        let connection = open_writer(path)?;
        // Prepared here once, so that unknown tables are an error of this call.
        drop(Statements::prepare(&connection)?);
        let health: Arc<HealthCell> = Arc::default();
        let readers = ReaderThreads::start(path, &options, &health)?;
        let (changes, inbox) = sync_channel(options.queue_max.max(1));
        let (interludes, interlude_inbox) = sync_channel(INTERLUDES_MAX);
        let is_closing = Arc::new(AtomicBool::new(false));
        let (end, ended) = watch::channel(false);
        let options = SqliteOptions { batch_max: options.batch_max.max(1), ..options };
        let files = FileWatch::new(data_paths(path));
        let reserve = options.min_free_bytes;
        let disk = DiskWatch::of_database(path, files, reserve, Arc::clone(&health));
        let commit_times = Arc::default();
        let work = WriterThread {
            inbox,
            interludes: interlude_inbox,
            feed,
            options,
            seal: seal.clone(),
            is_closing: Arc::clone(&is_closing),
            commit_times: Arc::clone(&commit_times),
        };
        let notice = EndNotice(Arc::clone(&health));
        let thread = std::thread::Builder::new().name(String::from("store-writer"));
        let started = thread.spawn(move || {
            work.run(&connection, disk);
            drop(connection);
            drop(lock);
            let _ = end.send(true);
            drop(notice);
        });
        started.map_err(|error| file_error(path, error))?;
        Ok(Self {
            writer: WriterQueues {
                changes,
                interludes,
                changes_max: options.queue_max,
                commit_times,
                newest_copy: Mutex::default(),
            },
            readers,
            health,
            is_closing,
            ended,
            seal,
            seals_messages: options.seal_messages,
            pending: Arc::new(()),
        })
    }

    /// Queues a change for the writer.
    pub(crate) fn write<A, F>(&self, change: F) -> StoreFuture<'_, A>
    where
        A: Send + 'static,
        F: FnOnce(&mut WriteState<'_>, &mut Vec<Change>) -> Result<A, StoreError> + Send + 'static,
    {
        if self.is_closing() {
            return Box::pin(async { Err(StoreError::Closed) });
        }
        let progress = Progress::of_request();
        let (task, result) = ChangeTask::new(change, Arc::clone(&progress));
        let sent = self.writer.changes.try_send(Some(task));
        let pending = Arc::clone(&self.pending);
        Box::pin(async move {
            let result = match sent {
                Ok(()) => progress.wait(result).await,
                Err(TrySendError::Full(_)) => Err(StoreError::Busy),
                Err(TrySendError::Disconnected(_)) => Err(StoreError::Closed),
            };
            drop(pending);
            result.map_err(|error| self.of_writer(error))
        })
    }

    fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }

    /// A writer thread that ended before the store was closed has failed.
    fn of_writer(&self, error: StoreError) -> StoreError {
        if matches!(error, StoreError::Closed) && !self.is_closing() {
            StoreError::WriterEnded
        } else {
            error
        }
    }

    fn read_by<'a, A: Send + 'static>(
        &'a self,
        readers: &'a Readers,
        read: impl FnOnce(&Connection) -> Result<A, StoreError> + Send + 'static,
    ) -> StoreFuture<'a, A> {
        if self.is_closing() {
            return Box::pin(async { Err(StoreError::Closed) });
        }
        let (pending, reading) = (Arc::clone(&self.pending), readers.read(read));
        Box::pin(async move {
            let result = reading.await;
            drop(pending);
            let is_closing = self.is_closing();
            result.map_err(|error| match error {
                StoreError::Closed if !is_closing => StoreError::ReaderEnded,
                error => error,
            })
        })
    }

    /// Queues a short read of accounts or rooms: a few rows by an index.
    pub(crate) fn look_up<A: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<A, StoreError> + Send + 'static,
    ) -> StoreFuture<'_, A> {
        self.read_by(&self.readers.lookups, read)
    }

    /// Queues a read that may take long.
    pub(crate) fn read<A: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<A, StoreError> + Send + 'static,
    ) -> StoreFuture<'_, A> {
        self.read_by(&self.readers.history, read)
    }

    /// Makes the writer check whether another connection has changed the authority.
    pub(crate) fn request_recheck(&self) -> StoreFuture<'_, RecheckOutcome> {
        let (reply, result) = oneshot::channel();
        let (interludes, changes) = (self.writer.interludes.clone(), self.writer.changes.clone());
        // Fails if the queue is full, which means that the writer is awake.
        let wake = Box::new(move || drop(changes.try_send(None)));
        let reader = self.readers.authority.clone();
        let request = RecheckRequest { reader, interludes, wake, reply };
        let sent = self.writer.interludes.try_send(Box::new(|writer, _| writer.recheck(request)));
        drop(self.writer.changes.try_send(None));
        Box::pin(async move {
            let result = match sent {
                Ok(()) => result.await.unwrap_or(Err(StoreError::Closed)),
                Err(TrySendError::Full(_)) => Err(StoreError::Busy),
                Err(TrySendError::Disconnected(_)) => Err(StoreError::Closed),
            };
            result.map_err(|error| self.of_writer(error))
        })
    }

    /// Makes the writer copy the database; see [`Store::start_copy`].
    fn request_copy(&self, target: &Path) -> Result<Arc<CopyProgress>, StoreError> {
        if self.is_closing() {
            return Err(StoreError::Closed);
        }
        let mut newest = self.writer.newest_copy.lock();
        if newest.as_ref().is_some_and(|copy| matches!(copy.state(), CopyState::Running)) {
            return Err(StoreError::Busy);
        }
        let (job, progress) = CopyJob::new(target);
        let request: Interlude = Box::new(move |writer, _| writer.requested_copy = Some(job));
        self.writer.interludes.try_send(request).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => self.of_writer(StoreError::Closed),
        })?;
        drop(self.writer.changes.try_send(None));
        *newest = Some(Arc::clone(&progress));
        Ok(progress)
    }

    /// The health of the store, as of the last check.
    pub(crate) fn health(&self) -> StoreStatus {
        self.health.read()
    }

    /// The seal of fields, if there is one.
    pub(crate) fn seal(&self) -> Option<Arc<dyn FieldSeal>> {
        self.seal.clone()
    }

    /// The seal of message texts, if they are sealed.
    pub(crate) fn message_seal(&self) -> Option<&dyn FieldSeal> {
        self.seal.as_deref().filter(|_| self.seals_messages)
    }
}

/// Rejects a database whose values need keys that the seal does not have, before it is changed.
fn check_keys(path: &Path, seal: Option<&dyn FieldSeal>) -> Result<(), StoreError> {
    let Some(seal) = seal else { return Ok(()) };
    let missing = missing_keys(path, &|sealed| seal.key_of(sealed))?;
    if missing.is_empty() {
        return Ok(());
    }
    Err(StoreError::KeysMissing { keys: missing.join(", ") })
}

impl ReaderThreads {
    fn start(
        path: &Path,
        options: &SqliteOptions,
        health: &Arc<HealthCell>,
    ) -> Result<Self, StoreError> {
        let start = |name, count, queue_max| Readers::start(path, name, count, queue_max, health);
        Ok(Self {
            history: start("history", options.readers, options.queue_max)?,
            lookups: start("lookup", 1, options.queue_max)?,
            authority: start("authority", 1, 1)?,
        })
    }
}

impl Store for SqliteStore {
    fn waiting(&self) -> (usize, usize) {
        // One owner for each pending call, and the store itself.
        (Arc::strong_count(&self.pending) - 1, self.writer.changes_max)
    }

    fn commit_times(&self) -> TimeCounts {
        self.writer.commit_times.read()
    }

    fn load(&self) -> StoreFuture<'_, StoreSnapshot> {
        self.read(snapshot::load)
    }

    fn start_copy(&self, target: &Path) -> Result<Arc<CopyProgress>, StoreError> {
        self.request_copy(target)
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.is_closing.store(true, Ordering::Release);
        // Wakes a writer that waits. If its queue is full, it is awake and reads the flag.
        let _ = self.writer.changes.try_send(None);
        let mut ended = self.ended.clone();
        Box::pin(async move {
            // An error means that the thread has ended without a notice, which is an end as well.
            let _ = ended.wait_for(|ended| *ended).await;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
