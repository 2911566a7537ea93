//! Invites users to rooms, and bars users from them.
//! Never: an invitation or a bar of a member; joining removes one, and a kick ends the membership.

use rusqlite::Connection;

use crate::changes::Change;
use crate::error::StoreError;
use crate::health::monitor::WriteKind;
use crate::rows::rooms::{InviteOutcome, InviteRequest, KickOutcome, KickRequest};
use crate::sqlite::tables::membership::{FoundRoom, FoundUser, Membership, remove_member};
use crate::sqlite::tables::state::WriteState;

const SET_RELATION: &str =
    "INSERT OR REPLACE INTO relations (room, user, kind) VALUES (?1, ?2, ?3)";

impl WriteState<'_> {
    /// Invites a user; see [`crate::RoomStore::invite_to_room`].
    pub(crate) fn invite_to_room(
        &mut self,
        request: InviteRequest,
        changes: &mut Vec<Change>,
    ) -> Result<InviteOutcome, StoreError> {
        let (Some(room), Some(user), Some(by)) = (
            self.find_room(&request.room)?,
            self.find_user(&request.user)?,
            self.find_user(&request.by)?,
        ) else {
            return Ok(InviteOutcome::Missing);
        };
        if room.owner != by.key && !request.anywhere {
            return Ok(InviteOutcome::Missing);
        }
        let by_role = room.owner != by.key;
        match self.membership(room.key, user.key)? {
            Some(Membership::Member) => return Ok(InviteOutcome::Already),
            // A role does not replace an invitation of the owner.
            Some(Membership::Invited) if by_role => {
                return Ok(InviteOutcome::Invited);
            }
            Some(Membership::Invited | Membership::InvitedByRole) => {}
            Some(Membership::Barred) | None => {
                if !self.has_capacity(&room, Membership::Invited, request.invited_max)? {
                    return Ok(InviteOutcome::Full);
                }
            }
        }
        self.check_writable(WriteKind::Client)?;
        let invitation = if by_role { Membership::InvitedByRole } else { Membership::Invited };
        self.connection.prepare_cached(SET_RELATION)?.execute((
            room.key,
            user.key,
            invitation.number(),
        ))?;
        changes.push(Change::Invited {
            room: request.room,
            user: request.user,
            party: request.party,
        });
        Ok(InviteOutcome::Invited)
    }

    /// Removes and bars a user; see [`crate::RoomStore::kick_from_room`].
    pub(crate) fn kick_from_room(
        &mut self,
        request: KickRequest,
        changes: &mut Vec<Change>,
    ) -> Result<KickOutcome, StoreError> {
        let (Some(room), Some(user), Some(by)) = (
            self.find_room(&request.room)?,
            self.find_user(&request.user)?,
            self.find_user(&request.by)?,
        ) else {
            return Ok(KickOutcome::Missing);
        };
        if room.owner == user.key || (room.owner != by.key && !request.anywhere) {
            return Ok(KickOutcome::Missing);
        }
        let membership = self.membership(room.key, user.key)?;
        if membership != Some(Membership::Barred)
            && !self.has_capacity(&room, Membership::Barred, request.barred_max)?
        {
            return Ok(KickOutcome::Full);
        }
        self.check_writable(WriteKind::Removal)?;
        let was_member = membership == Some(Membership::Member);
        self.in_savepoint(|connection| bar(connection, &room, &user, was_member))?;
        if was_member {
            self.cache.remove_member(&request.room, &request.user);
            changes.push(Change::Left {
                room: request.room.clone(),
                user: request.user.clone(),
                username: user.username,
            });
        }
        changes.push(Change::Barred {
            room: request.room,
            user: request.user,
            party: request.party,
        });
        Ok(KickOutcome::Kicked { was_member })
    }

    /// Whether a room may have one more invitation or bar; both have separate limits.
    fn has_capacity(
        &self,
        room: &FoundRoom,
        membership: Membership,
        most: u32,
    ) -> Result<bool, StoreError> {
        // Invitations have two kinds, bars have one.
        let kinds = match membership {
            Membership::Member | Membership::Barred => (membership.number(), membership.number()),
            Membership::Invited | Membership::InvitedByRole => {
                (Membership::Invited.number(), Membership::InvitedByRole.number())
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
    connection: &Connection,
    room: &FoundRoom,
    user: &FoundUser,
    was_member: bool,
) -> Result<(), StoreError> {
    let barred = Membership::Barred.number();
    connection.prepare_cached(SET_RELATION)?.execute((room.key, user.key, barred))?;
    if was_member { remove_member(connection, room.key, user.key) } else { Ok(()) }
}
