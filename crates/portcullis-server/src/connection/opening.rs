//! The start of a connection that an admitted request opens, by a WebSocket or by long-polling.
//! Never: the response to the request.

use std::cell::Cell;
use std::num::NonZeroU16;
use std::rc::Rc;

use portcullis_guard::AdmittedRequest;
use portcullis_model::ConnectionId;
use portcullis_wire::engineio::{BinaryForm, OpenOptions, Session, open_packet};

use crate::connection::client_info::ClientInfo;
use crate::connection::end::EndReason;
use crate::connection::state::{Connection, Transport};
use crate::events::frame::Form;
use crate::polling::session_id::SessionSecret;
use crate::setup::options::Options;
use crate::shard::state::Shard;
use crate::task::connection_task::ConnectionTask;
use crate::websocket::compression::Compression;

/// A connection before its start.
pub(crate) struct ConnectionOpening {
    pub(crate) id: ConnectionId,
    pub(crate) form: Form,
    pub(crate) secret: Option<SessionSecret>,
    pub(crate) binary: BinaryForm,
    pub(crate) compression: Compression,
    /// The port of the client's socket, if it is known.
    pub(crate) port: Option<u16>,
}

/// Adds the connection to its shard. Returns its task, which the caller starts.
pub(crate) fn open_connection(
    shard: &Rc<Shard>,
    opening: ConnectionOpening,
    admitted: AdmittedRequest,
    transport: Transport,
) -> ConnectionTask {
    let ConnectionOpening { id, form, secret, binary, compression, port } = opening;
    let now = shard.now();
    let mut session = Session::open(now.monotonic_ms, &shard.session_options());
    if form == Form::Engine {
        session.connected();
    }
    let AdmittedRequest { client, class, reach, origin, bearer, cookies, slot, .. } = admitted;
    let packets = shard.server.gate.limits().packet_budget();
    let rejected = Cell::default();
    let port = port.and_then(NonZeroU16::new);
    let info = ClientInfo { address: client, class, port, reach, origin, packets, rejected };
    let connection = Rc::new(Connection::new(id, form, info, secret, transport, session));
    connection.format.compression.set(compression);
    connection.format.binary.set(binary);
    connection.timers.opened_unix_s.set(u32::try_from(now.unix_s()).unwrap_or_default());
    shard.server.metrics.connections_total.inc();
    shard.add(&connection, now);
    // The network may have been blocked since the request was admitted.
    if let Err(denial) = shard.server.gate.directory().blocks().check(client, class, now) {
        connection.end(EndReason::Denied(denial));
    }
    ConnectionTask::new(Rc::clone(shard), connection, slot, bearer, cookies)
}

/// The open packet of an Engine.IO session.
pub(crate) fn session_packet(
    options: &Options,
    sid: &str,
    upgrades: &[&str],
    max_payload: u32,
) -> String {
    open_packet(&OpenOptions {
        sid,
        upgrades,
        ping_interval_ms: narrow(options.ping_interval_ms),
        ping_timeout_ms: narrow(options.ping_timeout_ms),
        max_payload,
    })
}

fn narrow(milliseconds: u64) -> u32 {
    u32::try_from(milliseconds).unwrap_or(u32::MAX)
}
