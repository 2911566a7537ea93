//! An operation applied to the matching sockets of one shard.
//! Never: the same socket twice, or one that matches only during the operation.

use std::rc::Rc;
use std::sync::Arc;

use portcullis_model::UserId;
use portcullis_wire::socketio;
use portcullis_wire::websocket::{Opcode, frame};

use crate::connection::end::EndReason;
use crate::connection::socket::Socket;
use crate::delivery::operation::{Operation, OperationKind, SocketFilter, SocketInfo};
use crate::events::frame::Form;
use crate::rooms::membership::{join_room, leave_namespace, leave_room};
use crate::shard::state::Shard;

/// Sockets that one `fetch` returns of each shard, at most.
const FETCH_MAX: usize = 10_000;

pub(crate) fn apply_operation(shard: &Shard, operation: &Operation) {
    let sockets = matching(shard, &operation.filter);
    match &operation.kind {
        OperationKind::Emit { frame, volatile } => {
            for socket in &sockets {
                if !(*volatile && socket.connection.is_slow_consumer()) {
                    shard.send_event(&socket.connection, frame);
                    shard.server.metrics.deliveries.inc();
                }
            }
            let threads = match operation.filter.only {
                Some(_) => 1,
                None => shard.server.hub.shard_count(),
            };
            shard.record_delivery(&operation.timing, threads);
        }
        OperationKind::EmitWithAck { frame, id, collector, timeout_ms } => {
            let now = shard.now();
            for socket in &sockets {
                let namespace = socket.namespace.clone();
                let (connection, slot) = (&socket.connection, collector.expect_one());
                // The plain form has no acknowledgements of events.
                if connection.form == Form::SocketIo
                    && connection.members.acks.expect(*id, namespace, slot, now, *timeout_ms)
                {
                    shard.send_event(connection, frame);
                }
            }
            collector.shard_done();
        }
        OperationKind::Join(room) => {
            for socket in &sockets {
                join_room(shard, socket, room);
            }
        }
        OperationKind::Leave(room) => {
            for socket in &sockets {
                leave_room(shard, socket, room);
            }
        }
        OperationKind::Disconnect => {
            sockets.iter().for_each(|socket| disconnect_socket(shard, socket));
        }
        OperationKind::Fetch(collector) => {
            collector.add(sockets.iter().take(FETCH_MAX).filter_map(socket_info));
            collector.shard_done();
        }
    }
}

fn matching(shard: &Shard, filter: &SocketFilter) -> Vec<Rc<Socket>> {
    let mut sockets: Vec<Rc<Socket>> = match filter.only {
        Some(connection) => {
            let connection = shard.connections.open(connection);
            let socket =
                connection.and_then(|connection| connection.socket(filter.namespace.as_str()));
            socket.into_iter().collect()
        }
        None => {
            let rooms = shard.rooms.borrow();
            match filter.to.as_slice() {
                [] => rooms.sockets(&filter.namespace).cloned().collect(),
                several => several
                    .iter()
                    .flat_map(|room| rooms.members(&filter.namespace, room))
                    .cloned()
                    .collect(),
            }
        }
    };
    if filter.to.len() > 1 {
        sockets.sort_unstable_by_key(|socket| socket.connection.id.number);
        sockets.dedup_by_key(|socket| socket.connection.id.number);
    }
    sockets.retain(|socket| {
        filter.without != Some(socket.connection.id)
            && !filter.except.iter().any(|room| socket.is_in(room))
            && filter.user.as_ref().is_none_or(|user| is_of_user(socket, user))
    });
    sockets
}

fn is_of_user(socket: &Socket, user: &UserId) -> bool {
    socket.connection.caller().is_some_and(|caller| caller.principal.user().id == *user)
}

/// Removes a socket from its namespace; the connection stays for other namespaces.
pub(crate) fn disconnect_socket(shard: &Shard, socket: &Rc<Socket>) {
    let connection = Rc::clone(&socket.connection);
    match connection.form {
        Form::SocketIo | Form::Engine => {
            let text = socketio::disconnect(socket.namespace.as_str());
            shard.send(&connection, frame(Opcode::Text, text.as_bytes()));
            leave_namespace(shard, socket, "server namespace disconnect");
            shard.expect_connect(&connection);
        }
        // A plain connection has one socket and ends with it.
        Form::Plain => connection.end(EndReason::ClientClosed),
    }
}

fn socket_info(socket: &Rc<Socket>) -> Option<SocketInfo> {
    let caller = socket.connection.caller()?;
    Some(SocketInfo {
        id: socket.id,
        connection: socket.connection.id,
        user: Arc::clone(caller.principal.user()),
        rooms: socket.room_list(),
    })
}
