//! A connection that came back takes its place among the changes, with what it missed.
//! Never: a message of a room the user is no member of at that moment.

use crate::change::Change;
use crate::error::StoreError;
use crate::rows::{Resume, ResumeRooms};
use crate::sqlite_history::{Source, since};
use crate::sqlite_writer::Writer;
use crate::store::{PAGE_MAX, RESUME_ROOMS_MAX};

impl Writer<'_> {
    /// Reads what was missed and tells the feed; see [`crate::Store::resume`].
    pub(crate) fn resume(
        &mut self,
        resume: Resume,
        changes: &mut Vec<Change>,
    ) -> Result<ResumeRooms, StoreError> {
        if resume.rooms.len() > RESUME_ROOMS_MAX {
            return Ok(ResumeRooms::TooMany);
        }
        let limit = usize::try_from(resume.limit.clamp(1, PAGE_MAX)).unwrap_or(1);
        let after = i64::try_from(resume.after).unwrap_or(i64::MAX);
        let (mut rooms, mut missed) = (Vec::new(), Vec::new());
        for room in resume.rooms {
            if rooms.contains(&room) {
                continue; // named twice; its messages come once
            }
            let member = self.cache.member(self.connection, &room, &resume.user)?;
            // The cache knows messages of this batch that no table names as the newest yet.
            let Some(newest) = member.map(|(room, _)| room.last_number) else { continue };
            let left = limit - missed.len();
            let seal = self.seal.as_deref();
            let source = Source { connection: self.connection, room: &room, seal };
            match since(&source, newest, after, left)? {
                Some(messages) => missed.extend(messages),
                None => return Ok(ResumeRooms::TooMany),
            }
            rooms.push(room);
        }
        missed.sort_unstable_by_key(|message| message.number);
        let answer = ResumeRooms::Resumed { rooms: rooms.len(), missed: missed.len() };
        changes.push(Change::Resumed { origin: resume.origin, rooms, missed });
        Ok(answer)
    }
}
