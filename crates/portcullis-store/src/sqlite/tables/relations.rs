//! Who is asked into a room, and who is kept out of it, inside the writer.
//! Never: a member too; joining uses an invitation up, and putting out ends the membership.

use crate::changes::Change;
use crate::error::StoreError;
use crate::health::monitor::WriteKind;
use crate::rows::rooms::{InviteOutcome, InviteRequest, KickOutcome, KickRequest};
use crate::sqlite::tables::rooms::{Person, Place, remove_member};
use crate::sqlite::writer::commit::Writer;

const STAND: &str = "INSERT OR REPLACE INTO relations (room, user, kind) VALUES (?1, ?2, ?3)";

/// What somebody is to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Member,
    Invited,
    Barred,
    /// InviteOutcome by a role, and not by the owner: the room is notified when the user joins.
    InvitedByRole,
}

impl Standing {
    /// The number stored; that of a member is given by [`Writer::standing`] only.
    fn number(self) -> i64 {
        match self {
            Self::Member => 0,
            Self::Invited => 1,
            Self::Barred => 2,
            Self::InvitedByRole => 3,
        }
    }

    /// What is neither membership nor invitation keeps out.
    fn from_number(number: i64) -> Self {
        match number {
            0 => Self::Member,
            1 => Self::Invited,
            3 => Self::InvitedByRole,
            _ => Self::Barred,
        }
    }
}

impl Writer<'_> {
    /// What a user is to a room, in one statement: joining is asked often.
    pub(crate) fn standing(&self, room: i64, user: i64) -> Result<Option<Standing>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT CASE WHEN EXISTS (SELECT 1 FROM members WHERE room = ?1 AND user = ?2) THEN 0
                 ELSE (SELECT kind FROM relations WHERE room = ?1 AND user = ?2) END",
        )?;
        let kind: Option<i64> = select.query_row((room, user), |row| row.get(0))?;
        Ok(kind.map(Standing::from_number))
    }

    /// Asks somebody in; see [`crate::Store::invite_to_room`].
    pub(crate) fn invite_to_room(
        &mut self,
        ask: InviteRequest,
        changes: &mut Vec<Change>,
    ) -> Result<InviteOutcome, StoreError> {
        let (Some(room), Some(person), Some(by)) =
            (self.room(&ask.room)?, self.person(&ask.user)?, self.person(&ask.by)?)
        else {
            return Ok(InviteOutcome::Missing);
        };
        if room.owner != by.key && !ask.anywhere {
            return Ok(InviteOutcome::Missing);
        }
        let by_role = room.owner != by.key;
        match self.standing(room.key, person.key)? {
            Some(Standing::Member) => return Ok(InviteOutcome::Already),
            // An invitation of the owner stays one.
            Some(Standing::Invited) if by_role => {
                return Ok(InviteOutcome::Invited);
            }
            Some(Standing::Invited | Standing::InvitedByRole) => {}
            Some(Standing::Barred) | None => {
                if !self.has_place(&room, Standing::Invited, ask.invited_max)? {
                    return Ok(InviteOutcome::Full);
                }
            }
        }
        self.permit(WriteKind::Client)?;
        let standing = if by_role { Standing::InvitedByRole } else { Standing::Invited };
        self.connection.prepare_cached(STAND)?.execute((
            room.key,
            person.key,
            standing.number(),
        ))?;
        changes.push(Change::Invited { room: ask.room, user: ask.user, party: ask.party });
        Ok(InviteOutcome::Invited)
    }

    /// Puts somebody out; see [`crate::Store::kick_from_room`].
    pub(crate) fn kick_from_room(
        &mut self,
        ask: KickRequest,
        changes: &mut Vec<Change>,
    ) -> Result<KickOutcome, StoreError> {
        let (Some(room), Some(person), Some(by)) =
            (self.room(&ask.room)?, self.person(&ask.user)?, self.person(&ask.by)?)
        else {
            return Ok(KickOutcome::Missing);
        };
        if room.owner == person.key || (room.owner != by.key && !ask.anywhere) {
            return Ok(KickOutcome::Missing);
        }
        let standing = self.standing(room.key, person.key)?;
        if standing != Some(Standing::Barred)
            && !self.has_place(&room, Standing::Barred, ask.barred_max)?
        {
            return Ok(KickOutcome::Full);
        }
        self.permit(WriteKind::Removal)?;
        let was_member = standing == Some(Standing::Member);
        self.whole(|connection| bar(connection, &room, &person, was_member))?;
        if was_member {
            self.cache.forget_member(&ask.room, &ask.user);
            changes.push(Change::Left {
                room: ask.room.clone(),
                user: ask.user.clone(),
                username: person.username,
            });
        }
        changes.push(Change::Barred { room: ask.room, user: ask.user, party: ask.party });
        Ok(KickOutcome::Kicked { was_member })
    }

    /// InviteOutcome and barred are counted apart, so that neither leaves no place for the other.
    fn has_place(&self, room: &Place, standing: Standing, most: u32) -> Result<bool, StoreError> {
        // Invitations are of two kinds, bars of one.
        let kinds = match standing {
            Standing::Member | Standing::Barred => (standing.number(), standing.number()),
            Standing::Invited | Standing::InvitedByRole => {
                (Standing::Invited.number(), Standing::InvitedByRole.number())
            }
        };
        let count: i64 = self
            .connection
            .prepare_cached("SELECT count(*) FROM relations WHERE room = ?1 AND kind IN (?2, ?3)")?
            .query_row((room.key, kinds.0, kinds.1), |row| row.get(0))?;
        Ok(count < i64::from(most))
    }
}

fn bar(
    connection: &rusqlite::Connection,
    room: &Place,
    person: &Person,
    was_member: bool,
) -> Result<(), StoreError> {
    connection.prepare_cached(STAND)?.execute((room.key, person.key, Standing::Barred.number()))?;
    if was_member { remove_member(connection, room.key, person.key) } else { Ok(()) }
}
