//! Deliveries applied to one shard, in the order in which they were committed.
//! Never: a query, a wait, a copy of the frame.

use std::rc::Rc;
use std::sync::Arc;

use portcullis_guard::ClientClass;
use portcullis_model::{ConnectionId, Denial, Namespace, RoomId, UserId};
use tokio::sync::mpsc;

use crate::connection::end::EndReason;
use crate::connection::socket::{PendingRecovery, Socket};
use crate::connection::state::Connection;
use crate::delivery::apply_inspection::apply_inspection;
use crate::delivery::apply_operation::{apply_operation, disconnect_socket};
use crate::delivery::apply_selection::apply_selection;
use crate::delivery::hub::{Acknowledge, Batch, Delta};
use crate::events::frame::Frame;
use crate::rooms::membership::{enter_namespace, join_room, leave_room};
use crate::shard::state::Shard;

/// Batches applied before other tasks of the shard continue.
const BATCHES_PER_TURN: usize = 16;

/// Applies the deliveries of the hub, for the shard's life.
pub(crate) async fn delivery_loop(shard: Rc<Shard>, mut inbox: mpsc::Receiver<Batch>) {
    let mut batches = Vec::with_capacity(BATCHES_PER_TURN);
    while inbox.recv_many(&mut batches, BATCHES_PER_TURN).await > 0 {
        for batch in batches.drain(..) {
            for delta in batch.deltas.iter() {
                apply(&shard, delta);
            }
            batch.set_applied();
        }
        tokio::task::yield_now().await;
    }
}

fn apply(shard: &Shard, delta: &Delta) {
    match delta {
        Delta::Publish { room, frame, timing } => {
            publish(shard, room, frame);
            shard.record_delivery(timing, shard.server.hub.shard_count());
        }
        Delta::Announce { frame } => announce(shard, frame),
        Delta::Subscribe { room, connection } => {
            if let Some(socket) = main_socket(shard, *connection) {
                join_room(shard, &socket, room);
            }
        }
        Delta::Unsubscribe { room, user } => unsubscribe(shard, room, user),
        Delta::CloseRoom { room } => close_room(shard, room),
        Delta::Recheck { user } => recheck(shard, &shard.connections.of_user(user)),
        Delta::Probe { user } => probe(shard, user),
        Delta::Replace { connection } => {
            if let Some(connection) = shard.connections.open(*connection) {
                connection.end(EndReason::Replaced);
            }
        }
        Delta::RecheckAll => recheck(shard, &shard.connections.all()),
        Delta::RecheckBlocks => recheck_blocks(shard),
        Delta::Select(request) => apply_selection(shard, request),
        Delta::Inspect(request) => apply_inspection(shard, request),
        Delta::Resume { connection, rooms, missed } => resume(shard, *connection, rooms, missed),
        Delta::Operate(operation) => apply_operation(shard, operation),
        Delta::Acknowledge(Acknowledge { connection, frames }) => {
            if let Some(connection) = shard.connections.open(*connection) {
                for frame in frames {
                    shard.send(&connection, frame.clone());
                }
            }
        }
    }
}

fn publish(shard: &Shard, room: &RoomId, frame: &Arc<Frame>) {
    let rooms = shard.rooms.borrow();
    let mut delivered = 0;
    for member in rooms.members(frame.namespace(), room) {
        shard.send_event(&member.connection, frame);
        delivered += 1;
    }
    shard.server.metrics.deliveries.inc_by(delivered);
}

fn announce(shard: &Shard, frame: &Arc<Frame>) {
    let rooms = shard.rooms.borrow();
    for socket in rooms.sockets(frame.namespace()) {
        shard.send_event(&socket.connection, frame);
        shard.server.metrics.deliveries.inc();
    }
}

fn main_socket(shard: &Shard, id: ConnectionId) -> Option<Rc<Socket>> {
    shard.connections.open(id)?.socket("/")
}

fn unsubscribe(shard: &Shard, room: &RoomId, user: &UserId) {
    for connection in shard.connections.of_user(user) {
        if let Some(socket) = connection.socket("/") {
            leave_room(shard, &socket, room);
        }
    }
}

fn close_room(shard: &Shard, room: &RoomId) {
    let rooms = shard.rooms.borrow();
    let members: Vec<_> = rooms.members(&Namespace::MAIN, room).cloned().collect();
    drop(rooms);
    for socket in members {
        leave_room(shard, &socket, room);
    }
}

/// Sends a ping to the clients of a user. Every client answers pings by itself.
fn probe(shard: &Shard, user: &UserId) {
    let now = shard.now();
    for connection in shard.connections.of_user(user) {
        if connection.queue_probe(now) {
            shard.writes.add(&connection);
        }
    }
}

/// Recovers a socket: sends the answer and the missed events, and adds it to its rooms.
///
/// If too many bytes were missed, the socket is not recovered, and its client gets a new one.
fn resume(shard: &Shard, id: ConnectionId, rooms: &[RoomId], missed: &[Arc<Frame>]) {
    let Some(connection) = shard.connections.open(id) else { return };
    let Some(recovery) = connection.members.recovery.take() else { return };
    let PendingRecovery { socket, answer } = *recovery;
    let options = &shard.server.options;
    let bytes: usize = missed.iter().map(|frame| frame.len()).sum();
    if bytes <= options.outbox_max_bytes / 2 {
        enter_namespace(shard, &socket);
        shard.send(&connection, answer);
        for frame in missed {
            connection.queue_missed(frame, options);
        }
        for room in rooms {
            let is_first = join_room(shard, &socket, room);
            let hook = shard.server.registered.hooks.room_watched.as_ref().filter(|_| is_first);
            if let (Some(hook), Some(caller)) = (hook, connection.caller()) {
                hook(&shard.server.hub, room.clone(), caller.principal.user().clone());
            }
        }
    }
    connection.wake();
}

/// Ends connections that are no longer valid, and disconnects sockets without the required role.
pub(crate) fn recheck(shard: &Shard, connections: &[Rc<Connection>]) {
    let now = shard.now();
    for connection in connections {
        let Some(caller) = connection.caller() else { continue };
        if caller.principal.is_evicted_silent() {
            connection.end(EndReason::Replaced);
            continue;
        }
        if let Err(denial) = caller.principal.is_current(now) {
            connection.end(EndReason::Denied(denial));
            continue;
        }
        if caller.principal.is_replaced() {
            // It ends before its token expires, and the client is informed.
            shard.deadlines.set(connection, now.monotonic_ms);
        }
        let roles = caller.principal.roles();
        for socket in connection.socket_list() {
            let rule = shard.server.registered.namespaces.rule(socket.rule);
            if rule.is_some_and(|rule| !rule.admits(roles)) {
                disconnect_socket(shard, &socket);
            }
        }
    }
}

/// Ends the connections of blocked networks; signed-in users stay unless all clients are blocked.
fn recheck_blocks(shard: &Shard) {
    let now = shard.now();
    for connection in shard.connections.all() {
        let class = match connection.caller() {
            Some(_) => ClientClass::Returning,
            None => connection.client.class,
        };
        let blocks = shard.server.gate.directory().blocks();
        if let Err(denial) = blocks.check(connection.client.address, class, now) {
            connection.end(EndReason::Denied(denial));
        }
    }
}

/// Ends all connections that run no job, because the server stops.
pub(crate) fn end_idle_connections(shard: &Shard) {
    for connection in shard.connections.all() {
        if connection.timers.job_since_ms.get() == 0 {
            connection.end(EndReason::Denied(Denial::Draining));
        }
    }
}
