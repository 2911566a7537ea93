//! A selection of connections, counted or ended on one shard.
//! Never: a wait; the whole selection is handled in one turn.

use std::collections::HashSet;
use std::rc::Rc;

use portcullis_model::Denial;

use crate::connection::end::EndReason;
use crate::connection::state::Connection;
use crate::delivery::selection::{
    ConnectionSelection, SelectionEffect, SelectionRequest, ShardSelection,
};
use crate::shard::state::Shard;

/// Answers the request for this shard.
pub(crate) fn apply_selection(shard: &Shard, request: &SelectionRequest) {
    let mut answer = ShardSelection { connections: 0, signed_in: 0, users: HashSet::new() };
    for connection in selected(shard, &request.selection) {
        answer.connections += 1;
        if let Some(caller) = connection.caller() {
            answer.signed_in += 1;
            answer.users.insert(caller.principal.user().id.clone());
        }
        if request.effect == SelectionEffect::End {
            connection.end(EndReason::Denied(Denial::SessionEnded("kicked")));
        }
    }
    request.collector.add([answer]);
    request.collector.shard_done();
}

fn selected(shard: &Shard, selection: &ConnectionSelection) -> Vec<Rc<Connection>> {
    match selection {
        ConnectionSelection::Id(id) => shard.connections.open(*id).into_iter().collect(),
        ConnectionSelection::User(user) => shard.connections.of_user(user),
        ConnectionSelection::Session(user, session) => {
            let mut all = shard.connections.of_user(user);
            all.retain(|connection| {
                let caller = connection.caller();
                caller.is_some_and(|caller| caller.principal.session() == Some(session.as_str()))
            });
            all
        }
        ConnectionSelection::Network(network) => {
            let mut all = shard.connections.all();
            all.retain(|connection| network.contains(connection.client.address));
            all
        }
    }
}
