//! A recovered connection is ordered among the changes, with the messages it missed.
//! Never: a message of a room the user is not a member of at that moment; a page of history
//! opened by the thread that writes.

use portcullis_model::RoomId;
use rusqlite::Connection;

use crate::changes::Change;
use crate::error::StoreError;
use crate::field_seal::FieldSeal;
use crate::rows::rooms::{MessageRow, ResumeOutcome, ResumeRequest};
use crate::sqlite::tables::history::{Source, since, tail};
use crate::sqlite::writer::commit::Writer;
use crate::store::{PAGE_MAX, RESUME_ROOMS_MAX};

/// Most messages the writer reads itself: those that came while the others were read.
const LATE_MAX: usize = 32;

/// What a reader has read of one room.
#[derive(Debug)]
pub(crate) struct ReadRoom {
    room: RoomId,
    /// A room made anew under the id of a deleted one has another key.
    key: i64,
    /// The number of the newest message that was there.
    newest: i64,
    messages: Vec<MessageRow>,
}

/// What was read before the writer's turn.
pub(crate) type ReadRooms = Vec<ReadRoom>;

fn limit(resume: &ResumeRequest) -> usize {
    usize::try_from(resume.limit.clamp(1, PAGE_MAX)).unwrap_or(1)
}

fn after(resume: &ResumeRequest) -> i64 {
    i64::try_from(resume.after).unwrap_or(i64::MAX)
}

/// Reads what was missed so far, and opens it; `None` when it is too much.
///
/// Membership is looked at for the sake of the work alone: the writer decides.
pub(crate) fn read_missed(
    connection: &Connection,
    resume: &ResumeRequest,
    seal: Option<&dyn FieldSeal>,
) -> Result<Option<ReadRooms>, StoreError> {
    if resume.rooms.len() > RESUME_ROOMS_MAX {
        return Ok(None);
    }
    let moment = connection.unchecked_transaction()?;
    let (mut rooms, mut left) = (ReadRooms::new(), limit(resume));
    for room in &resume.rooms {
        if rooms.iter().any(|read| read.room == *room) || !is_member(&moment, room, resume)? {
            continue;
        }
        let Some((key, _, newest)) = tail(&moment, room)? else { continue };
        let source = Source { connection: &moment, room, seal };
        let Some(messages) = since(&source, newest, after(resume), left)? else {
            return Ok(None);
        };
        left -= messages.len();
        rooms.push(ReadRoom { room: room.clone(), key, newest, messages });
    }
    Ok(Some(rooms))
}

fn is_member(
    connection: &Connection,
    room: &RoomId,
    resume: &ResumeRequest,
) -> Result<bool, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT 1 FROM members JOIN rooms ON rooms.key = members.room
         JOIN users ON users.key = members.user
         WHERE rooms.id = ?1 AND rooms.deleted = 0 AND users.id = ?2",
    )?;
    Ok(select.exists((room.as_str(), resume.user.as_str()))?)
}

/// How the writer's turn went.
pub(crate) enum Turned {
    /// The feed is told, or nothing will be.
    Done(ResumeOutcome),
    /// Too much came while the rest was read: it has to be read again first.
    Behind,
}

impl Writer<'_> {
    /// Tells the feed what was missed; see [`crate::Store::resume`].
    pub(crate) fn resume(
        &mut self,
        resume: &ResumeRequest,
        read: ReadRooms,
        changes: &mut Vec<Change>,
    ) -> Result<Turned, StoreError> {
        let (limit, mut late) = (limit(resume), 0);
        let (mut rooms, mut missed) = (Vec::new(), Vec::new());
        let mut read = read;
        for room in &resume.rooms {
            if rooms.contains(room) {
                continue; // named twice; its messages come once
            }
            let member = self.cache.member(self.connection, room, &resume.user)?;
            // The cache knows messages of this batch that no table names as the newest yet.
            let Some((key, newest)) = member.map(|(room, _)| (room.key, room.last_number)) else {
                continue;
            };
            let at = read.iter().position(|read| read.room == *room && read.key == key);
            let (seen, messages) = match at.map(|at| read.swap_remove(at)) {
                Some(found) => (found.newest.max(after(resume)), found.messages),
                None => (after(resume), Vec::new()),
            };
            let seal = self.seal.as_deref();
            let source = Source { connection: self.connection, room, seal };
            let Some(newer) = since(&source, newest, seen, LATE_MAX - late)? else {
                return Ok(Turned::Behind);
            };
            late += newer.len();
            missed.extend(newer);
            missed.extend(messages);
            if missed.len() > limit {
                return Ok(Turned::Done(ResumeOutcome::TooMany));
            }
            rooms.push(room.clone());
        }
        missed.sort_unstable_by_key(|message| message.number);
        let answer = ResumeOutcome::Resumed { rooms: rooms.len(), missed: missed.len() };
        changes.push(Change::Resumed { origin: resume.origin, rooms, missed });
        Ok(Turned::Done(answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::deletions::DeleteRoomRequest;
    use crate::sqlite::database::migrations::open_writer;
    use crate::sqlite::fixture::{Deaf, ann, commit, healthy, lobby, message};
    use crate::sqlite::writer::task::{Asked, Task};
    use crate::store::CommitFeed;

    /// Hears the ids of missed messages.
    #[derive(Default)]
    struct Missed(Vec<Vec<String>>);

    impl CommitFeed for Missed {
        fn committed(&mut self, changes: &[Change]) {
            for change in changes {
                if let Change::Resumed { missed, .. } = change {
                    self.0.push(missed.iter().map(|row| row.id.to_string()).collect());
                }
            }
        }
    }

    struct Place<'c> {
        writer: Writer<'c>,
        connection: &'c Connection,
    }

    impl Place<'_> {
        fn send(&mut self, numbers: std::ops::Range<u32>) {
            let mut batch: Vec<Box<dyn Task>> = Vec::new();
            for number in numbers {
                let act = move |writer: &mut Writer<'_>, changes: &mut Vec<Change>| {
                    writer.append(message(number, 0), None, changes)
                };
                batch.push(Asked::ask(act).0);
            }
            commit(&mut self.writer, &mut batch, &mut Deaf);
        }

        fn make_room(&mut self) {
            let (room, _) = Asked::ask(|writer, changes| writer.create_room(lobby(), changes));
            commit(&mut self.writer, &mut vec![room], &mut Deaf);
        }

        fn delete_room(&mut self) {
            let deletion = DeleteRoomRequest { room: lobby().id, by: ann().id, anywhere: false };
            let (room, _) = Asked::ask(|writer, changes| writer.delete_room(deletion, changes));
            commit(&mut self.writer, &mut vec![room], &mut Deaf);
        }

        fn leave_room(&mut self) {
            let (room, _) =
                Asked::ask(|writer, changes| writer.leave_room(lobby().id, ann().id, changes));
            commit(&mut self.writer, &mut vec![room], &mut Deaf);
        }

        /// Reads, lets something happen, and takes the writer's turn; `None` when it is behind.
        fn resume(&mut self, meanwhile: impl FnOnce(&mut Self)) -> Option<Vec<Vec<String>>> {
            let rooms = vec![lobby().id];
            let resume = ResumeRequest { user: ann().id, origin: 1, rooms, after: 0, limit: 100 };
            let read = read_missed(self.connection, &resume, None).unwrap().unwrap();
            meanwhile(self);
            let mut feed = Missed::default();
            let (turn, mut answer) =
                Asked::ask(move |writer, changes| writer.resume(&resume, read, changes));
            commit(&mut self.writer, &mut vec![turn], &mut feed);
            match answer.try_recv().unwrap().unwrap() {
                Turned::Done(_) => Some(feed.0),
                Turned::Behind => None,
            }
        }
    }

    fn with_place(test: impl FnOnce(&mut Place<'_>)) {
        let directory = tempfile::tempdir().unwrap();
        let connection = open_writer(&directory.path().join("resume.db")).unwrap();
        let writer = Writer::new(&connection, None, healthy()).unwrap();
        let mut place = Place { writer, connection: &connection };
        let (user, _) = Asked::ask(|writer, changes| {
            writer.account(changes, |tables| tables.create_user(ann()))
        });
        commit(&mut place.writer, &mut vec![user], &mut Deaf);
        place.make_room();
        place.send(1..3);
        test(&mut place);
    }

    #[test]
    fn message_stored_after_the_read_is_told_once_in_its_order() {
        with_place(|place| {
            let told = place.resume(|place| place.send(3..5)).unwrap();
            assert_eq!(told, [["m1", "m2", "m3", "m4"]]);
        });
    }

    #[test]
    fn room_left_after_the_read_is_left_out() {
        with_place(|place| {
            let told = place.resume(Place::leave_room).unwrap();
            assert_eq!(told, [Vec::<String>::new()]);
        });
    }

    #[test]
    fn room_made_anew_after_the_read_has_none_of_the_old_messages() {
        with_place(|place| {
            let told = place.resume(|place| {
                place.delete_room();
                place.make_room();
                place.send(7..8);
            });
            assert_eq!(told.unwrap(), [["m7"]]);
        });
    }

    #[test]
    fn writer_reads_few_messages_itself_and_has_the_rest_read_again() {
        with_place(|place| {
            let late = u32::try_from(LATE_MAX).unwrap();
            assert!(place.resume(|place| place.send(3..3 + late + 1)).is_none());
            assert!(place.resume(|place| place.send(60..60 + late)).is_some());
        });
    }
}
