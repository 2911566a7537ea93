//! A long-polling session is opened: its client gets the secret id.
//! Never: a session without a slot.

use std::rc::Rc;

use portcullis_guard::{AdmittedRequest, SessionBinding};
use portcullis_model::Denial;
use portcullis_wire::engineio::BinaryForm;

use crate::connection::opening::{ConnectionOpening, open_connection, session_packet};
use crate::connection::state::Transport;
use crate::events::frame::Form;
use crate::http::connection::HttpConnection;
use crate::http::next::{Next, respond};
use crate::polling::response::packets_response;
use crate::polling::transport::Polling;
use crate::websocket::compression::Compression;

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
    let id = shard.connections.next_id();
    let Ok((sid, secret)) = shard.server.sessions.ids.make(id) else {
        http.responder().reject_bare(&Denial::Internal("randomness")).await;
        return Next::Close;
    };
    let origin = admitted.origin.clone();
    let (port, compression) = (http.client.port(), Compression::None);
    let opening = ConnectionOpening { id, form, secret: Some(secret), binary, compression, port };
    let transport = Transport::Polling(Box::new(Polling::new(binding)));
    let task = open_connection(&shard, opening, admitted, transport);
    tokio::task::spawn_local(task);
    let options = &shard.server.options;
    let max_payload = u32::try_from(options.polling_max_bytes).unwrap_or(u32::MAX);
    let packet = session_packet(options, &sid, &["websocket"], max_payload);
    respond(http, packets_response(packet.as_bytes(), origin.as_deref(), keep_alive)).await
}
