//! One turn of a listing of connections, on one shard.
//! Never: a connection that is ending, or a wait.

use std::rc::Rc;
use std::sync::Arc;

use portcullis_model::Now;

use crate::connection::state::Connection;
use crate::delivery::inspect::{
    ConnectionFilter, ConnectionInfo, INSPECTED_PER_TURN, InspectionAnswer, InspectionRequest,
};
use crate::events::frame::Form;
use crate::shard::state::Shard;

/// Answers the request for this shard.
pub(crate) fn apply_inspection(shard: &Shard, request: &InspectionRequest) {
    let InspectionRequest { filter, after, limit, collector } = request;
    let mut candidates = match &filter.user {
        Some(user) => shard.connections.of_user_after(user, *after, INSPECTED_PER_TURN),
        None => shard.connections.after(*after, INSPECTED_PER_TURN),
    };
    let is_full_turn = candidates.len() == INSPECTED_PER_TURN;
    let mut next = candidates.last().filter(|_| is_full_turn).map(|last| last.id.number);
    candidates.retain(|connection| !connection.is_ending() && fits(connection, filter));
    if candidates.len() > *limit {
        candidates.truncate(*limit);
        next = candidates.last().map(|last| last.id.number);
    }
    let now = shard.now();
    let found = candidates.iter().map(|connection| info(connection, now)).collect();
    collector.add([InspectionAnswer { found, next }]);
    collector.shard_done();
}

fn fits(connection: &Connection, filter: &ConnectionFilter) -> bool {
    let address = connection.client.address.to_canonical();
    let is_signed_in = || connection.caller.borrow().is_some();
    (filter.networks.is_empty() || filter.networks.iter().any(|network| network.contains(&address)))
        && filter.signed_in.is_none_or(|signed_in| signed_in == is_signed_in())
}

fn info(connection: &Rc<Connection>, now: Now) -> ConnectionInfo {
    let caller = connection.caller();
    ConnectionInfo {
        id: connection.id,
        user: caller.map(|caller| Arc::clone(caller.principal.user())),
        address: connection.client.address,
        form: match connection.form {
            Form::SocketIo => "socketio",
            Form::Plain => "websocket",
            Form::Engine => "engineio",
        },
        transport: if connection.is_polling() { "polling" } else { "websocket" },
        opened_unix_ms: i64::from(connection.timers.opened_unix_s.get()) * 1_000,
        rooms: connection.members.sockets.borrow().iter().map(|socket| socket.room_count()).sum(),
        outbox_bytes: connection.output.outbox.borrow().queued_bytes(),
        messages_per_minute: connection.output.received.per_minute(now),
        rejected: connection.client.rejected.get(),
    }
}
