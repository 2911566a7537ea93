//! The embedded store: opening it, and the two queues its callers meet.
//! Never: blocks a caller.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use portcullis_model::{RoomId, UserId};
use tokio::sync::{oneshot, watch};

use crate::accounts::RecheckOutcome;
use crate::changes::Change;
use crate::error::StoreError;
use crate::field_seal::FieldSeal;
use crate::health::disk_watch::DiskWatch;
use crate::health::monitor::{HealthCell, StoreStatus};
use crate::rows::deletions::{DeleteRoomOutcome, DeleteRoomRequest};
use crate::rows::rooms::{
    AppendOutcome, CreateRoomOutcome, HistoryRequest, InviteOutcome, InviteRequest, JoinOutcome,
    JoinRequest, KickOutcome, KickRequest, LeaveOutcome, MessageRow, NewMessage, NewRoom,
    ResumeOutcome, ResumeRequest,
};
use crate::rows::snapshot::StoreSnapshot;
use crate::sqlite::columns as query;
use crate::sqlite::database::files::{file_error, lock, private_file};
use crate::sqlite::database::migrations::open_writer;
use crate::sqlite::reader::Readers;
use crate::sqlite::sealed_fields::seal_message;
use crate::sqlite::tables::append::Statements;
use crate::sqlite::tables::history::history;
use crate::sqlite::tables::resume::{Turned, read_missed};
use crate::sqlite::writer::commit::Writer;
use crate::sqlite::writer::recheck::Look;
use crate::sqlite::writer::task::{Asked, Progress, Task, Turn};
use crate::sqlite::writer::thread::Work;
use crate::store::{CommitFeed, Store, StoreFuture};

/// Most looks that wait for the writer.
const TURNS_MAX: usize = 16;

/// How often a connection that comes back reads what it missed, while more comes than fits.
const RESUME_TRIES: usize = 4;

/// Says that the writer's thread has ended, however it ends.
struct Alive(Arc<HealthCell>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.writer_ended();
    }
}

/// How the embedded store works.
#[derive(Debug, Clone, Copy)]
pub struct SqliteOptions {
    /// Most changes that wait for the writer, and most reads that wait for the readers.
    ///
    /// A waiting change holds its text: with messages of 4 KiB, 8192 of them are 32 MiB.
    pub queue_max: usize,
    /// Most changes in one transaction.
    pub batch_max: usize,
    /// Longest wait for company before a commit, and only under load; 0 never waits.
    pub batch_wait_ms: u64,
    /// Threads that read history, each with a connection and up to 8 MiB of cache.
    ///
    /// Beside them one thread looks people up, so that no login waits for history, and one reads
    /// who may act when another program has changed it.
    pub readers: usize,
    /// Space that is kept free on the disk, in bytes: with less, clients' changes are rejected.
    /// `None` is 256 MiB, or an eighth of a smaller disk; 0 keeps none.
    pub min_free_bytes: Option<u64>,
    /// Whether the texts of messages are sealed at rest, where there is something to seal with.
    ///
    /// Second factors always are, and what is sealed can be read either way.
    pub seal_messages: bool,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            queue_max: 8192,
            batch_max: 256,
            batch_wait_ms: 5,
            readers: 2,
            seal_messages: true,
            min_free_bytes: None,
        }
    }
}

/// Users, rooms, members and messages in one SQLite file.
///
/// One thread writes, a few read. Only one store may have the file open: the writer remembers what
/// it wrote, so a lock file beside the database keeps a second one out.
pub struct SqliteStore {
    changes: SyncSender<Option<Box<dyn Task>>>,
    turns: SyncSender<Turn>,
    readers: Readers,
    lookups: Readers,
    authority: Readers,
    health: Arc<HealthCell>,
    closing: Arc<AtomicBool>,
    ended: watch::Receiver<bool>,
    seal: Option<Arc<dyn FieldSeal>>,
    seal_messages: bool,
    asked: Arc<()>,
    queue_max: usize,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens or creates the database, brings its tables up to date and starts the threads.
    ///
    /// The file is created readable by its owner alone. The directory must exist.
    ///
    /// # Errors
    /// `InUse` when another store has it open, `SchemaNewer` when it was written by a later
    /// version, `File` or `Database` when it cannot be opened.
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
        let connection = open_writer(path)?;
        // Prepared once here so that tables we do not understand are found now, not by the thread.
        drop(Statements::prepare(&connection)?);
        let health: Arc<HealthCell> = Arc::default();
        let start = |name, count, queue_max| Readers::start(path, name, count, queue_max, &health);
        let readers = start("history", options.readers, options.queue_max)?;
        let lookups = start("lookup", 1, options.queue_max)?;
        let authority = start("authority", 1, 1)?;
        let (changes, inbox) = sync_channel(options.queue_max.max(1));
        let (turns, turns_inbox) = sync_channel(TURNS_MAX);
        let closing = Arc::new(AtomicBool::new(false));
        let (end, ended) = watch::channel(false);
        let batch_max = options.batch_max.max(1);
        let options = SqliteOptions { batch_max, ..options };
        let SqliteOptions { seal_messages, queue_max, .. } = options;
        let disk = DiskWatch::of_file(path, options.min_free_bytes, Arc::clone(&health));
        let work = Work {
            inbox,
            turns: turns_inbox,
            feed,
            options,
            seal: seal.clone(),
            closing: Arc::clone(&closing),
        };
        let alive = Alive(Arc::clone(&health));
        let thread = std::thread::Builder::new().name(String::from("store-writer"));
        let started = thread.spawn(move || {
            work.run(&connection, disk);
            drop(connection);
            drop(lock);
            let _ = end.send(true);
            drop(alive);
        });
        started.map_err(|error| file_error(path, error))?;
        let asked = Arc::new(());
        Ok(Self {
            changes,
            turns,
            readers,
            lookups,
            authority,
            health,
            closing,
            ended,
            seal,
            seal_messages,
            asked,
            queue_max,
        })
    }

    pub(crate) fn write<A, F>(&self, act: F) -> StoreFuture<'_, A>
    where
        A: Send + 'static,
        F: FnOnce(&mut Writer<'_>, &mut Vec<Change>) -> Result<A, StoreError> + Send + 'static,
    {
        if self.closing.load(Ordering::Acquire) {
            return Box::pin(async { Err(StoreError::Closed) });
        }
        let progress = Progress::of_request();
        let (task, answer) = Asked::ask_with(act, Arc::clone(&progress));
        let sent = self.changes.try_send(Some(task));
        let asked = Arc::clone(&self.asked);
        Box::pin(async move {
            let answer = match sent {
                Ok(()) => progress.wait(answer).await,
                Err(TrySendError::Full(_)) => Err(StoreError::Busy),
                Err(TrySendError::Disconnected(_)) => Err(StoreError::Closed),
            };
            drop(asked);
            answer.map_err(|error| self.named(error))
        })
    }

    /// A thread that ended before the store was closed has failed.
    fn named(&self, error: StoreError) -> StoreError {
        let closing = self.closing.load(Ordering::Acquire);
        if matches!(error, StoreError::Closed) && !closing {
            StoreError::WriterEnded
        } else {
            error
        }
    }

    fn read_by<'a, A: Send + 'static>(
        &'a self,
        readers: &'a Readers,
        act: impl FnOnce(&rusqlite::Connection) -> Result<A, StoreError> + Send + 'static,
    ) -> StoreFuture<'a, A> {
        if self.closing.load(Ordering::Acquire) {
            return Box::pin(async { Err(StoreError::Closed) });
        }
        let (asked, reading) = (Arc::clone(&self.asked), readers.ask(act));
        Box::pin(async move {
            let answer = reading.await;
            drop(asked);
            let closing = self.closing.load(Ordering::Acquire);
            answer.map_err(|error| match error {
                StoreError::Closed if !closing => StoreError::ReaderEnded,
                error => error,
            })
        })
    }

    /// Looks something up about people or rooms: a few rows by an index.
    pub(crate) fn look_up<A: Send + 'static>(
        &self,
        act: impl FnOnce(&rusqlite::Connection) -> Result<A, StoreError> + Send + 'static,
    ) -> StoreFuture<'_, A> {
        self.read_by(&self.lookups, act)
    }

    /// Reads what may take its time.
    fn read<A: Send + 'static>(
        &self,
        act: impl FnOnce(&rusqlite::Connection) -> Result<A, StoreError> + Send + 'static,
    ) -> StoreFuture<'_, A> {
        self.read_by(&self.readers, act)
    }

    /// Lets the writer check whether another connection has changed the authority.
    pub(crate) fn look(&self) -> StoreFuture<'_, RecheckOutcome> {
        let (reply, answer) = oneshot::channel();
        let (reader, turns, changes) =
            (self.authority.clone(), self.turns.clone(), self.changes.clone());
        // Fails when the queue is full, which means that the writer is awake.
        let wake = Box::new(move || drop(changes.try_send(None)));
        let look = Look { reader, turns, wake, reply };
        let sent = self.turns.try_send(Box::new(|writer, _| writer.recheck(look)));
        drop(self.changes.try_send(None));
        Box::pin(async move {
            let answer = match sent {
                Ok(()) => answer.await.unwrap_or(Err(StoreError::Closed)),
                Err(TrySendError::Full(_)) => Err(StoreError::Busy),
                Err(TrySendError::Disconnected(_)) => Err(StoreError::Closed),
            };
            answer.map_err(|error| self.named(error))
        })
    }

    /// The state of the store.
    pub(crate) fn health(&self) -> StoreStatus {
        self.health.read()
    }

    async fn resume_in_turns(&self, resume: ResumeRequest) -> Result<ResumeOutcome, StoreError> {
        let resume = Arc::new(resume);
        for _ in 0..RESUME_TRIES {
            let (asked, seal) = (Arc::clone(&resume), self.seal.clone());
            let read =
                self.read(move |connection| read_missed(connection, &asked, seal.as_deref()));
            let Some(read) = read.await? else { return Ok(ResumeOutcome::TooMany) };
            let asked = Arc::clone(&resume);
            let turn = self.write(move |writer, changes| writer.resume(&asked, read, changes));
            match turn.await? {
                Turned::Done(answer) => return Ok(answer),
                Turned::Behind => {}
            }
        }
        Ok(ResumeOutcome::TooMany)
    }

    /// What fields are sealed with, when they are.
    pub(crate) fn seal(&self) -> Option<Arc<dyn FieldSeal>> {
        self.seal.clone()
    }
}

impl Store for SqliteStore {
    fn waiting(&self) -> (usize, usize) {
        // One owner for each future that has no answer yet, and the store itself.
        (Arc::strong_count(&self.asked) - 1, self.queue_max)
    }

    fn load(&self) -> StoreFuture<'_, StoreSnapshot> {
        self.read(query::load)
    }

    fn create_room(&self, room: NewRoom) -> StoreFuture<'_, CreateRoomOutcome> {
        self.write(move |writer, changes| writer.create_room(room, changes))
    }

    fn join_room(&self, join: JoinRequest) -> StoreFuture<'_, JoinOutcome> {
        self.write(move |writer, changes| writer.join_room(join, changes))
    }

    fn invite_to_room(&self, ask: InviteRequest) -> StoreFuture<'_, InviteOutcome> {
        self.write(move |writer, changes| writer.invite_to_room(ask, changes))
    }

    fn kick_from_room(&self, ask: KickRequest) -> StoreFuture<'_, KickOutcome> {
        self.write(move |writer, changes| writer.kick_from_room(ask, changes))
    }

    fn leave_room(&self, room: RoomId, user: UserId) -> StoreFuture<'_, LeaveOutcome> {
        self.write(move |writer, changes| writer.leave_room(room, user, changes))
    }

    fn delete_room(&self, deletion: DeleteRoomRequest) -> StoreFuture<'_, DeleteRoomOutcome> {
        self.write(move |writer, changes| writer.delete_room(deletion, changes))
    }

    fn append(&self, message: NewMessage) -> StoreFuture<'_, AppendOutcome> {
        // On the caller's thread: of those there are several, and one that writes.
        let seal = self.seal.as_deref().filter(|_| self.seal_messages);
        let sealed = seal.map(|seal| seal_message(seal, &message)).transpose();
        match sealed {
            Ok(sealed) => {
                self.write(move |writer, changes| writer.append(message, sealed, changes))
            }
            Err(error) => Box::pin(async { Err(error) }),
        }
    }

    fn resume(&self, resume: ResumeRequest) -> StoreFuture<'_, ResumeOutcome> {
        Box::pin(self.resume_in_turns(resume))
    }

    fn history(&self, page: HistoryRequest) -> StoreFuture<'_, (Vec<MessageRow>, bool)> {
        let seal = self.seal.clone();
        self.read(move |connection| history(connection, &page, seal.as_deref()))
    }

    fn last_seq(&self, room: RoomId) -> StoreFuture<'_, Option<u64>> {
        self.look_up(move |connection| query::last_seq(connection, &room))
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.closing.store(true, Ordering::Release);
        // Wakes a writer that waits; one whose queue is full is awake and sees the flag.
        let _ = self.changes.try_send(None);
        let mut ended = self.ended.clone();
        Box::pin(async move {
            // An error means the thread is gone without a word, which is an end as well.
            let _ = ended.wait_for(|ended| *ended).await;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, sync_channel};

    use super::*;
    use crate::accounts::AccountStore;
    use crate::health::monitor::Health;
    use crate::sqlite::fixture::{Deaf, ann, lobby, message};

    /// Says that a commit is there, then waits until it may go on.
    struct Gate {
        reached: SyncSender<()>,
        pass: Receiver<()>,
    }

    impl CommitFeed for Gate {
        fn committed(&mut self, _changes: &[Change]) {
            let _ = self.reached.send(());
            let _ = self.pass.recv();
        }
    }

    async fn furnish(store: &SqliteStore) {
        store.create_user(ann()).await.unwrap();
        store.create_room(lobby()).await.unwrap();
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_what_was_taken_is_done() {
        let directory = tempfile::tempdir().unwrap();
        let (reached, at_gate) = sync_channel(8);
        let (open_gate, pass) = sync_channel(8);
        let options = SqliteOptions { queue_max: 2, ..SqliteOptions::default() };
        let feed = Box::new(Gate { reached, pass });
        let store = SqliteStore::open(&directory.path().join("q.db"), options, feed).unwrap();
        let user = store.create_user(ann());
        at_gate.recv().unwrap(); // the writer is busy, its queue empty
        let room = store.create_room(lobby());
        let first = store.append(message(1, 0));
        let refused = store.append(message(2, 0));
        assert!(matches!(refused.await, Err(StoreError::Busy)));
        drop(open_gate);
        user.await.unwrap();
        room.await.unwrap();
        assert!(matches!(first.await, Ok(AppendOutcome::Stored { seq: 1, .. })));
        store.close().await.unwrap();
    }

    #[tokio::test]
    async fn one_store_at_a_time_and_private_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("one.db");
        let open = || SqliteStore::open(&path, SqliteOptions::default(), Box::new(Deaf));
        let store = open().unwrap();
        assert!(matches!(open(), Err(StoreError::InUse(_))));
        furnish(&store).await;
        #[cfg(unix)]
        for entry in std::fs::read_dir(directory.path()).unwrap() {
            let entry = entry.unwrap();
            let mode =
                std::os::unix::fs::PermissionsExt::mode(&entry.metadata().unwrap().permissions());
            assert_eq!(mode & 0o077, 0, "{:?}", entry.path());
        }
        store.close().await.unwrap();
        store.close().await.unwrap();
        assert!(open().is_ok());
        let nowhere = directory.path().join("missing").join("one.db");
        let missing = SqliteStore::open(&nowhere, SqliteOptions::default(), Box::new(Deaf));
        assert!(matches!(missing, Err(StoreError::File { .. })));
    }

    /// What a killed process leaves behind is what is in its files at that moment.
    #[tokio::test]
    async fn what_was_answered_survives_a_kill() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("live.db");
        let store = SqliteStore::open(&path, SqliteOptions::default(), Box::new(Deaf)).unwrap();
        furnish(&store).await;
        for number in 0..5 {
            store.append(message(number, 0)).await.unwrap();
        }
        for suffix in ["", "-wal"] {
            let from = directory.path().join(format!("live.db{suffix}"));
            std::fs::copy(from, directory.path().join(format!("found.db{suffix}"))).unwrap();
        }
        let found = directory.path().join("found.db");
        let again = SqliteStore::open(&found, SqliteOptions::default(), Box::new(Deaf)).unwrap();
        let stored = again.append(message(9, 0)).await.unwrap();
        assert!(matches!(stored, AppendOutcome::Stored { seq: 6, .. }), "{stored:?}");
        let repeated = again.append(message(4, 0)).await.unwrap();
        assert!(matches!(repeated, AppendOutcome::Repeated { seq: 5, .. }), "{repeated:?}");
    }

    #[tokio::test]
    async fn reader_that_ends_by_a_fault_is_reported_and_its_callers_get_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fault.db");
        let store = SqliteStore::open(&path, SqliteOptions::default(), Box::new(Deaf)).unwrap();
        assert!(store.health().readers_run);
        for _ in 0..2 {
            let looked = store.look_up(|_| -> Result<(), StoreError> { panic!("planned") }).await;
            assert!(matches!(looked, Err(StoreError::ReaderEnded)), "{looked:?}");
            assert!(!store.health().readers_run);
        }
        assert!(store.health().writer_runs);
        store.close().await.unwrap();
        let closed = store.last_seq(lobby().id).await;
        assert!(matches!(closed, Err(StoreError::Closed)), "{closed:?}");
    }

    #[tokio::test]
    async fn moved_database_takes_no_change_until_it_is_put_back() {
        for suffix in ["", "-wal"] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("here.db");
            let store = SqliteStore::open(&path, SqliteOptions::default(), Box::new(Deaf)).unwrap();
            furnish(&store).await;
            let (name, away) =
                (directory.path().join(format!("here.db{suffix}")), directory.path().join("away"));
            std::fs::rename(&name, &away).unwrap();
            let sent = store.append(message(1, 0)).await;
            assert!(matches!(sent, Err(StoreError::Unwritable(Health::Moved))), "{sent:?}");
            // Also what is always tried: it would be lost.
            let removed = store.leave_room(lobby().id, ann().id).await;
            assert!(matches!(removed, Err(StoreError::Unwritable(Health::Moved))), "{removed:?}");
            assert_eq!(store.health().health, Health::Moved);
            assert_eq!(store.last_seq(lobby().id).await.unwrap(), Some(0), "reads go on");
            std::fs::rename(&away, &name).unwrap();
            let sent = store.append(message(1, 0)).await;
            assert!(matches!(sent, Ok(AppendOutcome::Stored { seq: 1, .. })), "{suffix}: {sent:?}");
            store.close().await.unwrap();
        }
    }
}
