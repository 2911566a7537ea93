//! Joining and leaving of namespaces and rooms, with the hooks of the product.
//! Never: whether a user may join; the guard and the directory decide that.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use portcullis_model::limits::ROOMS_PER_CONNECTION_MAX;
use portcullis_model::{Now, RoomId};

use crate::connection::end::EndReason;
use crate::connection::socket::Socket;
use crate::connection::state::Connection;
use crate::events::namespace::Departure;
use crate::rooms::kept_sockets::{KeptSocket, LiveSocket};
use crate::shard::state::Shard;

/// Adds a socket to its namespace.
pub(crate) fn enter_namespace(shard: &Shard, socket: &Rc<Socket>) {
    shard.rooms.borrow_mut().enter(socket);
    socket.connection.members.sockets.borrow_mut().add(Rc::clone(socket));
    let caller = socket.connection.caller();
    if let (Some(pid), Some(caller)) = (&socket.pid, caller) {
        let live = LiveSocket {
            user: caller.principal.user().id.clone(),
            session: caller.principal.session().map(Box::from),
            namespace: socket.namespace.clone(),
            connection: socket.connection.id,
            last_activity: caller.principal.last_activity(),
        };
        shard.server.recovery.add_live(pid.clone(), live);
    }
}

/// Removes a socket from its rooms and its namespace, after the namespace's hook has run.
pub(crate) fn leave_namespace(shard: &Shard, socket: &Rc<Socket>, reason: &'static str) {
    let registered = &shard.server.registered;
    let rooms = socket.room_list();
    let caller = socket.connection.caller();
    let rule = registered.namespaces.rule(socket.rule);
    let hook = rule.and_then(|rule| rule.disconnecting.as_ref());
    if let (Some(hook), Some(caller)) = (hook, &caller) {
        let departure = Departure {
            socket: socket.id,
            connection: socket.connection.id,
            namespace: socket.namespace.clone(),
            user: caller.principal.user().clone(),
            rooms: rooms.clone(),
            reason,
            hub: shard.server.hub.clone(),
        };
        // A panic of a hook must not keep the socket in its rooms.
        let ran = catch_unwind(AssertUnwindSafe(|| hook(&departure)));
        if ran.is_err() {
            tracing::error!(namespace = %socket.namespace, "a disconnecting hook panicked");
        }
    }
    for room in rooms {
        let is_last = leave_room(shard, socket, &room);
        let hook = registered.hooks.room_unwatched.as_ref().filter(|_| is_last);
        if let (Some(caller), Some(hook)) = (&caller, hook) {
            hook(&shard.server.hub, room, caller.principal.user().clone());
        }
    }
    socket.connection.members.acks.cancel(&socket.namespace);
    shard.rooms.borrow_mut().leave(socket);
    socket.connection.members.sockets.borrow_mut().remove(socket);
}

/// Adds a socket to a room. No effect when it is in the room already, or in the maximum number of
/// rooms. Returns whether it is the user's first socket there.
pub(crate) fn join_room(shard: &Shard, socket: &Rc<Socket>, room: &RoomId) -> bool {
    let mut rooms = socket.rooms.borrow_mut();
    let is_member = rooms.iter().any(|(joined, _)| joined == room);
    if is_member || rooms.len() >= ROOMS_PER_CONNECTION_MAX {
        return false;
    }
    let Some(caller) = socket.connection.caller() else { return false };
    let is_first = socket.namespace.is_main()
        && shard.server.gate.directory().watch(room, &caller.principal.user().id) == 1;
    let key = shard.rooms.borrow_mut().add(room, socket);
    rooms.push((room.clone(), key));
    socket.rooms_changed();
    is_first
}

/// Removes a socket from a room. Returns whether it was the user's last socket there.
pub(crate) fn leave_room(shard: &Shard, socket: &Rc<Socket>, room: &RoomId) -> bool {
    let mut rooms = socket.rooms.borrow_mut();
    let Some(index) = rooms.iter().position(|(joined, _)| joined == room) else {
        return false;
    };
    let (room, key) = rooms.swap_remove(index);
    socket.rooms_changed();
    shard.rooms.borrow_mut().remove(&socket.namespace, &room, key);
    socket.namespace.is_main()
        && socket.connection.caller().is_some_and(|caller| {
            shard.server.gate.directory().unwatch(&room, &caller.principal.user().id) == 0
        })
}

/// Removes a connection from all namespaces and frees its resources.
pub(crate) fn remove_connection(
    shard: &Shard,
    connection: &Rc<Connection>,
    reason: &EndReason,
    now: Now,
) {
    if !shard.connections.remove(connection) {
        return;
    }
    shard.server.metrics.connections_open.dec();
    connection.members.recovery.take();
    for socket in connection.socket_list() {
        keep_for_recovery(shard, &socket, reason, now);
        leave_namespace(shard, &socket, reason.socket_io_reason());
    }
    connection.members.acks.cancel_all();
    let Some(caller) = connection.caller() else { return };
    shard.connections.sign_out(connection, &caller.principal.user().id);
    connection.caller.borrow_mut().take();
}

/// Keeps a socket whose client may return.
fn keep_for_recovery(shard: &Shard, socket: &Socket, reason: &EndReason, now: Now) {
    let Some(pid) = &socket.pid else { return };
    let caller = socket.connection.caller().filter(|_| reason.is_recoverable());
    let Some(caller) = caller else { return shard.server.recovery.remove_live(pid) };
    let kept = KeptSocket {
        user: caller.principal.user().id.clone(),
        session: caller.principal.session().map(Box::from),
        namespace: socket.namespace.clone(),
        socket: socket.id,
        rooms: socket.room_list(),
    };
    shard.server.recovery.keep(pid.clone(), kept, now);
}
