//! Open connections that a server at the level `critical` ends.
//! Never: the choice of the clients that stay connected; the guard makes it.

use crate::connection::end::EndReason;
use crate::events::frame::Form;
use crate::shard::state::Shard;

/// Ends connections of this shard: those of clients that the guard sheds, and slow consumers.
pub(crate) fn shed_connections(shard: &Shard) {
    let limits = shard.server.gate.limits();
    for connection in shard.connections.all() {
        // A connection of Engine.IO alone has no log-in to wait for.
        let is_signed_in = connection.form == Form::Engine || connection.caller().is_some();
        let class = connection.client.class;
        match limits.check_shed_connection(class, is_signed_in) {
            Err(denial) => connection.end(EndReason::Denied(denial)),
            Ok(()) if connection.end_if_far_behind(&shard.server.options) => {}
            Ok(()) => continue,
        }
        connection.wake();
    }
    if shard.index == 0 {
        shard.server.recovery.clear();
    }
}
