//! Who on this shard hears a room.
//! Never: who may; the directory knows that.

use std::collections::HashMap;
use std::rc::Rc;

use portcullis_model::RoomId;
use slab::Slab;

use crate::connection::Connection;

/// The shard's rooms. Memory: 16 bytes a subscription, and an entry a room heard by anyone.
#[derive(Default)]
pub(crate) struct Rooms {
    rooms: HashMap<RoomId, Slab<Rc<Connection>>>,
}

impl Rooms {
    /// Adds a connection and gives the key to remove it by.
    pub(crate) fn add(&mut self, room: &RoomId, connection: Rc<Connection>) -> usize {
        self.rooms.entry(room.clone()).or_default().insert(connection)
    }

    /// Removes by the key that `add` gave.
    pub(crate) fn remove(&mut self, room: &RoomId, key: usize) {
        if let Some(members) = self.rooms.get_mut(room) {
            members.try_remove(key);
            if members.is_empty() {
                self.rooms.remove(room);
            }
        }
    }

    /// Everyone who hears the room.
    pub(crate) fn members(&self, room: &RoomId) -> impl Iterator<Item = &Rc<Connection>> {
        self.rooms.get(room).into_iter().flat_map(|members| members.iter().map(|(_, one)| one))
    }
}
