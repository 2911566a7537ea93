//! What the writer knows without asking: who is a member, and each room's newest place.
//! Never: anything another connection could change; there is one writer, and it tells the cache.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use portcullis_model::{RoomId, UserId};
use rusqlite::{Connection, OptionalExtension};

use crate::error::StoreError;

/// Most rooms and members remembered; at about 160 bytes each, 10 MiB. It is held between batches:
/// one batch may add as many again, when it is full of connections that come back.
const HELD_MAX: usize = 65_536;

const UPDATE_TAIL: &str = "UPDATE tails SET seq = ?2, number = ?3 WHERE room = ?1";

/// Rooms lately written to, and those of their members who wrote.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    rooms: HashMap<RoomId, CachedRoom>,
    held: usize,
    /// Rooms whose row in `tails` is behind.
    dirty: Vec<RoomId>,
}

/// A room as far as appending needs it.
#[derive(Debug)]
pub(crate) struct CachedRoom {
    /// The room's key in the tables.
    pub(crate) key: i64,
    /// The newest place given away.
    pub(crate) last_seq: i64,
    /// The number of the message there; 0 when there is none.
    pub(crate) last_number: i64,
    dirty: bool,
    members: HashMap<UserId, i64>,
}

impl Cache {
    /// Finds a room and one member's key; `None` when either is not there.
    pub(crate) fn member(
        &mut self,
        connection: &Connection,
        room: &RoomId,
        user: &UserId,
    ) -> Result<Option<(&mut CachedRoom, i64)>, StoreError> {
        let held = &mut self.held;
        let cached = match self.rooms.entry(room.clone()) {
            Entry::Occupied(place) => place.into_mut(),
            Entry::Vacant(place) => match read_room(connection, room)? {
                None => return Ok(None),
                Some(found) => {
                    *held += 1;
                    place.insert(found)
                }
            },
        };
        if let Some(key) = cached.members.get(user) {
            let key = *key;
            return Ok(Some((cached, key)));
        }
        let Some(key) = read_member(connection, cached.key, user)? else { return Ok(None) };
        *held += 1;
        cached.members.insert(user.clone(), key);
        Ok(Some((cached, key)))
    }

    /// Notes a room's newest message; written to its row before the commit.
    pub(crate) fn advance(&mut self, room: &RoomId, seq: i64, number: i64) {
        if let Some(cached) = self.rooms.get_mut(room) {
            cached.last_seq = seq;
            cached.last_number = number;
            if !cached.dirty {
                cached.dirty = true;
                self.dirty.push(room.clone());
            }
        }
    }

    /// The newest place of a room, when the cache knows better than the table.
    pub(crate) fn last_seq(&self, room: &RoomId) -> Option<i64> {
        self.rooms.get(room).map(|cached| cached.last_seq)
    }

    /// Forgets one member.
    pub(crate) fn forget_member(&mut self, room: &RoomId, user: &UserId) {
        if let Some(cached) = self.rooms.get_mut(room)
            && cached.members.remove(user).is_some()
        {
            self.held = self.held.saturating_sub(1);
        }
    }

    /// Forgets a room that is gone.
    pub(crate) fn forget_room(&mut self, room: &RoomId) {
        if let Some(cached) = self.rooms.remove(room) {
            self.held = self.held.saturating_sub(1 + cached.members.len());
        }
    }

    /// Writes the newest places of the rooms this batch wrote to.
    pub(crate) fn flush(&mut self, connection: &Connection) -> Result<(), StoreError> {
        if self.dirty.is_empty() {
            return Ok(());
        }
        let mut update = connection.prepare_cached(UPDATE_TAIL)?;
        for room in self.dirty.drain(..) {
            // A room deleted later in the batch had its place written before it was forgotten.
            if let Some(cached) = self.rooms.get_mut(&room) {
                cached.dirty = false;
                update.execute((cached.key, cached.last_seq, cached.last_number))?;
            }
        }
        Ok(())
    }

    /// Writes the newest place of one room, before it is deleted: what is removed later is found
    /// from there.
    pub(crate) fn flush_room(
        &self,
        connection: &Connection,
        room: &RoomId,
    ) -> Result<(), StoreError> {
        if let Some(cached) = self.rooms.get(room)
            && cached.dirty
        {
            connection.prepare_cached(UPDATE_TAIL)?.execute((
                cached.key,
                cached.last_seq,
                cached.last_number,
            ))?;
        }
        Ok(())
    }

    /// Makes room between batches, when nothing waits to be flushed.
    pub(crate) fn trim(&mut self) {
        if self.held > HELD_MAX {
            self.clear();
        }
    }

    /// Forgets everything: after a rollback the tables alone are right.
    pub(crate) fn clear(&mut self) {
        self.rooms.clear();
        self.dirty.clear();
        self.held = 0;
    }
}

fn read_room(connection: &Connection, room: &RoomId) -> Result<Option<CachedRoom>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT rooms.key, tails.seq, tails.number
         FROM rooms JOIN tails ON tails.room = rooms.key
         WHERE rooms.id = ?1 AND rooms.deleted = 0",
    )?;
    let found = select.query_row([room.as_str()], |row| {
        Ok(CachedRoom {
            key: row.get(0)?,
            last_seq: row.get(1)?,
            last_number: row.get(2)?,
            dirty: false,
            members: HashMap::new(),
        })
    });
    Ok(found.optional()?)
}

fn read_member(
    connection: &Connection,
    room: i64,
    user: &UserId,
) -> Result<Option<i64>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT users.key FROM users JOIN members ON members.user = users.key
         WHERE users.id = ?2 AND members.room = ?1",
    )?;
    Ok(select.query_row((room, user.as_str()), |row| row.get(0)).optional()?)
}
