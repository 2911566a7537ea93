//! The recovery of a connection: a returning client claims its kept socket.
//! Never: the missed events; the product delivers them through the hub.

use std::rc::Rc;

use portcullis_guard::RecoveryClaim;
use portcullis_model::Now;

use crate::connect::request::ConnectRequest;
use crate::connection::link::Link;
use crate::connection::socket::Socket;
use crate::rooms::kept_sockets::{Claimant, KeptSocket, RecoveryFuture, RecoveryRequest};
use crate::rooms::offset;

/// Takes the kept socket of a returning user and asks the product for the missed events.
pub(crate) fn claim_socket(
    link: &Link,
    request: &ConnectRequest,
    claim: &RecoveryClaim,
    now: Now,
) -> Option<(Rc<Socket>, RecoveryFuture)> {
    let server = &link.shard.server;
    let rule = server.registered.namespaces.rule(request.rule)?;
    let hook = rule.recover.as_ref()?;
    let offset = offset::open(claim.offset.as_deref()?)?;
    let caller = link.connection.caller()?;
    let user = caller.principal.user().clone();
    let claimant = Claimant { user: &user.id, session: caller.principal.session() };
    let KeptSocket { socket, rooms, .. } =
        server.recovery.claim(&claim.pid, &claimant, &request.namespace, now)?;
    let future = hook(RecoveryRequest {
        connection: link.connection.id,
        namespace: request.namespace.clone(),
        user,
        rooms,
        offset,
    });
    let pid = Some(claim.pid.clone().into_boxed_str());
    let connection = Rc::clone(&link.connection);
    let namespace = request.namespace.clone();
    let socket = Socket::new(connection, namespace, request.rule, socket, pid);
    Some((Rc::new(socket), future))
}
