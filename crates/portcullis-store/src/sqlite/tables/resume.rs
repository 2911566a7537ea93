//! The recovery of a connection: its missed messages, and its position in the order of changes.
//! Never: a message of a room of which the user is not a member; many messages read by the writer.

use portcullis_model::RoomId;
use rusqlite::Connection;

use crate::changes::Change;
use crate::error::StoreError;
use crate::field_seal::FieldSeal;
use crate::messages::{PAGE_MAX, RESUME_ROOMS_MAX};
use crate::rows::messages::{MessageRow, ResumeOutcome, ResumeRequest};
use crate::sqlite::tables::history::{RoomReader, since, tail};
use crate::sqlite::tables::state::WriteState;

/// Most messages that the writer reads itself: those stored while a reader read the others.
const LATE_MAX: usize = 32;

/// The messages that a reader has read of one room.
#[derive(Debug)]
pub(crate) struct MissedInRoom {
    room: RoomId,
    /// A new room with the id of a deleted one has another key.
    key: i64,
    /// The number of the newest message at that moment.
    newest: i64,
    messages: Vec<MessageRow>,
}

/// The messages that a reader has read, for each room.
pub(crate) type MissedMessages = Vec<MissedInRoom>;

fn limit(resume: &ResumeRequest) -> usize {
    usize::try_from(resume.limit.clamp(1, PAGE_MAX)).unwrap_or(1)
}

fn after(resume: &ResumeRequest) -> i64 {
    i64::try_from(resume.after).unwrap_or(i64::MAX)
}

/// Reads and opens the messages that were missed so far; `None` if there are too many.
///
/// The membership check only saves work: the writer decides.
pub(crate) fn read_missed(
    connection: &Connection,
    resume: &ResumeRequest,
    seal: Option<&dyn FieldSeal>,
) -> Result<Option<MissedMessages>, StoreError> {
    if resume.rooms.len() > RESUME_ROOMS_MAX {
        return Ok(None);
    }
    let snapshot = connection.unchecked_transaction()?;
    let (mut rooms, mut left) = (MissedMessages::new(), limit(resume));
    for room in &resume.rooms {
        if rooms.iter().any(|read| read.room == *room) || !is_member(&snapshot, room, resume)? {
            continue;
        }
        let Some((key, _, newest)) = tail(&snapshot, room)? else { continue };
        let reader = RoomReader { connection: &snapshot, room, seal };
        let Some(messages) = since(&reader, newest, after(resume), left)? else {
            return Ok(None);
        };
        left -= messages.len();
        rooms.push(MissedInRoom { room: room.clone(), key, newest, messages });
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

/// The result of one attempt of the writer.
pub(crate) enum ResumeAttempt {
    /// The outcome for the caller.
    Done(ResumeOutcome),
    /// Too many messages were stored meanwhile: a reader has to read again first.
    Behind,
}

impl WriteState<'_> {
    /// Reports the missed messages to the feed; see [`crate::MessageStore::resume`].
    pub(crate) fn resume(
        &mut self,
        resume: &ResumeRequest,
        read: MissedMessages,
        changes: &mut Vec<Change>,
    ) -> Result<ResumeAttempt, StoreError> {
        let (limit, mut late) = (limit(resume), 0);
        let (mut rooms, mut missed) = (Vec::new(), Vec::new());
        let mut read = read;
        for room in &resume.rooms {
            if rooms.contains(room) {
                continue; // named twice; its messages are reported once
            }
            let member = self.cache.member(self.connection, room, &resume.user)?;
            // The cache has messages of this batch that are not in `tails` yet.
            let Some((key, newest)) = member.map(|(room, _)| (room.key, room.last_number)) else {
                continue;
            };
            let at = read.iter().position(|read| read.room == *room && read.key == key);
            let (seen, messages) = match at.map(|at| read.swap_remove(at)) {
                Some(found) => (found.newest.max(after(resume)), found.messages),
                None => (after(resume), Vec::new()),
            };
            let seal = self.seal.as_deref();
            let reader = RoomReader { connection: self.connection, room, seal };
            let Some(newer) = since(&reader, newest, seen, LATE_MAX - late)? else {
                return Ok(ResumeAttempt::Behind);
            };
            late += newer.len();
            missed.extend(newer);
            missed.extend(messages);
            if missed.len() > limit {
                return Ok(ResumeAttempt::Done(ResumeOutcome::TooMany));
            }
            rooms.push(room.clone());
        }
        missed.sort_unstable_by_key(|message| message.number);
        let answer = ResumeOutcome::Resumed { rooms: rooms.len(), missed: missed.len() };
        changes.push(Change::Resumed { origin: resume.origin, rooms, missed });
        Ok(ResumeAttempt::Done(answer))
    }
}

#[cfg(test)]
mod tests;
