//! Tests of batches: faults of the disk, locks, rollbacks.
//! Never: the thread of the writer; each commit is a call.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_model::Deadline;
use tokio::sync::oneshot::Receiver as Answer;

use super::*;
use crate::health::monitor::{WriteFault, WriteKind};
use crate::rows::messages::{AppendOutcome, NewMessage, ResumeOutcome, ResumeRequest};
use crate::rows::rooms::{DeleteRoomRequest, JoinRequest};
use crate::rows::users::{ChangeUserOutcome, UserChange, UserChangeKind};
use crate::sqlite::database::connection::open_writer;
use crate::sqlite::fixture::{ann, commit, healthy, lobby, message};
use crate::sqlite::tables::resume::ResumeAttempt;
use crate::sqlite::writer::progress::Progress;
use crate::sqlite::writer::task::ChangeTask;

#[derive(Default)]
struct ChangeCounter(usize);

impl CommitFeed for ChangeCounter {
    fn committed(&mut self, changes: &[Change]) {
        self.0 += changes.len();
    }
}

fn deletion() -> DeleteRoomRequest {
    DeleteRoomRequest { room: lobby().id, by: ann().id, anywhere: false }
}

type Batch = Vec<Box<dyn Task>>;

#[test]
fn failed_commit_has_an_unknown_outcome_and_the_store_is_failing() {
    let io_error = |code| {
        StoreError::from(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None))
    };
    with_writer(|writer, feed| {
        let reported = feed.0;
        writer.planned.of_commit = Some(io_error(rusqlite::ffi::SQLITE_IOERR_FSYNC));
        let mut batch = Vec::new();
        let mut answers = [0, 1].map(|number| append(&mut batch, message(number, 0)));
        commit(writer, &mut batch, feed);
        for answer in &mut answers {
            let answer = answer.try_recv().unwrap();
            assert!(matches!(answer, Err(StoreError::Unknown)), "{answer:?}");
        }
        assert_eq!((feed.0, writer.state.disk.monitor.state()), (reported, Health::Failing));
        // A write that did not reach the log has a definite outcome.
        writer.state.disk = healthy();
        writer.planned.of_commit = Some(io_error(rusqlite::ffi::SQLITE_FULL));
        let mut full = append(&mut batch, message(2, 0));
        commit(writer, &mut batch, feed);
        let full = full.try_recv().unwrap();
        assert!(matches!(full, Err(StoreError::Full)), "{full:?}");
    });
}

fn append(batch: &mut Batch, message: NewMessage) -> Answer<Result<AppendOutcome, StoreError>> {
    let (task, answer) = ChangeTask::of(move |state, changes| state.append(message, None, changes));
    batch.push(task);
    answer
}

fn seq(answer: &mut Answer<Result<AppendOutcome, StoreError>>) -> Option<u64> {
    match answer.try_recv().unwrap() {
        Ok(AppendOutcome::Stored { seq, .. } | AppendOutcome::Repeated { seq, .. }) => Some(seq),
        _ => None,
    }
}

fn count(connection: &Connection, table: &str) -> i64 {
    let statement = format!("SELECT count(*) FROM {table}");
    connection.query_row(&statement, [], |row| row.get(0)).unwrap()
}

/// Runs a test with a writer, a user and a room.
fn with_writer(test: impl FnOnce(&mut Writer<'_>, &mut ChangeCounter)) {
    let directory = tempfile::tempdir().unwrap();
    let connection = open_writer(&directory.path().join("writer.db")).unwrap();
    let mut writer = Writer::new(&connection, None, healthy()).unwrap();
    let mut feed = ChangeCounter::default();
    let (user, _) = ChangeTask::of(|state, changes| {
        state.in_account_transaction(changes, |accounts| accounts.create_user(ann()))
    });
    let (room, _) = ChangeTask::of(|state, changes| state.create_room(lobby(), changes));
    commit(&mut writer, &mut vec![user, room], &mut feed);
    test(&mut writer, &mut feed);
}

#[test]
fn full_disk_fails_the_batch_and_leaves_no_gap_in_seq() {
    with_writer(|writer, feed| {
        let mut batch = Vec::new();
        let mut first = append(&mut batch, message(0, 0));
        commit(writer, &mut batch, feed);
        assert_eq!(seq(&mut first), Some(1));

        let pages: i64 =
            writer.state.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let limit = |pages: i64| {
            let limit = format!("PRAGMA max_page_count = {pages}");
            writer.state.connection.query_row(&limit, [], |_| Ok(())).unwrap();
        };
        limit(pages + 2);
        let reported = feed.0;
        let mut answers: Vec<_> =
            (1..400).map(|number| append(&mut batch, message(number, 0))).collect();
        commit(writer, &mut batch, feed);
        for answer in &mut answers {
            assert!(matches!(answer.try_recv().unwrap(), Err(StoreError::Full)));
        }
        assert_eq!(feed.0, reported, "uncommitted changes are not reported");
        assert_eq!(count(writer.state.connection, "messages"), 1);

        assert_eq!(writer.state.disk.monitor.state(), Health::Full);
        limit(1_000_000);
        // Until recovery, changes of clients are rejected; a repeated message is still answered.
        let mut early = append(&mut batch, message(1, 0));
        let mut repeat = append(&mut batch, message(0, 0));
        commit(writer, &mut batch, feed);
        let early = early.try_recv().unwrap();
        assert!(matches!(early, Err(StoreError::Unwritable(Health::Full))), "{early:?}");
        assert_eq!(seq(&mut repeat), Some(1));
        writer.state.disk = healthy();
        let mut again = append(&mut batch, message(1, 0));
        commit(writer, &mut batch, feed);
        assert_eq!(seq(&mut again), Some(2));
    });
}

#[test]
fn held_lock_fails_the_batch_without_effect_on_the_health() {
    with_writer(|writer, feed| {
        let holder = Connection::open(writer.state.connection.path().unwrap()).unwrap();
        holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
        writer.lock_timeout = Duration::ZERO;
        let mut batch = Vec::new();
        for number in 1..3 {
            let mut answer = append(&mut batch, message(number, 0));
            commit(writer, &mut batch, feed);
            assert!(matches!(answer.try_recv().unwrap(), Err(StoreError::Busy)));
        }
        assert_eq!(writer.state.disk.monitor.state(), Health::Ok);
        holder.execute_batch("ROLLBACK").unwrap();
        let mut answer = append(&mut batch, message(3, 0));
        commit(writer, &mut batch, feed);
        assert_eq!((seq(&mut answer), count(writer.state.connection, "messages")), (Some(1), 1));
    });
}

#[test]
fn cancelled_change_has_no_effect_when_the_lock_is_free_again() {
    with_writer(|writer, feed| {
        let holder = Connection::open(writer.state.connection.path().unwrap()).unwrap();
        holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let deadline = Deadline::after(Duration::ZERO);
        let progress = deadline.enter(Progress::of_request);
        let (late, mut answer) = ChangeTask::new(
            |state: &mut WriteState<'_>, changes: &mut Vec<Change>| {
                state.append(message(1, 0), None, changes)
            },
            progress,
        );
        let mut batch = vec![late];
        let mut second = append(&mut batch, message(2, 0));
        let mut turns = 0;
        writer.commit(&mut batch, feed, &mut |_, _| {
            turns += 1;
            if turns == 2 {
                holder.execute_batch("ROLLBACK").unwrap();
            }
        });
        assert!(answer.try_recv().is_err(), "dropped without an answer");
        assert_eq!((seq(&mut second), count(writer.state.connection, "messages")), (Some(1), 1));
        assert_eq!(turns, 2);
    });
}

#[test]
fn failing_disk_recovers_by_a_write_of_the_store() {
    with_writer(|writer, feed| {
        writer.state.disk.monitor.record_failure(WriteFault::Failed);
        writer.check_disk();
        let mut batch = Vec::new();
        let mut sent = append(&mut batch, message(1, 0));
        commit(writer, &mut batch, feed);
        let sent = sent.try_recv().unwrap();
        assert!(matches!(sent, Err(StoreError::Unwritable(Health::Failing))), "{sent:?}");
        assert!(!writer.has_cleanup());
        writer.state.disk.ahead_ms = 10_000;
        assert!(writer.has_cleanup(), "no request is needed");
        commit(writer, &mut Vec::new(), feed);
        assert_eq!(writer.state.disk.monitor.state(), Health::Ok);
        let mut sent = append(&mut batch, message(1, 0));
        commit(writer, &mut batch, feed);
        assert_eq!(seq(&mut sent), Some(1));
    });
}

#[test]
fn full_disk_is_detected_without_a_write_and_recovers() {
    with_writer(|writer, feed| {
        let free = Arc::new(AtomicU64::new(1_000));
        let seen = Arc::clone(&free);
        let space = Box::new(move || Some(seen.load(Ordering::Acquire)));
        writer.state.disk = DiskWatch::new(100, space, Arc::default());
        let mut batch = Vec::new();
        let mut number = 0;
        // One minute for each row; the space returns after five of them.
        let cases = [(1_000, true), (99, false), (10, false), (149, false), (150, false)];
        let cases = cases.into_iter().chain([(150, true), (1_000, true)]);
        for (bytes, accepted) in cases {
            free.store(bytes, Ordering::Release);
            writer.state.disk.ahead_ms += 60_000;
            writer.check_disk();
            number += 1;
            let mut sent = append(&mut batch, message(number, 0));
            commit(writer, &mut batch, feed);
            assert_eq!(seq(&mut sent).is_some(), accepted, "{bytes}");
        }
        assert_eq!(count(writer.state.connection, "messages"), 3);
    });
}

#[test]
fn full_disk_accepts_removals_and_subscriptions_and_no_content() {
    with_writer(|writer, feed| {
        let mut batch = Vec::new();
        drop(append(&mut batch, message(0, 0)));
        commit(writer, &mut batch, feed);
        writer.state.disk = DiskWatch::new(100, Box::new(|| Some(60)), Arc::default());
        writer.check_disk();
        let mut sent = append(&mut batch, message(1, 0));
        let join =
            JoinRequest { room: lobby().id, user: ann().id, origin: 1, members_max: 9, party: 0 };
        let (task, mut joined) =
            ChangeTask::of(move |state, changes| state.join_room(join, changes));
        batch.push(task);
        let (task, mut banned) = ChangeTask::of(|state, changes| {
            let what = UserChangeKind::Banned { until_unix_ms: 9 };
            let change = UserChange { user: ann().id, what, at_unix_ms: 1 };
            state.change_account(WriteKind::Removal, changes, |accounts| {
                accounts.change_user(&change)
            })
        });
        batch.push(task);
        let (task, mut deleted) =
            ChangeTask::of(|state, changes| state.delete_room(deletion(), changes));
        batch.push(task);
        commit(writer, &mut batch, feed);
        let sent = sent.try_recv().unwrap();
        assert!(matches!(sent, Err(StoreError::Unwritable(Health::Full))), "{sent:?}");
        assert!(joined.try_recv().unwrap().is_ok(), "a member's connection can subscribe");
        assert!(matches!(banned.try_recv().unwrap(), Ok(ChangeUserOutcome::Changed(_))));
        assert!(deleted.try_recv().unwrap().is_ok());
        // The cleanup of a deleted room waits until there is space again.
        assert!(writer.state.cleanup.is_pending() && !writer.has_cleanup());
        writer.state.disk = healthy();
        assert!(writer.has_cleanup());
    });
}

#[test]
fn idle_writer_removes_the_rows_of_a_deleted_room() {
    with_writer(|writer, feed| {
        let mut batch = Vec::new();
        for number in 0..600 {
            drop(append(&mut batch, message(number, 0)));
        }
        commit(writer, &mut batch, feed);
        assert_eq!(count(writer.state.connection, "anchors"), 600 / 32);

        let (deleted, _) = ChangeTask::of(|state, changes| state.delete_room(deletion(), changes));
        commit(writer, &mut vec![deleted], feed);
        let mut steps = 0;
        while writer.state.cleanup.is_pending() {
            commit(writer, &mut Vec::new(), feed);
            steps += 1;
        }
        assert!(steps >= 4, "{steps}");
        for table in ["messages", "anchors", "tails", "members", "rooms"] {
            assert_eq!(count(writer.state.connection, table), 0, "{table}");
        }
    });
}

#[test]
fn room_deleted_in_the_batch_of_its_messages_leaves_no_rows() {
    with_writer(|writer, feed| {
        let mut batch = Vec::new();
        for number in 0..40 {
            drop(append(&mut batch, message(number, 0)));
        }
        let (deleted, _) = ChangeTask::of(|state, changes| state.delete_room(deletion(), changes));
        batch.push(deleted);
        commit(writer, &mut batch, feed);
        while writer.state.cleanup.is_pending() {
            commit(writer, &mut Vec::new(), feed);
        }
        for table in ["messages", "anchors", "tails", "members", "rooms"] {
            assert_eq!(count(writer.state.connection, table), 0, "{table}");
        }
        // The next start does not assign a number again, even if no message has it.
        *writer = Writer::new(writer.state.connection, None, healthy()).unwrap();
        commit(writer, &mut Vec::new(), feed);
        assert_eq!(writer.state.mids.next_number(), 41);
    });
}

#[test]
fn t_147_recovered_connection_gets_nothing_of_a_failed_batch() {
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
            ChangeTask::of(move |state, changes| {
                // Nothing was read before, so the writer reads all of it in its turn.
                Ok(match state.resume(&resume, Vec::new(), changes)? {
                    ResumeAttempt::Done(answer) => answer,
                    ResumeAttempt::Behind => ResumeOutcome::TooMany,
                })
            })
        };
        let reported = feed.0;
        let mut batch = Vec::new();
        let mut lost = append(&mut batch, message(1, 0));
        let (task, mut answer) = resume();
        batch.push(task);
        writer.planned.before_commit = true;
        commit(writer, &mut batch, feed);
        assert_eq!(seq(&mut lost), None);
        assert!(answer.try_recv().unwrap().is_err());
        assert_eq!(feed.0, reported, "uncommitted changes are not reported");

        let mut kept = append(&mut batch, message(2, 0));
        let (task, mut answer) = resume();
        batch.push(task);
        commit(writer, &mut batch, feed);
        assert_eq!(seq(&mut kept), Some(1));
        let one = ResumeOutcome::Resumed { rooms: 1, missed: 1 };
        assert_eq!(answer.try_recv().unwrap().unwrap(), one);
        assert_eq!(feed.0, reported + 2);

        // A chain with a missing link is an error and not the end of the messages.
        writer.state.connection.execute("DELETE FROM messages", []).unwrap();
        let (task, mut answer) = resume();
        commit(writer, &mut vec![task], feed);
        assert!(matches!(answer.try_recv().unwrap(), Err(StoreError::Corrupt(_))));
        assert_eq!(feed.0, reported + 2);
    });
}

#[test]
fn failed_statement_undoes_only_its_own_change() {
    with_writer(|writer, feed| {
        // The id exists already: the database rejects the row, and nothing of the change stays.
        let (task, mut answer) =
            ChangeTask::of(|state, changes| state.create_room(lobby(), changes));
        let mut batch: Batch = vec![task];
        let mut neighbour = append(&mut batch, message(1, 0));
        commit(writer, &mut batch, feed);
        assert!(answer.try_recv().unwrap().is_err());
        assert_eq!(seq(&mut neighbour), Some(1));
        assert_eq!(count(writer.state.connection, "rooms"), 1);
        // A message with a known id but a new key leaves the key free.
        let other = |mid: u32| NewMessage { mid: message(mid, 0).mid, ..message(1, 0) };
        let mut rejected = append(&mut batch, other(2));
        let mut stored = append(&mut batch, message(2, 0));
        commit(writer, &mut batch, feed);
        assert_eq!((seq(&mut rejected), seq(&mut stored)), (None, Some(2)));
    });
}
