//! The writer's cache of rooms: members, and the newest message of each room.
//! Never: data that another connection can change unnoticed; a recheck clears the cache.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use portcullis_model::{RoomId, UserId};
use rusqlite::{Connection, OptionalExtension};

use crate::error::StoreError;

/// Most cached rooms and members; at about 160 bytes each, 10 MiB. The limit applies between
/// batches: a batch full of recovered connections may add as many again.
const ENTRIES_MAX: usize = 65_536;

const UPDATE_TAIL: &str = "UPDATE tails SET seq = ?2, number = ?3 WHERE room = ?1";

/// Rooms with recent messages, and the members who sent them.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    rooms: HashMap<RoomId, CachedRoom>,
    entries: usize,
    /// Rooms whose row in `tails` is outdated.
    dirty: Vec<RoomId>,
}

/// The properties of a room that appending needs.
#[derive(Debug)]
pub(crate) struct CachedRoom {
    /// The room's key in the tables.
    pub(crate) key: i64,
    /// The newest `seq`.
    pub(crate) last_seq: i64,
    /// The number of the newest message; 0 without one.
    pub(crate) last_number: i64,
    dirty: bool,
    members: HashMap<UserId, i64>,
}

impl Cache {
    /// Finds a room and the key of one member; `None` if the room or the membership does not exist.
    pub(crate) fn member(
        &mut self,
        connection: &Connection,
        room: &RoomId,
        user: &UserId,
    ) -> Result<Option<(&mut CachedRoom, i64)>, StoreError> {
        let entries = &mut self.entries;
        let cached = match self.rooms.entry(room.clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => match read_room(connection, room)? {
                None => return Ok(None),
                Some(found) => {
                    *entries += 1;
                    entry.insert(found)
                }
            },
        };
        if let Some(key) = cached.members.get(user) {
            let key = *key;
            return Ok(Some((cached, key)));
        }
        let Some(key) = read_member(connection, cached.key, user)? else { return Ok(None) };
        *entries += 1;
        cached.members.insert(user.clone(), key);
        Ok(Some((cached, key)))
    }

    /// Records a room's newest message; it is written to the room's row before the commit.
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

    /// The newest `seq` of a cached room; the table may be outdated.
    pub(crate) fn last_seq(&self, room: &RoomId) -> Option<i64> {
        self.rooms.get(room).map(|cached| cached.last_seq)
    }

    /// Removes one member.
    pub(crate) fn remove_member(&mut self, room: &RoomId, user: &UserId) {
        if let Some(cached) = self.rooms.get_mut(room)
            && cached.members.remove(user).is_some()
        {
            self.entries = self.entries.saturating_sub(1);
        }
    }

    /// Removes a deleted room.
    pub(crate) fn remove_room(&mut self, room: &RoomId) {
        if let Some(cached) = self.rooms.remove(room) {
            self.entries = self.entries.saturating_sub(1 + cached.members.len());
        }
    }

    /// Writes the newest `seq` of each room that has new messages in this batch.
    pub(crate) fn flush(&mut self, connection: &Connection) -> Result<(), StoreError> {
        if self.dirty.is_empty() {
            return Ok(());
        }
        let mut update = connection.prepare_cached(UPDATE_TAIL)?;
        for room in self.dirty.drain(..) {
            // A room that was deleted later in the batch was written before its deletion.
            if let Some(cached) = self.rooms.get_mut(&room) {
                cached.dirty = false;
                update.execute((cached.key, cached.last_seq, cached.last_number))?;
            }
        }
        Ok(())
    }

    /// Writes the newest `seq` of a room before the room is deleted: the cleanup starts from there.
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

    /// Empties a large cache between batches, when nothing waits to be flushed.
    pub(crate) fn trim(&mut self) {
        if self.entries > ENTRIES_MAX {
            self.clear();
        }
    }

    /// Removes everything: after a rollback only the tables are right.
    pub(crate) fn clear(&mut self) {
        self.rooms.clear();
        self.dirty.clear();
        self.entries = 0;
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
