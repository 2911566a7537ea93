//! Who on this shard is in a namespace, and who hears a room of it.
//! Never: who may; the directory knows that.

use std::collections::HashMap;
use std::rc::Rc;

use portcullis_model::{Namespace, RoomId};
use slab::Slab;

use crate::connection::socket::Socket;

/// The shard's namespaces and rooms.
///
/// Memory: 16 bytes a socket and 16 a subscription, and an entry for each namespace and room that
/// anyone is in.
#[derive(Default)]
pub(crate) struct Rooms {
    places: HashMap<Namespace, Place>,
}

#[derive(Default)]
struct Place {
    sockets: Slab<Rc<Socket>>,
    rooms: HashMap<RoomId, Slab<Rc<Socket>>>,
}

impl Rooms {
    /// Takes a socket into its namespace.
    pub(crate) fn enter(&mut self, socket: &Rc<Socket>) {
        let place = self.places.entry(socket.namespace.clone()).or_default();
        socket.key.set(place.sockets.insert(Rc::clone(socket)));
    }

    /// Takes a socket, which hears no room any more, out of its namespace.
    pub(crate) fn leave(&mut self, socket: &Socket) {
        if let Some(place) = self.places.get_mut(&socket.namespace) {
            place.sockets.try_remove(socket.key.get());
            if place.sockets.is_empty() && place.rooms.is_empty() {
                self.places.remove(&socket.namespace);
            }
        }
    }

    /// Adds a socket to a room and gives the key to remove it by.
    pub(crate) fn add(&mut self, room: &RoomId, socket: &Rc<Socket>) -> usize {
        let place = self.places.entry(socket.namespace.clone()).or_default();
        place.rooms.entry(room.clone()).or_default().insert(Rc::clone(socket))
    }

    /// Removes by the key that `add` gave.
    pub(crate) fn remove(&mut self, namespace: &Namespace, room: &RoomId, key: usize) {
        let Some(place) = self.places.get_mut(namespace) else { return };
        if let Some(members) = place.rooms.get_mut(room) {
            members.try_remove(key);
            if members.is_empty() {
                place.rooms.remove(room);
            }
        }
    }

    /// Everyone who hears the room.
    pub(crate) fn members(
        &self,
        namespace: &Namespace,
        room: &RoomId,
    ) -> impl Iterator<Item = &Rc<Socket>> {
        let members = self.places.get(namespace).and_then(|place| place.rooms.get(room));
        members.into_iter().flat_map(|members| members.iter().map(|(_, one)| one))
    }

    /// Everyone in the namespace.
    pub(crate) fn everyone(&self, namespace: &Namespace) -> impl Iterator<Item = &Rc<Socket>> {
        let place = self.places.get(namespace);
        place.into_iter().flat_map(|place| place.sockets.iter().map(|(_, one)| one))
    }
}
