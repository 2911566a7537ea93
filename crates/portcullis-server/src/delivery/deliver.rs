//! Deliveries applied to one shard, in the order they were committed.
//! Never: a query, a wait, a copy of the frame.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use portcullis_model::limits::ROOMS_PER_CONNECTION_MAX;
use portcullis_model::{ConnectionId, Denial, Namespace, Now, RoomId, UserId};
use tokio::sync::mpsc;

use crate::connection::socket::Socket;
use crate::connection::state::{Connection, End};
use crate::delivery::hub::{Acknowledge, Batch, Delta};
use crate::events::frame::Frame;
use crate::events::namespace::Departure;
use crate::rooms::recovery::{Occupied, Parked, Resuming};
use crate::shard::numbers::Numbers;
use crate::shard::state::Shard;

/// Batches applied before other tasks of the shard get a turn.
const BATCHES_PER_TURN: usize = 16;

impl Shard {
    /// Runs for the shard's life: applies what the hub hands over.
    pub(crate) async fn deliver_forever(self: Rc<Self>, mut inbox: mpsc::Receiver<Batch>) {
        let mut batches = Vec::with_capacity(BATCHES_PER_TURN);
        while inbox.recv_many(&mut batches, BATCHES_PER_TURN).await > 0 {
            for batch in batches.drain(..) {
                for delta in batch.deltas.iter() {
                    self.apply(delta);
                }
                batch.applied();
            }
            tokio::task::yield_now().await;
        }
    }

    fn apply(&self, delta: &Delta) {
        match delta {
            Delta::Publish { room, frame } => self.publish(room, frame),
            Delta::Announce { frame } => self.announce(frame),
            Delta::Subscribe { room, connection } => {
                if let Some(socket) = self.main_socket(*connection) {
                    self.subscribe(&socket, room);
                }
            }
            Delta::Unsubscribe { room, user } => {
                for connection in self.connections_of(user) {
                    if let Some(socket) = connection.socket("/") {
                        self.unsubscribe(&socket, room);
                    }
                }
            }
            Delta::CloseRoom { room } => {
                let rooms = self.rooms.borrow();
                let members: Vec<_> = rooms.members(&Namespace::MAIN, room).cloned().collect();
                drop(rooms);
                for socket in members {
                    self.unsubscribe(&socket, room);
                }
            }
            Delta::Recheck { user } => self.recheck(&self.connections_of(user)),
            Delta::Kick { user } => {
                for connection in self.connections_of(user) {
                    connection.end(End::Refused(Denial::SessionEnded("kicked")));
                }
            }
            Delta::Probe { user } => self.probe(user),
            Delta::Replace { connection } => self.replace(*connection),
            Delta::RecheckAll => {
                let all: Vec<_> = self.connections.borrow().values().cloned().collect();
                self.recheck(&all);
            }
            Delta::Resume { connection, rooms, missed } => {
                self.put_back(*connection, rooms, missed);
            }
            Delta::Operate(operation) => self.operate(operation),
            Delta::Acknowledge(Acknowledge { connection, frames }) => {
                if let Some(connection) = self.open_connection(*connection) {
                    for frame in frames {
                        self.send(&connection, frame.clone());
                    }
                }
            }
        }
    }

    fn publish(&self, room: &RoomId, frame: &Arc<Frame>) {
        let rooms = self.rooms.borrow();
        let mut delivered = 0;
        for member in rooms.members(frame.namespace(), room) {
            self.send_event(&member.connection, frame);
            delivered += 1;
        }
        self.metrics.deliveries.inc_by(delivered);
    }

    fn announce(&self, frame: &Arc<Frame>) {
        let rooms = self.rooms.borrow();
        for socket in rooms.everyone(frame.namespace()) {
            self.send_event(&socket.connection, frame);
            self.metrics.deliveries.inc();
        }
    }

    /// A connection of this shard that has not ended.
    pub(crate) fn open_connection(&self, id: ConnectionId) -> Option<Rc<Connection>> {
        if id.shard != self.index {
            return None;
        }
        let found = self.connections.borrow().get(&id.number).cloned();
        found.filter(|found| !found.is_ending())
    }

    fn main_socket(&self, id: ConnectionId) -> Option<Rc<Socket>> {
        self.open_connection(id)?.socket("/")
    }

    /// The socket hears the room from here on; at its limit, or if it does already, nothing. Gives
    /// whether it is the user's first one that does.
    pub(crate) fn subscribe(&self, socket: &Rc<Socket>, room: &RoomId) -> bool {
        let mut rooms = socket.rooms.borrow_mut();
        let known = rooms.iter().any(|(known, _)| known == room);
        if known || rooms.len() >= ROOMS_PER_CONNECTION_MAX {
            return false;
        }
        let Some(caller) = socket.connection.caller() else { return false };
        let first = socket.namespace.is_main()
            && self.gate.directory().watch(room, &caller.principal.user().id) == 1;
        let key = self.rooms.borrow_mut().add(room, socket);
        rooms.push((room.clone(), key));
        socket.rooms_changed();
        first
    }

    /// The socket hears the room no more. Gives whether the user's last one stopped.
    pub(crate) fn unsubscribe(&self, socket: &Rc<Socket>, room: &RoomId) -> bool {
        let mut rooms = socket.rooms.borrow_mut();
        let Some(index) = rooms.iter().position(|(known, _)| known == room) else {
            return false;
        };
        let (room, key) = rooms.swap_remove(index);
        socket.rooms_changed();
        self.rooms.borrow_mut().remove(&socket.namespace, &room, key);
        socket.namespace.is_main()
            && socket.connection.caller().is_some_and(|caller| {
                self.gate.directory().unwatch(&room, &caller.principal.user().id) == 0
            })
    }

    /// A place is taken again: the answer, what was missed, and then what is live. When that is
    /// more than may wait for one connection it gets a fresh place instead.
    fn put_back(&self, id: ConnectionId, rooms: &[RoomId], missed: &[Arc<Frame>]) {
        let Some(connection) = self.open_connection(id) else { return };
        let Some(resuming) = connection.resuming.take() else { return };
        let Resuming { socket, answer } = *resuming;
        let bytes: usize = missed.iter().map(|frame| frame.len()).sum();
        if bytes <= self.options.outbox_max_bytes / 2 {
            self.enter_namespace(&socket);
            self.send(&connection, answer);
            for frame in missed {
                connection.queue_missed(frame, &self.options);
            }
            for room in rooms {
                let first = self.subscribe(&socket, room);
                let hook = self.registered.watch.as_ref().filter(|_| first);
                if let (Some(hook), Some(caller)) = (hook, connection.caller()) {
                    hook(&self.hub, room.clone(), caller.principal.user().clone());
                }
            }
        }
        connection.wake();
    }

    /// Ends connections whose standing has, and takes others out of namespaces they may not be in.
    pub(crate) fn recheck(&self, connections: &[Rc<Connection>]) {
        let now = self.now();
        for connection in connections {
            let Some(caller) = connection.caller() else { continue };
            if caller.principal.is_evicted_silent() {
                connection.end(End::Replaced);
                continue;
            }
            if let Err(denial) = caller.principal.is_current(now) {
                connection.end(End::Refused(denial));
                continue;
            }
            if caller.principal.is_replaced() {
                // It ends sooner than its token says, and the client is told.
                self.arm(connection, now.monotonic_ms);
            }
            let roles = caller.principal.roles();
            let sockets: Vec<_> = connection.sockets.borrow().iter().cloned().collect();
            for socket in sockets {
                let rule = self.registered.namespaces.rule(socket.rule);
                if rule.and_then(|rule| rule.role).is_some_and(|role| !roles.contains(role)) {
                    self.disconnect(&socket);
                }
            }
        }
    }

    pub(crate) fn connections_of(&self, user: &UserId) -> Vec<Rc<Connection>> {
        let users = self.users.borrow();
        let connections = self.connections.borrow();
        let numbers = users.get(user).into_iter().flat_map(Numbers::iter);
        numbers.filter_map(|number| connections.get(&number).cloned()).collect()
    }

    /// Makes a signed-in connection findable by its user.
    pub(crate) fn sign_in(&self, connection: &Connection, user: &UserId) {
        let mut users = self.users.borrow_mut();
        users.entry(user.clone()).or_default().add(connection.id.number);
    }

    /// A socket is in its namespace from here on.
    pub(crate) fn enter_namespace(&self, socket: &Rc<Socket>) {
        self.rooms.borrow_mut().enter(socket);
        socket.connection.sockets.borrow_mut().add(Rc::clone(socket));
        let caller = socket.connection.caller();
        if let (Some(pid), Some(caller)) = (&socket.pid, caller) {
            let occupied = Occupied {
                user: caller.principal.user().id.clone(),
                session: caller.principal.session().map(Box::from),
                namespace: socket.namespace.clone(),
                connection: socket.connection.id,
                last_heard: caller.principal.last_activity(),
            };
            self.parking.enter(pid.clone(), occupied);
        }
    }

    /// A socket leaves its namespace, after its hook has seen where it was.
    pub(crate) fn leave_namespace(&self, socket: &Rc<Socket>, reason: &'static str) {
        let rooms: Vec<RoomId> =
            socket.rooms.borrow().iter().map(|(room, _)| room.clone()).collect();
        let caller = socket.connection.caller();
        let rule = self.registered.namespaces.rule(socket.rule);
        let hook = rule.and_then(|rule| rule.disconnecting.as_ref());
        if let (Some(hook), Some(caller)) = (hook, &caller) {
            let departure = Departure {
                socket: socket.id,
                connection: socket.connection.id,
                namespace: socket.namespace.clone(),
                user: caller.principal.user().clone(),
                rooms: rooms.clone(),
                reason,
                hub: self.hub.clone(),
            };
            // A panic of a hook must not keep the rest from being freed.
            let ran = catch_unwind(AssertUnwindSafe(|| hook(&departure)));
            if ran.is_err() {
                tracing::error!(namespace = %socket.namespace, "a disconnecting hook panicked");
            }
        }
        for room in rooms {
            let last = self.unsubscribe(socket, &room);
            if let (true, Some(caller), Some(hook)) = (last, &caller, &self.registered.unwatch) {
                hook(&self.hub, room, caller.principal.user().clone());
            }
        }
        socket.connection.acks.give_up(&socket.namespace);
        self.rooms.borrow_mut().leave(socket);
        socket.connection.sockets.borrow_mut().remove(socket);
    }

    /// Takes a connection out of everything it is in, and frees what it held.
    pub(crate) fn forget(&self, connection: &Rc<Connection>, end: &End, now: Now) {
        let number = connection.id.number;
        if self.connections.borrow_mut().remove(&number).is_none() {
            return;
        }
        self.metrics.connections_open.dec();
        connection.resuming.take();
        let sockets: Vec<_> = connection.sockets.borrow().iter().cloned().collect();
        for socket in sockets {
            self.park(&socket, end, now);
            self.leave_namespace(&socket, end.reason());
        }
        connection.acks.give_up_all();
        let Some(caller) = connection.caller() else { return };
        let user = &caller.principal.user().id;
        let mut users = self.users.borrow_mut();
        if let Some(numbers) = users.get_mut(user) {
            numbers.remove(number);
            if numbers.is_empty() {
                users.remove(user);
            }
        }
        connection.caller.borrow_mut().take();
    }

    /// Keeps the place of a socket whose client may come back.
    fn park(&self, socket: &Socket, end: &End, now: Now) {
        let Some(pid) = &socket.pid else { return };
        let caller = socket.connection.caller().filter(|_| end.may_come_back());
        let Some(caller) = caller else { return self.parking.leave(pid) };
        let parked = Parked {
            user: caller.principal.user().id.clone(),
            session: caller.principal.session().map(Box::from),
            namespace: socket.namespace.clone(),
            socket: socket.id,
            rooms: socket.rooms.borrow().iter().map(|(room, _)| room.clone()).collect(),
        };
        self.parking.park(pid.clone(), parked, now);
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
