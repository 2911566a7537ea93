//! Deliveries applied to one shard, in the order they were committed.
//! Never: a query, a wait, a copy of the frame.

use std::rc::Rc;

use portcullis_model::limits::ROOMS_PER_CONNECTION_MAX;
use portcullis_model::{ConnectionId, Denial, RoomId, UserId};
use tokio::sync::mpsc;

use crate::connection::{Connection, End};
use crate::hub::{Batch, Delta};
use crate::shard::Shard;

/// Batches applied before other tasks of the shard get a turn.
const BATCHES_PER_TURN: usize = 16;

impl Shard {
    /// Runs for the shard's life: applies what the hub hands over.
    pub(crate) async fn deliver_forever(self: Rc<Self>, mut inbox: mpsc::Receiver<Batch>) {
        let mut batches = Vec::with_capacity(BATCHES_PER_TURN);
        while inbox.recv_many(&mut batches, BATCHES_PER_TURN).await > 0 {
            for batch in batches.drain(..) {
                for delta in batch.iter() {
                    self.apply(delta);
                }
            }
            tokio::task::yield_now().await;
        }
    }

    fn apply(&self, delta: &Delta) {
        match delta {
            Delta::Publish { room, frame } => {
                let rooms = self.rooms.borrow();
                let mut delivered = 0;
                for member in rooms.members(room) {
                    self.send(member, frame.bytes(member.form));
                    delivered += 1;
                }
                self.metrics.deliveries.inc_by(delivered);
            }
            Delta::Announce { frame } => {
                let connections = self.connections.borrow();
                for connection in connections.values() {
                    if connection.hears_users.get() {
                        self.send(connection, frame.bytes(connection.form));
                        self.metrics.deliveries.inc();
                    }
                }
            }
            Delta::Subscribe { room, connection } => self.subscribe(room, *connection),
            Delta::Unsubscribe { room, user } => {
                for connection in self.connections_of(user) {
                    self.unsubscribe(&connection, room);
                }
            }
            Delta::CloseRoom { room } => {
                let members: Vec<_> = self.rooms.borrow().members(room).cloned().collect();
                for connection in members {
                    self.unsubscribe(&connection, room);
                }
            }
            Delta::Recheck { user } => self.recheck(user),
        }
    }

    fn subscribe(&self, room: &RoomId, id: ConnectionId) {
        if id.shard != self.index {
            return;
        }
        let found = self.connections.borrow().get(&id.number).cloned();
        let hears = |found: &Rc<Connection>| !found.is_ending() && found.hears_users.get();
        let Some(connection) = found.filter(hears) else {
            return;
        };
        let mut rooms = connection.rooms.borrow_mut();
        let known = rooms.iter().any(|(known, _)| known == room);
        if known || rooms.len() >= ROOMS_PER_CONNECTION_MAX {
            return;
        }
        let Some(caller) = connection.caller() else { return };
        self.gate.directory().watch(room, &caller.principal.user().id);
        let key = self.rooms.borrow_mut().add(room, Rc::clone(&connection));
        rooms.push((room.clone(), key));
    }

    /// The connection hears the room no more. Gives whether the user's last one stopped.
    fn unsubscribe(&self, connection: &Rc<Connection>, room: &RoomId) -> bool {
        let mut rooms = connection.rooms.borrow_mut();
        let Some(index) = rooms.iter().position(|(known, _)| known == room) else {
            return false;
        };
        let (room, key) = rooms.swap_remove(index);
        self.rooms.borrow_mut().remove(&room, key);
        connection.caller().is_some_and(|caller| {
            self.gate.directory().unwatch(&room, &caller.principal.user().id) == 0
        })
    }

    fn recheck(&self, user: &UserId) {
        let now = self.now();
        for connection in self.connections_of(user) {
            let standing = connection.caller().map(|caller| caller.principal.is_current(now));
            if let Some(Err(denial)) = standing {
                connection.end(End::Refused(denial));
            }
        }
    }

    fn connections_of(&self, user: &UserId) -> Vec<Rc<Connection>> {
        let numbers = self.users.borrow().get(user).cloned().unwrap_or_default();
        let connections = self.connections.borrow();
        numbers.iter().filter_map(|number| connections.get(number).cloned()).collect()
    }

    /// Makes a signed-in connection findable by its user.
    pub(crate) fn sign_in(&self, connection: &Connection, user: &UserId) {
        let mut users = self.users.borrow_mut();
        users.entry(user.clone()).or_default().push(connection.id.number);
    }

    /// Takes a connection out of everything it is in, and frees what it held.
    pub(crate) fn forget(&self, connection: &Rc<Connection>) {
        let number = connection.id.number;
        if self.connections.borrow_mut().remove(&number).is_none() {
            return;
        }
        self.metrics.connections_open.dec();
        self.leave_rooms(connection);
        let Some(caller) = connection.caller() else { return };
        let user = &caller.principal.user().id;
        let mut users = self.users.borrow_mut();
        if let Some(numbers) = users.get_mut(user) {
            numbers.retain(|known| *known != number);
            if numbers.is_empty() {
                users.remove(user);
            }
        }
        connection.caller.borrow_mut().take();
    }

    /// The connection hears no room any more; the product learns where its user went offline.
    pub(crate) fn leave_rooms(&self, connection: &Rc<Connection>) {
        let rooms: Vec<RoomId> =
            connection.rooms.borrow().iter().map(|(room, _)| room.clone()).collect();
        let caller = connection.caller();
        for room in rooms {
            let last = self.unsubscribe(connection, &room);
            if let (true, Some(caller), Some(hook)) = (last, &caller, &self.registered.unwatch) {
                hook(&self.hub, room, caller.principal.user().clone());
            }
        }
    }

    /// Ends every connection that runs no act: the server is going away.
    pub(crate) fn end_idle(&self) {
        let connections: Vec<_> = self.connections.borrow().values().cloned().collect();
        for connection in connections {
            if connection.job_since_ms.get() == 0 {
                connection.end(End::Refused(Denial::Draining));
            }
        }
    }
}
