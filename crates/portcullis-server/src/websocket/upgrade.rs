//! The upgrade of an HTTP request to a connection.
//! Never: a connection before the response to its upgrade.

use std::rc::Rc;

use bytes::Bytes;
use portcullis_guard::AdmittedRequest;
use portcullis_model::{ConnectionId, Denial};
use portcullis_wire::engineio::BinaryForm;
use portcullis_wire::http1::{Head, UpgradeFault, read_upgrade};
use portcullis_wire::websocket::deflate::negotiate;
use portcullis_wire::websocket::{Opcode, accept_key, frame};

use crate::connection::opening::{ConnectionOpening, open_connection, session_packet};
use crate::connection::state::{Connection, Transport};
use crate::events::frame::Form;
use crate::http::connection::HttpConnection;
use crate::http::http_stream::HttpStream;
use crate::polling::session_id::SessionSecret;
use crate::setup::options::Options;
use crate::shard::state::Shard;
use crate::websocket::compression::Compression;
use crate::websocket::probe;

/// An admitted upgrade.
pub(crate) struct Upgrade {
    /// The values of `Sec-WebSocket-Accept`, `-Protocol` and `-Extensions` in the answer.
    pub(crate) accept: String,
    pub(crate) protocol: Option<String>,
    pub(crate) extensions: Option<String>,
    compression: Compression,
    binary: BinaryForm,
    purpose: Option<UpgradeTarget>,
}

/// The target of the WebSocket.
enum UpgradeTarget {
    /// A connection of its own.
    Open(Box<NewConnection>),
    /// A long-polling session.
    TakeOver(Rc<Connection>),
}

/// A connection before its start.
struct NewConnection {
    form: Form,
    admitted: AdmittedRequest,
    id: ConnectionId,
    secret: Option<SessionSecret>,
    /// The packet that is sent with the response.
    first: Option<Bytes>,
}

impl NewConnection {
    fn prepare(form: Form, admitted: AdmittedRequest, shard: &Shard) -> Result<Self, Denial> {
        let id = shard.connections.next_id();
        let (secret, first) = match form {
            Form::SocketIo | Form::Engine => {
                let (sid, secret) = shard.server.sessions.ids.make(id)?;
                let options = &shard.server.options;
                let packet = session_packet(options, &sid, &[], options.message_max_bytes);
                (Some(secret), Some(frame(Opcode::Text, packet.as_bytes())))
            }
            Form::Plain => (None, None),
        };
        Ok(Self { form, admitted, id, secret, first })
    }
}

impl Upgrade {
    /// A WebSocket with its own connection.
    pub(crate) fn open(
        head: &Head<'_>,
        form: Form,
        binary: BinaryForm,
        admitted: AdmittedRequest,
        shard: &Shard,
    ) -> Result<Self, Denial> {
        let mut upgrade = Self::read(head, binary, &shard.server.options)?;
        upgrade.purpose =
            Some(UpgradeTarget::Open(Box::new(NewConnection::prepare(form, admitted, shard)?)));
        Ok(upgrade)
    }

    /// A WebSocket for an existing session.
    pub(crate) fn take_over(
        head: &Head<'_>,
        connection: Rc<Connection>,
        binary: BinaryForm,
        options: &Options,
    ) -> Result<Self, Denial> {
        let mut upgrade = Self::read(head, binary, options)?;
        upgrade.purpose = Some(UpgradeTarget::TakeOver(connection));
        Ok(upgrade)
    }

    /// The admitted request of a WebSocket with its own connection.
    pub(crate) fn admitted(&mut self) -> Option<&mut AdmittedRequest> {
        match &mut self.purpose {
            Some(UpgradeTarget::Open(opening)) => Some(&mut opening.admitted),
            Some(UpgradeTarget::TakeOver(_)) | None => None,
        }
    }

    /// The bytes that are sent with the response, in the same write.
    pub(crate) fn first(&self) -> &[u8] {
        match &self.purpose {
            Some(UpgradeTarget::Open(opening)) => opening.first.as_deref().unwrap_or_default(),
            Some(UpgradeTarget::TakeOver(_)) | None => &[],
        }
    }

    fn read(head: &Head<'_>, binary: BinaryForm, options: &Options) -> Result<Self, Denial> {
        if head.content_length > 0 {
            return Err(Denial::UpgradeMalformed);
        }
        let request = read_upgrade(head).map_err(|fault| match fault {
            UpgradeFault::Malformed(_) => Denial::UpgradeMalformed,
            UpgradeFault::Version => Denial::UpgradeVersion,
        })?;
        // Only a configured protocol is selected, so that input of the client is not echoed.
        let known = |offer: &&&str| options.subprotocols.iter().any(|known| known == **offer);
        let protocol = request.protocols.iter().find(known).map(|offer| String::from(*offer));
        let agreement = if options.compression {
            negotiate(head.values("sec-websocket-extensions"))
        } else {
            None
        };
        let compression = match agreement {
            None => Compression::None,
            Some(agreement) if agreement.compresses() => Compression::Both,
            Some(_) => Compression::Inbound,
        };
        let extensions = agreement.map(|agreement| agreement.answer());
        let accept = accept_key(request.key);
        Ok(Self { accept, protocol, extensions, compression, binary, purpose: None })
    }
}

/// Starts the WebSocket after the response. A WebSocket that takes over keeps its HTTP slot during
/// its probe: this function waits for the end of the probe.
pub(crate) async fn start(http: HttpConnection, upgrade: Upgrade) {
    match upgrade.purpose {
        None => {}
        Some(UpgradeTarget::Open(opening)) => {
            open(http, *opening, upgrade.compression, upgrade.binary);
        }
        Some(UpgradeTarget::TakeOver(connection)) => {
            let Upgrade { compression, binary, .. } = upgrade;
            probe::run(http, connection, compression, binary).await;
        }
    }
}

fn open(
    http: HttpConnection,
    opening: NewConnection,
    compression: Compression,
    binary: BinaryForm,
) {
    let port = http.client.port();
    let HttpConnection { shard, io: HttpStream { stream, buffer: mut tail }, .. } = http;
    let NewConnection { form, admitted, id, secret, .. } = opening;
    let has_token = admitted.bearer.is_some();
    let opening = ConnectionOpening { id, form, secret, binary, compression, port };
    let mut task = open_connection(&shard, opening, admitted, Transport::Socket(stream));
    let now = shard.now();
    if form == Form::Plain && has_token {
        task.connect_by_request(now);
    }
    if !tail.is_empty() {
        task.receive(&mut tail, now);
    }
    tokio::task::spawn_local(task);
}
