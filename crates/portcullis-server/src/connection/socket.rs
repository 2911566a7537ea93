//! A socket: one connection in one namespace; and the sockets of a connection.
//! Never: a socket that outlives its connection; the end of the connection removes it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use portcullis_model::{Namespace, RoomId};

use crate::connection::socket_id::SocketId;
use crate::connection::state::Connection;

/// A socket of Socket.IO, or the only socket of a plain connection.
pub(crate) struct Socket {
    pub(crate) connection: Rc<Connection>,
    pub(crate) namespace: Namespace,
    /// The index of the registered namespace.
    pub(crate) rule: usize,
    pub(crate) id: SocketId,
    /// The private id that a returning client sends to recover this socket. Boxed, because most
    /// sockets have none.
    pub(crate) pid: Option<Box<str>>,
    /// The key of the socket in the shard's list of the namespace.
    pub(crate) key: Cell<usize>,
    /// The rooms it is in, each with the socket's key in that room.
    pub(crate) rooms: RefCell<Vec<(RoomId, usize)>>,
    /// The same rooms for handlers, built when an event needs them. A thin pointer, so that a
    /// socket stays in its size class of the allocator.
    shared_rooms: Cell<Option<Arc<Vec<RoomId>>>>,
}

impl Socket {
    pub(crate) fn new(
        connection: Rc<Connection>,
        namespace: Namespace,
        rule: usize,
        id: SocketId,
        pid: Option<Box<str>>,
    ) -> Self {
        Self {
            connection,
            namespace,
            rule,
            id,
            pid,
            key: Cell::new(0),
            rooms: RefCell::default(),
            shared_rooms: Cell::default(),
        }
    }

    /// The rooms it is in, as a list that its events share; `None` when it is in no room.
    pub(crate) fn shared_rooms(&self) -> Option<Arc<Vec<RoomId>>> {
        let rooms = self.rooms.borrow();
        if rooms.is_empty() {
            return None;
        }
        let shared = self.shared_rooms.take();
        let shared = shared
            .unwrap_or_else(|| Arc::new(rooms.iter().map(|(room, _)| room.clone()).collect()));
        self.shared_rooms.set(Some(Arc::clone(&shared)));
        Some(shared)
    }

    /// Drops the shared list after the rooms have changed.
    pub(crate) fn rooms_changed(&self) {
        self.shared_rooms.take();
    }

    pub(crate) fn is_in(&self, room: &RoomId) -> bool {
        self.rooms.borrow().iter().any(|(joined, _)| joined == room)
    }

    /// The number of rooms it is in.
    pub(crate) fn room_count(&self) -> usize {
        self.rooms.borrow().len()
    }

    /// A copy of the rooms it is in.
    pub(crate) fn room_list(&self) -> Vec<RoomId> {
        self.rooms.borrow().iter().map(|(room, _)| room.clone()).collect()
    }
}

/// The sockets of one connection: usually one, at most eight. The first one needs no allocation.
#[derive(Default)]
pub(crate) struct Sockets {
    first: Option<Rc<Socket>>,
    /// Boxed, so that a connection stays in its size class.
    more: Option<Box<MoreSockets>>,
}

#[derive(Default)]
struct MoreSockets(Vec<Rc<Socket>>);

impl Sockets {
    pub(crate) fn add(&mut self, socket: Rc<Socket>) {
        if self.first.is_none() {
            self.first = Some(socket);
        } else {
            self.more.get_or_insert_default().0.push(socket);
        }
    }

    pub(crate) fn remove(&mut self, socket: &Rc<Socket>) {
        let is_same = |other: &Rc<Socket>| Rc::ptr_eq(other, socket);
        if self.first.as_ref().is_some_and(is_same) {
            self.first = None;
        } else if let Some(more) = &mut self.more {
            more.0.retain(|other| !is_same(other));
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Rc<Socket>> {
        self.first.iter().chain(self.more.iter().flat_map(|more| &more.0))
    }

    pub(crate) fn find(&self, namespace: &str) -> Option<&Rc<Socket>> {
        self.iter().find(|socket| socket.namespace.as_str() == namespace)
    }

    pub(crate) fn len(&self) -> usize {
        self.iter().count()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

/// A socket whose recovery is under way: only the missed events have not arrived.
pub(crate) struct PendingRecovery {
    pub(crate) socket: Rc<Socket>,
    /// The answer to the CONNECT.
    pub(crate) answer: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_stays_in_its_size_class() {
        let counts = 2 * size_of::<usize>();
        assert!(size_of::<Socket>() + counts <= 128, "{}", size_of::<Socket>());
    }
}
