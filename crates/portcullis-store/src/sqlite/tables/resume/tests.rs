//! Tests of recovered connections: changes between the read and the write.
//! Never: threads; the order is fixed.

use super::*;
use crate::changes::CommitFeed;
use crate::rows::rooms::DeleteRoomRequest;
use crate::sqlite::database::connection::open_writer;
use crate::sqlite::fixture::{SilentFeed, ann, commit, healthy, lobby, message};
use crate::sqlite::writer::commit::Writer;
use crate::sqlite::writer::task::{ChangeTask, Task};

/// Records the ids of the missed messages that a feed reports.
#[derive(Default)]
struct MissedIds(Vec<Vec<String>>);

impl CommitFeed for MissedIds {
    fn committed(&mut self, changes: &[Change]) {
        for change in changes {
            if let Change::Resumed { missed, .. } = change {
                self.0.push(missed.iter().map(|row| row.id.to_string()).collect());
            }
        }
    }
}

struct ResumeFixture<'c> {
    writer: Writer<'c>,
    connection: &'c Connection,
}

impl ResumeFixture<'_> {
    fn send(&mut self, numbers: std::ops::Range<u32>) {
        let mut batch: Vec<Box<dyn Task>> = Vec::new();
        for number in numbers {
            let append = move |state: &mut WriteState<'_>, changes: &mut Vec<Change>| {
                state.append(message(number, 0), None, changes)
            };
            batch.push(ChangeTask::of(append).0);
        }
        commit(&mut self.writer, &mut batch, &mut SilentFeed);
    }

    fn make_room(&mut self) {
        let (room, _) = ChangeTask::of(|state, changes| state.create_room(lobby(), changes));
        commit(&mut self.writer, &mut vec![room], &mut SilentFeed);
    }

    fn delete_room(&mut self) {
        let deletion = DeleteRoomRequest { room: lobby().id, by: ann().id, anywhere: false };
        let (room, _) = ChangeTask::of(|state, changes| state.delete_room(deletion, changes));
        commit(&mut self.writer, &mut vec![room], &mut SilentFeed);
    }

    fn leave_room(&mut self) {
        let (room, _) =
            ChangeTask::of(|state, changes| state.leave_room(lobby().id, ann().id, changes));
        commit(&mut self.writer, &mut vec![room], &mut SilentFeed);
    }

    /// Reads, runs `meanwhile`, then resumes in the writer; `None` if the read is too old.
    fn resume(&mut self, meanwhile: impl FnOnce(&mut Self)) -> Option<Vec<Vec<String>>> {
        let rooms = vec![lobby().id];
        let resume = ResumeRequest { user: ann().id, origin: 1, rooms, after: 0, limit: 100 };
        let read = read_missed(self.connection, &resume, None).unwrap().unwrap();
        meanwhile(self);
        let mut feed = MissedIds::default();
        let (turn, mut answer) =
            ChangeTask::of(move |state, changes| state.resume(&resume, read, changes));
        commit(&mut self.writer, &mut vec![turn], &mut feed);
        match answer.try_recv().unwrap().unwrap() {
            ResumeAttempt::Done(_) => Some(feed.0),
            ResumeAttempt::Behind => None,
        }
    }
}

fn with_fixture(test: impl FnOnce(&mut ResumeFixture<'_>)) {
    let directory = tempfile::tempdir().unwrap();
    let connection = open_writer(&directory.path().join("resume.db")).unwrap();
    let writer = Writer::new(&connection, None, healthy()).unwrap();
    let mut fixture = ResumeFixture { writer, connection: &connection };
    let (user, _) = ChangeTask::of(|state, changes| {
        state.in_account_transaction(changes, |accounts| accounts.create_user(ann()))
    });
    commit(&mut fixture.writer, &mut vec![user], &mut SilentFeed);
    fixture.make_room();
    fixture.send(1..3);
    test(&mut fixture);
}

#[test]
fn message_stored_after_the_read_is_reported_once_in_order() {
    with_fixture(|fixture| {
        let missed = fixture.resume(|fixture| fixture.send(3..5)).unwrap();
        assert_eq!(missed, [["m1", "m2", "m3", "m4"]]);
    });
}

#[test]
fn room_left_after_the_read_is_omitted() {
    with_fixture(|fixture| {
        let missed = fixture.resume(ResumeFixture::leave_room).unwrap();
        assert_eq!(missed, [Vec::<String>::new()]);
    });
}

#[test]
fn new_room_with_an_old_id_has_no_old_messages() {
    with_fixture(|fixture| {
        let missed = fixture.resume(|fixture| {
            fixture.delete_room();
            fixture.make_room();
            fixture.send(7..8);
        });
        assert_eq!(missed.unwrap(), [["m7"]]);
    });
}

#[test]
fn writer_reads_few_messages_and_requests_another_read_for_more() {
    with_fixture(|fixture| {
        let late = u32::try_from(LATE_MAX).unwrap();
        assert!(fixture.resume(|fixture| fixture.send(3..3 + late + 1)).is_none());
        assert!(fixture.resume(|fixture| fixture.send(60..60 + late)).is_some());
    });
}
