//! Performs changes: a batch is one transaction; then the feed is notified, then the callers.
//! Never: an answer or a word to the feed before the commit reached the disk.

use std::sync::Arc;
use std::time::Duration;

use portcullis_model::Moment;
use rusqlite::Connection;

use crate::changes::Change;
use crate::error::StoreError;
use crate::field_seal::FieldSeal;
use crate::health::disk_watch::DiskWatch;
use crate::health::monitor::{Health, WriteKind};
use crate::sqlite::account_tables::users::AccountTables;
use crate::sqlite::database::migrations::BUSY_TIMEOUT;
use crate::sqlite::tables::append::Statements;
use crate::sqlite::tables::cache::Cache;
use crate::sqlite::tables::cleanup::Chores;
use crate::sqlite::tables::mids::Mids;
use crate::sqlite::writer::recheck::AuthorityWatch;
use crate::sqlite::writer::task::Task;
use crate::store::CommitFeed;

/// How long one try waits for another program's lock; between two tries the writer does what needs
/// no lock.
const LOCK_STEP: Duration = Duration::from_millis(20);

/// How long a batch waits for the lock while the batch before it has failed, so that its callers
/// are not told only after all callers before them.
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
    /// The authority that other connections changed.
    pub(crate) authority: AuthorityWatch,
    /// Whether the disk can be written to.
    pub(crate) disk: DiskWatch,
    /// Set when a change could not be undone alone; the batch is rolled back.
    pub(crate) broken: Option<StoreError>,
    /// How long a batch waits for another program's lock.
    pub(crate) lock_timeout: Duration,
    /// Fails the batch just before its commit.
    #[cfg(test)]
    pub(crate) fault_at_commit: bool,
    /// What the next COMMIT fails with.
    #[cfg(test)]
    pub(crate) commit_fault: Option<StoreError>,
    /// A change failed by the disk's fault, alone.
    fault: Option<StoreError>,
    /// The last batch failed.
    stalled: bool,
}

/// What the writer does between two tries to get the lock.
pub(crate) type Between<'a, 'c> = &'a mut dyn FnMut(&mut Writer<'c>, &mut dyn CommitFeed);

impl<'c> Writer<'c> {
    /// Prepares the hot path's statements.
    pub(crate) fn new(
        connection: &'c Connection,
        seal: Option<Arc<dyn FieldSeal>>,
        disk: DiskWatch,
    ) -> Result<Self, StoreError> {
        connection.busy_timeout(LOCK_STEP)?;
        Ok(Self {
            connection,
            statements: Statements::prepare(connection)?,
            cache: Cache::default(),
            mids: Mids::new(),
            chores: Chores::new(),
            seal,
            authority: AuthorityWatch::default(),
            disk,
            broken: None,
            lock_timeout: BUSY_TIMEOUT,
            #[cfg(test)]
            fault_at_commit: false,
            #[cfg(test)]
            commit_fault: None,
            fault: None,
            stalled: false,
        })
    }

    /// Whether there is work even without a request.
    pub(crate) fn has_chores(&self) -> bool {
        let may_tidy = self.disk.monitor.state() == Health::Ok;
        let pending = self.chores.pending() || self.authority.has_told_acts();
        (pending && may_tidy) || self.disk.wants_trial()
    }

    /// Looks at the disk from time to time, and says when its state has changed.
    pub(crate) fn look_at_disk(&mut self) {
        let (before, after) = self.disk.look();
        if before != after {
            let (before, state) = (before.name(), after.name());
            tracing::warn!(before, state, "the state of the store's disk changed");
            if after == Health::Ok {
                self.chores.resume();
            }
        }
    }

    /// Whether a change of this kind may be written now.
    ///
    /// # Errors
    /// [`StoreError::Unwritable`] when it may not.
    pub(crate) fn permit(&mut self, kind: WriteKind) -> Result<(), StoreError> {
        // A file that was put back is noticed at once.
        if self.disk.monitor.state() == Health::Moved {
            self.disk.has_moved();
        }
        if self.disk.monitor.permits(kind) {
            return Ok(());
        }
        Err(StoreError::Unwritable(self.disk.monitor.state()))
    }

    /// Commits a batch as one transaction, then tells the feed, then answers.
    pub(crate) fn commit(
        &mut self,
        batch: &mut Vec<Box<dyn Task>>,
        feed: &mut dyn CommitFeed,
        between: Between<'_, 'c>,
    ) {
        self.fault = None;
        let mut changes = Vec::with_capacity(batch.len());
        let written = self.connection.total_changes();
        let failure = self.transact(batch, feed, &mut changes, between).err();
        let wrote = self.connection.total_changes() > written;
        // Stored in a file that may be gone: whether it lasts is not known.
        let moved = failure.is_none() && wrote && self.disk.has_moved();
        if let Some(error) = &failure {
            self.fail(error);
        } else if !changes.is_empty() {
            feed.committed(&changes);
        }
        if failure.is_none() {
            self.authority.committed(&changes);
            self.mids.committed();
        }
        let fault = self.fault.take().or_else(|| failure.clone());
        if wrote || fault.is_some() {
            self.disk.batch(fault.as_ref());
            self.reuse_log();
        }
        self.stalled = failure.is_some();
        let failure = failure.or(moved.then_some(StoreError::Unknown));
        for task in batch.drain(..) {
            task.settle(failure.as_ref());
        }
    }

    fn fail(&mut self, error: &StoreError) {
        if matches!(error, StoreError::Busy) {
            tracing::warn!("another program holds the database: nothing was written");
        } else {
            // The client's error does not say why the commit failed.
            let cause = self.fault.as_ref().filter(|_| matches!(error, StoreError::Unknown));
            let error = cause.unwrap_or(error);
            tracing::error!(%error, cause = ?std::error::Error::source(error), "a batch failed");
            self.chores.rolled_back();
        }
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a batch could not be rolled back");
        }
        self.cache.clear();
        self.mids.rolled_back();
        self.authority.rolled_back();
    }

    /// On a full disk folds the log into the file at once, so that the next change writes over it
    /// and needs no space.
    fn reuse_log(&self) {
        if self.disk.monitor.state() == Health::Full {
            let folded = self.connection.execute_batch("PRAGMA wal_checkpoint(PASSIVE)");
            tracing::debug!(?folded, "the log was folded into the file on a full disk");
        }
    }

    /// Notes a change that failed alone.
    fn note(&mut self, error: StoreError) {
        // What was rejected before anything was tried is logged with the state of the disk.
        if matches!(error, StoreError::Unwritable(_)) {
            return;
        }
        tracing::warn!(%error, cause = ?std::error::Error::source(&error), "a change failed");
        // Also of damage: what is written to a damaged file may damage more of it.
        if error.write_fault().is_some() {
            self.fault = Some(error);
        }
    }

    /// What is done besides, in small steps, while the disk can take it.
    fn tidy(&mut self) -> Result<(), StoreError> {
        if self.disk.monitor.state() == Health::Ok {
            self.mids.step(self.connection)?;
            self.chores.step(self.connection)?;
            self.authority.remove_told(self.connection)?;
        } else if self.disk.wants_trial() {
            self.connection.execute("UPDATE marks SET mids_merged = mids_merged", [])?;
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
        let written = self.connection.total_changes();
        self.cache.trim();
        if !self.begin(batch, feed, between)? {
            return Ok(());
        }
        self.mids.begin(self.connection)?;
        for task in batch.iter_mut() {
            let heard = changes.len();
            if let Err(error) = task.perform(self, changes) {
                changes.truncate(heard);
                // Some faults (a full disk, a failed read) end the whole transaction by
                // themselves; what came before is gone with it.
                if self.connection.is_autocommit() {
                    return Err(error);
                }
                self.note(error);
            }
            if let Some(error) = self.broken.take() {
                return Err(error);
            }
        }
        self.cache.flush(self.connection)?;
        self.tidy()?;
        #[cfg(test)]
        if std::mem::take(&mut self.fault_at_commit) {
            return Err(StoreError::Closed);
        }
        #[cfg(test)]
        if let Some(fault) = self.commit_fault.take() {
            return Err(self.commit_error(fault));
        }
        if self.connection.total_changes() > written && self.disk.has_moved() {
            return Err(StoreError::Unwritable(Health::Moved));
        }
        let committed = self.connection.prepare_cached("COMMIT")?.execute([]);
        committed.map(|_| ()).map_err(|error| self.commit_error(error.into()))
    }

    /// What callers get when COMMIT fails. After an error of the disk the log may hold the whole
    /// batch, and then it is in force after a restart.
    fn commit_error(&mut self, error: StoreError) -> StoreError {
        if !matches!(error, StoreError::Failed(_)) {
            return error;
        }
        self.fault = Some(error);
        StoreError::Unknown
    }

    /// Waits for the lock that writing needs; `false` when nothing is left to write.
    fn begin(
        &mut self,
        batch: &mut Vec<Box<dyn Task>>,
        feed: &mut dyn CommitFeed,
        between: Between<'_, 'c>,
    ) -> Result<bool, StoreError> {
        let timeout = if self.stalled { STALLED_TIMEOUT } else { self.lock_timeout };
        let (asked, started) = (!batch.is_empty(), Moment::now());
        loop {
            let begun = self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]);
            match begun.map_err(StoreError::from) {
                Ok(_) => return Ok(true),
                Err(StoreError::Busy) if Moment::now().since(started) < timeout => {}
                Err(error) => return Err(error),
            }
            between(self, feed);
            self.look_at_disk();
            batch.retain(|task| !task.is_withdrawn());
            if asked && batch.is_empty() {
                return Ok(false);
            }
        }
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

    /// As [`Writer::account`], if a change of this kind may be written now.
    pub(crate) fn account_for<A>(
        &mut self,
        kind: WriteKind,
        changes: &mut Vec<Change>,
        act: impl FnOnce(&mut AccountTables<'_>) -> Result<A, StoreError>,
    ) -> Result<A, StoreError> {
        self.permit(kind)?;
        self.account(changes, act)
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
    use std::sync::atomic::{AtomicU64, Ordering};

    use portcullis_model::Deadline;
    use tokio::sync::oneshot::Receiver as Answer;

    use super::*;
    use crate::health::monitor::WriteFault;
    use crate::rows::accounts::{ChangeUserOutcome, UserChange, UserChangeKind};
    use crate::rows::deletions::DeleteRoomRequest;
    use crate::rows::rooms::{
        AppendOutcome, JoinRequest, NewMessage, ResumeOutcome, ResumeRequest,
    };
    use crate::sqlite::database::migrations::open_writer;
    use crate::sqlite::fixture::{ann, commit, healthy, lobby, message};
    use crate::sqlite::tables::resume::Turned;
    use crate::sqlite::writer::task::{Asked, Progress};

    #[derive(Default)]
    struct Count(usize);

    impl CommitFeed for Count {
        fn committed(&mut self, changes: &[Change]) {
            self.0 += changes.len();
        }
    }

    fn deletion() -> DeleteRoomRequest {
        DeleteRoomRequest { room: lobby().id, by: ann().id, anywhere: false }
    }

    type Batch = Vec<Box<dyn Task>>;

    #[test]
    fn commit_that_the_disk_fails_has_an_unknown_outcome_and_the_store_is_failing() {
        let io_error = |code| {
            StoreError::from(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None))
        };
        with_writer(|writer, feed| {
            let told = feed.0;
            writer.commit_fault = Some(io_error(rusqlite::ffi::SQLITE_IOERR_FSYNC));
            let mut batch = Vec::new();
            let mut answers = [0, 1].map(|number| ask(&mut batch, message(number, 0)));
            commit(writer, &mut batch, feed);
            for answer in &mut answers {
                let answer = answer.try_recv().unwrap();
                assert!(matches!(answer, Err(StoreError::Unknown)), "{answer:?}");
            }
            assert_eq!((feed.0, writer.disk.monitor.state()), (told, Health::Failing));
            // What did not reach the log is definite.
            writer.disk = healthy();
            writer.commit_fault = Some(io_error(rusqlite::ffi::SQLITE_FULL));
            let mut full = ask(&mut batch, message(2, 0));
            commit(writer, &mut batch, feed);
            let full = full.try_recv().unwrap();
            assert!(matches!(full, Err(StoreError::Full)), "{full:?}");
        });
    }

    fn ask(batch: &mut Batch, message: NewMessage) -> Answer<Result<AppendOutcome, StoreError>> {
        let (task, answer) =
            Asked::ask(move |writer, changes| writer.append(message, None, changes));
        batch.push(task);
        answer
    }

    fn seq(answer: &mut Answer<Result<AppendOutcome, StoreError>>) -> Option<u64> {
        match answer.try_recv().unwrap() {
            Ok(AppendOutcome::Stored { seq, .. } | AppendOutcome::Repeated { seq, .. }) => {
                Some(seq)
            }
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
        let mut writer = Writer::new(&connection, None, healthy()).unwrap();
        let mut feed = Count::default();
        let (user, _) = Asked::ask(|writer, changes| {
            writer.account(changes, |tables| tables.create_user(ann()))
        });
        let (room, _) = Asked::ask(|writer, changes| writer.create_room(lobby(), changes));
        commit(&mut writer, &mut vec![user, room], &mut feed);
        test(&mut writer, &mut feed);
    }

    #[test]
    fn a_full_disk_fails_the_batch_and_the_places_go_on_without_a_gap() {
        with_writer(|writer, feed| {
            let mut batch = Vec::new();
            let mut first = ask(&mut batch, message(0, 0));
            commit(writer, &mut batch, feed);
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
            commit(writer, &mut batch, feed);
            for answer in &mut answers {
                assert!(matches!(answer.try_recv().unwrap(), Err(StoreError::Full)));
            }
            assert_eq!(feed.0, told, "what is not committed is not told");
            assert_eq!(count(writer.connection, "messages"), 1);

            assert_eq!(writer.disk.monitor.state(), Health::Full);
            limit(1_000_000);
            // Until it has recovered clients' changes are rejected; a repeat is known all the same.
            let mut early = ask(&mut batch, message(1, 0));
            let mut repeat = ask(&mut batch, message(0, 0));
            commit(writer, &mut batch, feed);
            let early = early.try_recv().unwrap();
            assert!(matches!(early, Err(StoreError::Unwritable(Health::Full))), "{early:?}");
            assert_eq!(seq(&mut repeat), Some(1));
            writer.disk = healthy();
            let mut again = ask(&mut batch, message(1, 0));
            commit(writer, &mut batch, feed);
            assert_eq!(seq(&mut again), Some(2));
        });
    }

    #[test]
    fn held_lock_fails_the_batch_without_effect_and_does_not_make_the_disk_fail() {
        with_writer(|writer, feed| {
            let holder = Connection::open(writer.connection.path().unwrap()).unwrap();
            holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
            writer.lock_timeout = Duration::ZERO;
            let mut batch = Vec::new();
            for number in 1..3 {
                let mut answer = ask(&mut batch, message(number, 0));
                commit(writer, &mut batch, feed);
                assert!(matches!(answer.try_recv().unwrap(), Err(StoreError::Busy)));
            }
            assert_eq!(writer.disk.monitor.state(), Health::Ok);
            holder.execute_batch("ROLLBACK").unwrap();
            let mut answer = ask(&mut batch, message(3, 0));
            commit(writer, &mut batch, feed);
            assert_eq!((seq(&mut answer), count(writer.connection, "messages")), (Some(1), 1));
        });
    }

    #[test]
    fn withdrawn_change_has_no_effect_when_the_lock_is_free_again() {
        with_writer(|writer, feed| {
            let holder = Connection::open(writer.connection.path().unwrap()).unwrap();
            holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
            let deadline = Deadline::after(Duration::ZERO);
            let progress = deadline.enter(Progress::of_request);
            let (late, mut answer) = Asked::ask_with(
                |writer: &mut Writer<'_>, changes: &mut Vec<Change>| {
                    writer.append(message(1, 0), None, changes)
                },
                progress,
            );
            let mut batch = vec![late];
            let mut patient = ask(&mut batch, message(2, 0));
            let mut turns = 0;
            writer.commit(&mut batch, feed, &mut |_, _| {
                turns += 1;
                if turns == 2 {
                    holder.execute_batch("ROLLBACK").unwrap();
                }
            });
            assert!(answer.try_recv().is_err(), "dropped without an answer");
            assert_eq!((seq(&mut patient), count(writer.connection, "messages")), (Some(1), 1));
            assert_eq!(turns, 2);
        });
    }

    #[test]
    fn failing_disk_recovers_by_a_write_of_its_own() {
        with_writer(|writer, feed| {
            writer.disk.monitor.failed(WriteFault::Failed);
            writer.look_at_disk();
            let mut batch = Vec::new();
            let mut sent = ask(&mut batch, message(1, 0));
            commit(writer, &mut batch, feed);
            let sent = sent.try_recv().unwrap();
            assert!(matches!(sent, Err(StoreError::Unwritable(Health::Failing))), "{sent:?}");
            assert!(!writer.has_chores());
            writer.disk.ahead_ms = 10_000;
            assert!(writer.has_chores(), "no client has to ask");
            commit(writer, &mut Vec::new(), feed);
            assert_eq!(writer.disk.monitor.state(), Health::Ok);
            let mut sent = ask(&mut batch, message(1, 0));
            commit(writer, &mut batch, feed);
            assert_eq!(seq(&mut sent), Some(1));
        });
    }

    #[test]
    fn full_disk_is_seen_without_a_write_and_recovers_by_itself() {
        with_writer(|writer, feed| {
            let free = Arc::new(AtomicU64::new(1_000));
            let seen = Arc::clone(&free);
            let space = Box::new(move || Some(seen.load(Ordering::Acquire)));
            writer.disk = DiskWatch::new(100, space, Arc::default());
            let mut batch = Vec::new();
            let mut number = 0;
            // For five minutes a minute at a time, then the space comes back.
            let cases = [(1_000, true), (99, false), (10, false), (149, false), (150, false)];
            let cases = cases.into_iter().chain([(150, true), (1_000, true)]);
            for (bytes, accepted) in cases {
                free.store(bytes, Ordering::Release);
                writer.disk.ahead_ms += 60_000;
                writer.look_at_disk();
                number += 1;
                let mut sent = ask(&mut batch, message(number, 0));
                commit(writer, &mut batch, feed);
                assert_eq!(seq(&mut sent).is_some(), accepted, "{bytes}");
            }
            assert_eq!(count(writer.connection, "messages"), 3);
        });
    }

    #[test]
    fn full_disk_takes_what_removes_and_subscribes_and_no_new_content() {
        with_writer(|writer, feed| {
            let mut batch = Vec::new();
            drop(ask(&mut batch, message(0, 0)));
            commit(writer, &mut batch, feed);
            writer.disk = DiskWatch::new(100, Box::new(|| Some(60)), Arc::default());
            writer.look_at_disk();
            let mut sent = ask(&mut batch, message(1, 0));
            let join = JoinRequest {
                room: lobby().id,
                user: ann().id,
                origin: 1,
                members_max: 9,
                party: 0,
            };
            let (task, mut joined) =
                Asked::ask(move |writer, changes| writer.join_room(join, changes));
            batch.push(task);
            let (task, mut banned) = Asked::ask(|writer, changes| {
                let what = UserChangeKind::Banned { until_unix_ms: 9 };
                let change = UserChange { user: ann().id, what, at_unix_ms: 1 };
                writer.account_for(WriteKind::Removal, changes, |t| t.change_user(&change))
            });
            batch.push(task);
            let (task, mut deleted) =
                Asked::ask(|writer, changes| writer.delete_room(deletion(), changes));
            batch.push(task);
            commit(writer, &mut batch, feed);
            let sent = sent.try_recv().unwrap();
            assert!(matches!(sent, Err(StoreError::Unwritable(Health::Full))), "{sent:?}");
            assert!(joined.try_recv().unwrap().is_ok(), "a member's connection can subscribe");
            assert!(matches!(banned.try_recv().unwrap(), Ok(ChangeUserOutcome::Changed(_))));
            assert!(deleted.try_recv().unwrap().is_ok());
            // What a deleted room leaves behind waits until there is space again.
            assert!(writer.chores.pending() && !writer.has_chores());
            writer.disk = healthy();
            assert!(writer.has_chores());
        });
    }

    #[test]
    fn an_idle_writer_empties_a_deleted_room() {
        with_writer(|writer, feed| {
            let mut batch = Vec::new();
            for number in 0..600 {
                drop(ask(&mut batch, message(number, 0)));
            }
            commit(writer, &mut batch, feed);
            assert_eq!(count(writer.connection, "anchors"), 600 / 32);

            let (deleted, _) =
                Asked::ask(|writer, changes| writer.delete_room(deletion(), changes));
            commit(writer, &mut vec![deleted], feed);
            let mut steps = 0;
            while writer.chores.pending() {
                commit(writer, &mut Vec::new(), feed);
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
            commit(writer, &mut batch, feed);
            while writer.chores.pending() {
                commit(writer, &mut Vec::new(), feed);
            }
            for table in ["messages", "anchors", "tails", "members", "rooms"] {
                assert_eq!(count(writer.connection, table), 0, "{table}");
            }
            // Nor is a number given again by the next start, though no message holds it.
            *writer = Writer::new(writer.connection, None, healthy()).unwrap();
            commit(writer, &mut Vec::new(), feed);
            assert_eq!(writer.mids.next_number(), 41);
        });
    }

    #[test]
    fn t_147_who_comes_back_is_told_nothing_of_a_batch_that_fails() {
        with_writer(|writer, feed| {
            let resume = ResumeRequest {
                user: ann().id,
                origin: 1,
                rooms: vec![lobby().id],
                after: 0,
                limit: 9,
            };
            let resume = || {
                let resume = resume.clone();
                Asked::ask(move |writer, changes| {
                    // Nothing was read before: all of it comes while the writer has its turn.
                    Ok(match writer.resume(&resume, Vec::new(), changes)? {
                        Turned::Done(answer) => answer,
                        Turned::Behind => ResumeOutcome::TooMany,
                    })
                })
            };
            let told = feed.0;
            let mut batch = Vec::new();
            let mut lost = ask(&mut batch, message(1, 0));
            let (task, mut answer) = resume();
            batch.push(task);
            let (task, _) = Asked::ask(|writer, _| {
                writer.fault_at_commit = true;
                Ok(())
            });
            batch.push(task);
            commit(writer, &mut batch, feed);
            assert_eq!(seq(&mut lost), None);
            assert!(answer.try_recv().unwrap().is_err());
            assert_eq!(feed.0, told, "what is not committed is not told");

            let mut kept = ask(&mut batch, message(2, 0));
            let (task, mut answer) = resume();
            batch.push(task);
            commit(writer, &mut batch, feed);
            assert_eq!(seq(&mut kept), Some(1));
            let one = ResumeOutcome::Resumed { rooms: 1, missed: 1 };
            assert_eq!(answer.try_recv().unwrap().unwrap(), one);
            assert_eq!(feed.0, told + 2);

            // A chain with a link missing is a fault, not an end: nobody is told that was all.
            writer.connection.execute("DELETE FROM messages", []).unwrap();
            let (task, mut answer) = resume();
            commit(writer, &mut vec![task], feed);
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
            commit(writer, &mut batch, feed);
            assert!(answer.try_recv().unwrap().is_err());
            assert_eq!(seq(&mut neighbour), Some(1));
            assert_eq!(count(writer.connection, "rooms"), 1);
            // A message with a known id but a new key leaves the key free.
            let other = |mid: u32| NewMessage { mid: message(mid, 0).mid, ..message(1, 0) };
            let mut refused = ask(&mut batch, other(2));
            let mut stored = ask(&mut batch, message(2, 0));
            commit(writer, &mut batch, feed);
            assert_eq!((seq(&mut refused), seq(&mut stored)), (None, Some(2)));
        });
    }
}
