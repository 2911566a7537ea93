//! The one thread that writes: gather a batch, commit it, tell the feed, answer the callers.
//! Never: an answer or a word to the feed before the commit reached the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use rusqlite::Connection;

use crate::change::Change;
use crate::error::StoreError;
use crate::seal::FieldSeal;
use crate::sqlite::SqliteOptions;
use crate::sqlite_account::AccountTables;
use crate::sqlite_cache::Cache;
use crate::sqlite_chores::Chores;
use crate::sqlite_message::Statements;
use crate::sqlite_mids::Mids;
use crate::sqlite_schema::BUSY_TIMEOUT;
use crate::sqlite_task::Task;
use crate::store::CommitFeed;

/// The waits a full `batch_wait_ms` is cut into. Sleeping in steps and then taking everything
/// that came costs the senders no wake-up each, as waiting in the queue would.
const LINGER_STEPS: u32 = 16;

/// A batch smaller than this is committed at once: there is no load to save work for.
const COMPANY_MIN: usize = 8;

/// How long a batch waits for the file while the batch before it has failed: whoever asks then is
/// told soon that it does not work, instead of after everybody who asked before.
const STALLED_TIMEOUT: Duration = Duration::from_millis(250);

/// What a change needs while it is performed.
pub(crate) struct Writer<'c> {
    /// The writer's own connection, inside a transaction while changes are performed.
    pub(crate) connection: &'c Connection,
    /// The hot path's statements.
    pub(crate) statements: Statements<'c>,
    /// Members and newest places.
    pub(crate) cache: Cache,
    /// Idempotency keys, and the numbers messages get.
    pub(crate) mids: Mids,
    /// What is left to tidy up.
    pub(crate) chores: Chores,
    /// What fields are sealed with, when they are.
    pub(crate) seal: Option<Arc<dyn FieldSeal>>,
    /// What `PRAGMA data_version` was when the feed was last told of others' changes.
    pub(crate) data_version: Option<i64>,
    /// Set when a change could not be undone alone; the batch is rolled back.
    pub(crate) broken: Option<StoreError>,
    /// The last batch failed.
    stalled: bool,
}

/// What the thread works on and for.
pub(crate) struct Work {
    /// Changes, in the order they were asked.
    pub(crate) inbox: Receiver<Box<dyn Task>>,
    /// Who hears of what is committed.
    pub(crate) feed: Box<dyn CommitFeed>,
    /// Batch size and wait.
    pub(crate) options: SqliteOptions,
    /// What fields are sealed with, when they are.
    pub(crate) seal: Option<Arc<dyn FieldSeal>>,
    /// Set when the store closes: finish what is queued, then end.
    pub(crate) closing: Arc<AtomicBool>,
}

impl Work {
    /// Runs until the store is closed or dropped.
    pub(crate) fn run(mut self, connection: &Connection) {
        let mut writer = match Writer::new(connection, self.seal.take()) {
            Ok(writer) => writer,
            Err(error) => return tracing::error!(%error, "the store's writer cannot start"),
        };
        let mut batch = Vec::new();
        let mut company = 0;
        while self.gather(&mut batch, company, writer.chores.pending()) {
            company = batch.len();
            writer.commit(&mut batch, self.feed.as_mut());
        }
        if let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
            // The log is read again at the next start; nothing is lost.
            tracing::warn!(%error, "the store closed without folding its log into the file");
        }
    }

    /// Fills the batch; `false` when there is nothing left and nobody to ask for more.
    ///
    /// Comes back with an empty batch when there are chores and nothing else to do.
    fn gather(&self, batch: &mut Vec<Box<dyn Task>>, company: usize, chores: bool) -> bool {
        let closing = self.closing.load(Ordering::Acquire);
        let first = if chores || closing {
            match self.inbox.try_recv() {
                Ok(task) => Some(task),
                Err(TryRecvError::Empty) if closing => return false,
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => return false,
            }
        } else {
            match self.inbox.recv() {
                Ok(task) => Some(task),
                Err(_) => return false,
            }
        };
        if let Some(first) = first {
            batch.push(first);
            self.drain(batch);
            self.linger(batch, company);
        }
        true
    }

    fn drain(&self, batch: &mut Vec<Box<dyn Task>>) {
        while batch.len() < self.options.batch_max {
            match self.inbox.try_recv() {
                Ok(task) => batch.push(task),
                Err(_) => return,
            }
        }
    }

    /// Waits for company when the last batch had some: as long as each step brings more, and until
    /// half as many as last time are there. A commit costs the same for one change and for many.
    fn linger(&self, batch: &mut Vec<Box<dyn Task>>, company: usize) {
        if company < COMPANY_MIN || self.options.batch_wait_ms == 0 {
            return;
        }
        let step = Duration::from_millis(self.options.batch_wait_ms) / LINGER_STEPS;
        for _ in 0..LINGER_STEPS {
            let before = batch.len();
            if before >= company / 2 || before >= self.options.batch_max {
                return;
            }
            std::thread::sleep(step);
            self.drain(batch);
            if batch.len() == before {
                return;
            }
        }
    }
}

impl<'c> Writer<'c> {
    /// Prepares the hot path's statements.
    pub(crate) fn new(
        connection: &'c Connection,
        seal: Option<Arc<dyn FieldSeal>>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            connection,
            statements: Statements::prepare(connection)?,
            cache: Cache::default(),
            mids: Mids::new(),
            chores: Chores::new(),
            seal,
            data_version: None,
            broken: None,
            stalled: false,
        })
    }

    /// Commits a batch as one transaction, then tells the feed, then answers.
    pub(crate) fn commit(&mut self, batch: &mut Vec<Box<dyn Task>>, feed: &mut dyn CommitFeed) {
        let mut changes = Vec::with_capacity(batch.len());
        let failure = self.transact(batch, &mut changes).err();
        if let Some(error) = &failure {
            tracing::error!(%error, cause = ?std::error::Error::source(error), "a batch failed");
            self.roll_back();
        } else if !changes.is_empty() {
            feed.committed(&changes);
        }
        self.expect(failure.is_some());
        for task in batch.drain(..) {
            task.settle(failure.as_ref());
        }
    }

    /// Is patient with the next batch unless this one has failed.
    fn expect(&mut self, stalled: bool) {
        if self.stalled == stalled {
            return;
        }
        self.stalled = stalled;
        let patience = if stalled { STALLED_TIMEOUT } else { BUSY_TIMEOUT };
        if let Err(error) = self.connection.busy_timeout(patience) {
            tracing::warn!(%error, "the store keeps the patience it had");
        }
    }

    fn transact(
        &mut self,
        batch: &mut [Box<dyn Task>],
        changes: &mut Vec<Change>,
    ) -> Result<(), StoreError> {
        self.cache.trim();
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        self.mids.refresh(self.connection)?;
        for task in batch {
            let heard = changes.len();
            if let Err(error) = task.perform(self, changes) {
                changes.truncate(heard);
                // Some faults (a full disk, a failed read) end the whole transaction by
                // themselves; what came before is gone with it.
                if self.connection.is_autocommit() {
                    return Err(error);
                }
                tracing::warn!(%error, cause = ?std::error::Error::source(&error),
                    "a change failed");
            }
            if let Some(error) = self.broken.take() {
                return Err(error);
            }
        }
        self.cache.flush(self.connection)?;
        self.mids.step(self.connection)?;
        self.chores.step(self.connection)?;
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    fn roll_back(&mut self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a batch could not be rolled back");
        }
        self.cache.clear();
        self.mids.rolled_back();
        self.chores.rolled_back();
        // What others did may have been read in this batch, and the feed has not heard of it.
        self.data_version = None;
    }

    /// Performs several statements of one change so that either all or none of them count.
    pub(crate) fn whole<A>(
        &mut self,
        act: impl FnOnce(&Connection) -> Result<A, StoreError>,
    ) -> Result<A, StoreError> {
        let connection = self.connection;
        connection.prepare_cached("SAVEPOINT change")?.execute([])?;
        let result = act(connection);
        if result.is_err() && !connection.is_autocommit() {
            self.end_savepoint("ROLLBACK TO change");
        }
        if !connection.is_autocommit() {
            self.end_savepoint("RELEASE change");
        }
        result
    }

    /// Performs a change of the tables about people; all of it or nothing counts.
    pub(crate) fn account<A>(
        &mut self,
        changes: &mut Vec<Change>,
        act: impl FnOnce(&mut AccountTables<'_>) -> Result<A, StoreError>,
    ) -> Result<A, StoreError> {
        let seal = self.seal.clone();
        self.whole(|connection| {
            act(&mut AccountTables { connection, seal: seal.as_deref(), changes })
        })
    }

    fn end_savepoint(&mut self, statement: &str) {
        let ended = self.connection.prepare_cached(statement).and_then(|mut end| end.execute([]));
        if let Err(error) = ended {
            self.broken = Some(error.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::Receiver as Answer;

    use super::*;
    use crate::rows::{Append, NewMessage, Resume, ResumeRooms};
    use crate::rows_delete::RoomDeletion;
    use crate::sqlite_fixture::{ann, lobby, message};
    use crate::sqlite_schema::open_writer;
    use crate::sqlite_task::Asked;

    #[derive(Default)]
    struct Count(usize);

    impl CommitFeed for Count {
        fn committed(&mut self, changes: &[Change]) {
            self.0 += changes.len();
        }
    }

    fn deletion() -> RoomDeletion {
        RoomDeletion { room: lobby().id, by: ann().id, anywhere: false }
    }

    type Batch = Vec<Box<dyn Task>>;

    fn ask(batch: &mut Batch, message: NewMessage) -> Answer<Result<Append, StoreError>> {
        let (task, answer) =
            Asked::ask(move |writer, changes| writer.append(message, None, changes));
        batch.push(task);
        answer
    }

    fn seq(answer: &mut Answer<Result<Append, StoreError>>) -> Option<u64> {
        match answer.try_recv().unwrap() {
            Ok(Append::Stored { seq, .. } | Append::Repeated { seq, .. }) => Some(seq),
            _ => None,
        }
    }

    fn count(connection: &Connection, table: &str) -> i64 {
        let statement = format!("SELECT count(*) FROM {table}");
        connection.query_row(&statement, [], |row| row.get(0)).unwrap()
    }

    /// Runs a test with a writer, a user and a room.
    fn with_writer(test: impl FnOnce(&mut Writer<'_>, &mut Count)) {
        let directory = tempfile::tempdir().unwrap();
        let connection = open_writer(&directory.path().join("writer.db")).unwrap();
        let mut writer = Writer::new(&connection, None).unwrap();
        let mut feed = Count::default();
        let (user, _) = Asked::ask(|writer, changes| {
            writer.account(changes, |tables| tables.create_user(ann()))
        });
        let (room, _) = Asked::ask(|writer, changes| writer.create_room(lobby(), changes));
        writer.commit(&mut vec![user, room], &mut feed);
        test(&mut writer, &mut feed);
    }

    #[test]
    fn a_full_disk_fails_the_batch_and_the_places_go_on_without_a_gap() {
        with_writer(|writer, feed| {
            let mut batch = Vec::new();
            let mut first = ask(&mut batch, message(0, 0));
            writer.commit(&mut batch, feed);
            assert_eq!(seq(&mut first), Some(1));

            let pages: i64 =
                writer.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
            let limit = |pages: i64| {
                let limit = format!("PRAGMA max_page_count = {pages}");
                writer.connection.query_row(&limit, [], |_| Ok(())).unwrap();
            };
            limit(pages + 2);
            let told = feed.0;
            let mut answers: Vec<_> =
                (1..400).map(|number| ask(&mut batch, message(number, 0))).collect();
            writer.commit(&mut batch, feed);
            for answer in &mut answers {
                assert!(matches!(answer.try_recv().unwrap(), Err(StoreError::Database(_))));
            }
            assert_eq!(feed.0, told, "what is not committed is not told");
            assert_eq!(count(writer.connection, "messages"), 1);

            let pages = 1_000_000;
            writer
                .connection
                .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
                .unwrap();
            let mut again = ask(&mut batch, message(1, 0));
            writer.commit(&mut batch, feed);
            assert_eq!(seq(&mut again), Some(2));
        });
    }

    #[test]
    fn who_asks_while_the_file_is_held_is_told_soon() {
        with_writer(|writer, feed| {
            let patience = |writer: &Writer<'_>| {
                let connection = writer.connection;
                connection.query_row("PRAGMA busy_timeout", [], |row| row.get::<_, i64>(0)).unwrap()
            };
            let holder = Connection::open(writer.connection.path().unwrap()).unwrap();
            holder.execute_batch("BEGIN IMMEDIATE").unwrap();
            let mut batch = Vec::new();
            let mut ask_one = |writer: &mut Writer<'_>, number| {
                let mut answer = ask(&mut batch, message(number, 0));
                writer.commit(&mut batch, feed);
                seq(&mut answer)
            };
            // The first waits as long as a backup may take; a test does not.
            writer.connection.busy_timeout(Duration::ZERO).unwrap();
            assert_eq!(ask_one(writer, 1), None);
            assert_eq!(patience(writer), 250);
            assert_eq!(ask_one(writer, 2), None);
            holder.execute_batch("ROLLBACK").unwrap();
            assert_eq!(ask_one(writer, 3), Some(1));
            assert_eq!(patience(writer), 5_000);
        });
    }

    #[test]
    fn an_idle_writer_empties_a_deleted_room() {
        with_writer(|writer, feed| {
            let mut batch = Vec::new();
            for number in 0..600 {
                drop(ask(&mut batch, message(number, 0)));
            }
            writer.commit(&mut batch, feed);
            assert_eq!(count(writer.connection, "anchors"), 600 / 32);

            let (deleted, _) =
                Asked::ask(|writer, changes| writer.delete_room(deletion(), changes));
            writer.commit(&mut vec![deleted], feed);
            let mut steps = 0;
            while writer.chores.pending() {
                writer.commit(&mut Vec::new(), feed);
                steps += 1;
            }
            assert!(steps >= 4, "{steps}");
            for table in ["messages", "anchors", "tails", "members", "rooms"] {
                assert_eq!(count(writer.connection, table), 0, "{table}");
            }
        });
    }

    #[test]
    fn a_room_deleted_in_the_batch_that_wrote_to_it_leaves_nothing_behind() {
        with_writer(|writer, feed| {
            let mut batch = Vec::new();
            for number in 0..40 {
                drop(ask(&mut batch, message(number, 0)));
            }
            let (deleted, _) =
                Asked::ask(|writer, changes| writer.delete_room(deletion(), changes));
            batch.push(deleted);
            writer.commit(&mut batch, feed);
            while writer.chores.pending() {
                writer.commit(&mut Vec::new(), feed);
            }
            for table in ["messages", "anchors", "tails", "members", "rooms"] {
                assert_eq!(count(writer.connection, table), 0, "{table}");
            }
            // Nor is a number given again by the next start, though no message holds it.
            *writer = Writer::new(writer.connection, None).unwrap();
            writer.commit(&mut Vec::new(), feed);
            assert_eq!(writer.mids.next_number(), 41);
        });
    }

    #[test]
    fn t_147_who_comes_back_is_told_nothing_of_a_batch_that_fails() {
        with_writer(|writer, feed| {
            let resume = || Resume {
                user: ann().id,
                origin: 1,
                rooms: vec![lobby().id],
                after: 0,
                limit: 9,
            };
            let resume = || Asked::ask(move |writer, changes| writer.resume(resume(), changes));
            let told = feed.0;
            let mut batch = Vec::new();
            let mut lost = ask(&mut batch, message(1, 0));
            let (task, mut answer) = resume();
            batch.push(task);
            let (task, _) = Asked::ask(|writer, _| {
                writer.broken = Some(StoreError::Closed);
                Ok(())
            });
            batch.push(task);
            writer.commit(&mut batch, feed);
            assert_eq!(seq(&mut lost), None);
            assert!(answer.try_recv().unwrap().is_err());
            assert_eq!(feed.0, told, "what is not committed is not told");

            let mut kept = ask(&mut batch, message(2, 0));
            let (task, mut answer) = resume();
            batch.push(task);
            writer.commit(&mut batch, feed);
            assert_eq!(seq(&mut kept), Some(1));
            let one = ResumeRooms::Resumed { rooms: 1, missed: 1 };
            assert_eq!(answer.try_recv().unwrap().unwrap(), one);
            assert_eq!(feed.0, told + 2);

            // A chain with a link missing is a fault, not an end: nobody is told that was all.
            writer.connection.execute("DELETE FROM messages", []).unwrap();
            let (task, mut answer) = resume();
            writer.commit(&mut vec![task], feed);
            assert!(matches!(answer.try_recv().unwrap(), Err(StoreError::Corrupt(_))));
            assert_eq!(feed.0, told + 2);
        });
    }

    #[test]
    fn a_failing_statement_in_the_middle_undoes_its_own_change_only() {
        with_writer(|writer, feed| {
            // The same id again: the row of the room is refused, nothing of it stays.
            let (task, mut answer) =
                Asked::ask(|writer, changes| writer.create_room(lobby(), changes));
            let mut batch: Batch = vec![task];
            let mut neighbour = ask(&mut batch, message(1, 0));
            writer.commit(&mut batch, feed);
            assert!(answer.try_recv().unwrap().is_err());
            assert_eq!(seq(&mut neighbour), Some(1));
            assert_eq!(count(writer.connection, "rooms"), 1);
            // A message with a known id but a new key leaves the key free.
            let other = |mid: u32| NewMessage { mid: message(mid, 0).mid, ..message(1, 0) };
            let mut refused = ask(&mut batch, other(2));
            let mut stored = ask(&mut batch, message(2, 0));
            writer.commit(&mut batch, feed);
            assert_eq!((seq(&mut refused), seq(&mut stored)), (None, Some(2)));
        });
    }
}
