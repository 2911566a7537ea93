//! One connection's place in one namespace.
//! Never: alive longer than its connection; forgetting the connection empties it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::{Denial, Namespace, RoomId};

use crate::connection::state::Connection;
use crate::random::random_bytes;

const ID_BYTES: usize = 15;

/// The public id of a socket: 120 random bits, shown as 20 characters. No secret, no credential.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SocketId([u8; ID_BYTES]);

impl SocketId {
    pub(crate) fn random() -> Result<Self, Denial> {
        random_bytes().map(Self)
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for SocketId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SocketId({self})")
    }
}

/// A socket of Socket.IO, or the one place of a plain connection.
pub(crate) struct Socket {
    pub(crate) connection: Rc<Connection>,
    pub(crate) namespace: Namespace,
    /// Which of the registered namespaces it is in.
    pub(crate) rule: usize,
    pub(crate) id: SocketId,
    /// The private id a client shows to take this place again; boxed, since most have none.
    pub(crate) pid: Option<Box<str>>,
    /// Where it stands in the shard's list of the namespace.
    pub(crate) key: Cell<usize>,
    /// The rooms it hears, each with its key there.
    pub(crate) rooms: RefCell<Vec<(RoomId, usize)>>,
    /// The same rooms for handlers, made when an event needs them; a thin pointer, so that a
    /// socket stays in its size class of the allocator.
    pub(crate) shown: Cell<Option<Arc<Vec<RoomId>>>>,
}

impl Socket {
    /// The rooms it hears, in a list that its events share; none when there is none.
    pub(crate) fn heard(&self) -> Option<Arc<Vec<RoomId>>> {
        let rooms = self.rooms.borrow();
        if rooms.is_empty() {
            return None;
        }
        let shown = self.shown.take();
        let shown =
            shown.unwrap_or_else(|| Arc::new(rooms.iter().map(|(room, _)| room.clone()).collect()));
        self.shown.set(Some(Arc::clone(&shown)));
        Some(shown)
    }

    /// The rooms it hears have changed.
    pub(crate) fn rooms_changed(&self) {
        self.shown.take();
    }

    pub(crate) fn hears(&self, room: &RoomId) -> bool {
        self.rooms.borrow().iter().any(|(known, _)| known == room)
    }
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
