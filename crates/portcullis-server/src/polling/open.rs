//! A long-polling session is opened: its client gets the secret id.
//! Never: a session without a slot.

use std::rc::Rc;

use portcullis_guard::{AdmittedRequest, SessionBinding};
use portcullis_model::Denial;
use portcullis_wire::engineio::{BinaryForm, OpenOptions, Session, open_packet};

use crate::connection::client_info::ClientInfo;
use crate::connection::state::{Connection, Transport};
use crate::events::frame::Form;
use crate::http::connection::HttpConnection;
use crate::http::next::{Next, respond};
use crate::polling::response::packets_response;
use crate::polling::transport::Polling;
use crate::task::connection_task::ConnectionTask;
use crate::websocket::upgrade::narrow;

/// An admitted request that opens a session.
pub(crate) struct OpenRequest {
    pub(crate) form: Form,
    pub(crate) admitted: AdmittedRequest,
    pub(crate) binding: SessionBinding,
    pub(crate) binary: BinaryForm,
}

/// Opens a session and sends its secret id.
pub(crate) async fn open_session(
    http: &mut HttpConnection,
    request: OpenRequest,
    keep_alive: bool,
) -> Next {
    let OpenRequest { form, admitted, binding, binary } = request;
    let shard = Rc::clone(&http.shard);
    let now = shard.now();
    let id = shard.connections.next_id();
    let Ok((sid, secret)) = shard.server.sessions.ids.make(id) else {
        http.responder().reject_bare(&Denial::Internal("randomness")).await;
        return Next::Close;
    };
    let mut session = Session::open(now.monotonic_ms, &shard.session_options());
    if form == Form::Engine {
        session.connected();
    }
    let AdmittedRequest { client, class, origin, bearer, cookies, slot, .. } = admitted;
    let (port, packets) = (http.client.port(), shard.server.gate.limits().packet_budget());
    let info = ClientInfo { address: client, class, port, origin: origin.clone(), packets };
    let transport = Transport::Polling(Box::new(Polling::new(binding)));
    let connection = Rc::new(Connection::new(id, form, info, Some(secret), transport, session));
    connection.format.binary.set(binary);
    shard.server.metrics.connections_total.inc();
    shard.add(&connection, now);
    let task = ConnectionTask::new(Rc::clone(&shard), connection, slot, bearer, cookies);
    tokio::task::spawn_local(task);
    let packet = open_packet(&OpenOptions {
        sid: &sid,
        upgrades: &["websocket"],
        ping_interval_ms: narrow(shard.server.options.ping_interval_ms),
        ping_timeout_ms: narrow(shard.server.options.ping_timeout_ms),
        max_payload: u32::try_from(shard.server.options.polling_max_bytes).unwrap_or(u32::MAX),
    });
    respond(http, packets_response(packet.as_bytes(), origin.as_deref(), keep_alive)).await
}
