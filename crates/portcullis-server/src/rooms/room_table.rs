//! The sockets of one shard by namespace and room.
//! Never: which users may join; the directory knows that.

use std::collections::HashMap;
use std::rc::Rc;

use portcullis_model::{Namespace, RoomId};
use slab::Slab;

use crate::connection::socket::Socket;

/// The namespaces and rooms of a shard.
///
/// Memory: 16 bytes for each socket and 16 for each membership, and an entry for each namespace and
/// room that has a member.
#[derive(Default)]
pub(crate) struct RoomTable {
    namespaces: HashMap<Namespace, NamespaceSockets>,
}

#[derive(Default)]
struct NamespaceSockets {
    sockets: Slab<Rc<Socket>>,
    rooms: HashMap<RoomId, Slab<Rc<Socket>>>,
}

impl RoomTable {
    /// Adds a socket to its namespace.
    pub(crate) fn enter(&mut self, socket: &Rc<Socket>) {
        let namespace = self.namespaces.entry(socket.namespace.clone()).or_default();
        socket.key.set(namespace.sockets.insert(Rc::clone(socket)));
    }

    /// Removes a socket, which is in no room any more, from its namespace.
    pub(crate) fn leave(&mut self, socket: &Socket) {
        if let Some(namespace) = self.namespaces.get_mut(&socket.namespace) {
            namespace.sockets.try_remove(socket.key.get());
            if namespace.sockets.is_empty() && namespace.rooms.is_empty() {
                self.namespaces.remove(&socket.namespace);
            }
        }
    }

    /// Adds a socket to a room. Returns the key that removes it.
    pub(crate) fn add(&mut self, room: &RoomId, socket: &Rc<Socket>) -> usize {
        let namespace = self.namespaces.entry(socket.namespace.clone()).or_default();
        namespace.rooms.entry(room.clone()).or_default().insert(Rc::clone(socket))
    }

    /// Removes a socket from a room by the key that `add` returned.
    pub(crate) fn remove(&mut self, namespace: &Namespace, room: &RoomId, key: usize) {
        let Some(namespace) = self.namespaces.get_mut(namespace) else { return };
        if let Some(members) = namespace.rooms.get_mut(room) {
            members.try_remove(key);
            if members.is_empty() {
                namespace.rooms.remove(room);
            }
        }
    }

    /// The members of a room.
    pub(crate) fn members(
        &self,
        namespace: &Namespace,
        room: &RoomId,
    ) -> impl Iterator<Item = &Rc<Socket>> {
        let found = self.namespaces.get(namespace);
        let members = found.and_then(|namespace| namespace.rooms.get(room));
        members.into_iter().flat_map(|members| members.iter().map(|(_, socket)| socket))
    }

    /// All sockets of a namespace.
    pub(crate) fn sockets(&self, namespace: &Namespace) -> impl Iterator<Item = &Rc<Socket>> {
        let found = self.namespaces.get(namespace);
        found.into_iter().flat_map(|found| found.sockets.iter().map(|(_, socket)| socket))
    }
}
