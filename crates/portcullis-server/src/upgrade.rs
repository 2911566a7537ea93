//! From an HTTP request to a connection: the socket is taken over.
//! Never: state for a connection whose upgrade was not answered.

use std::rc::Rc;

use portcullis_guard::Admitted;
use portcullis_model::{ConnectionId, Denial};
use portcullis_wire::engineio::{OpenOptions, open_packet};
use portcullis_wire::http1::{Head, UpgradeFault, read_upgrade};
use portcullis_wire::session::Session;
use portcullis_wire::websocket::{Opcode, accept_key, frame};
use portcullis_wire::websocket_deflate::negotiate;

use crate::connect_job::Entry;
use crate::connection::{Comer, Compression, Connection, End, Transport, session_options};
use crate::connection_task::ConnectionTask;
use crate::frame::Form;
use crate::http::HttpConnection;
use crate::options::Options;
use crate::upgrade_probe;

/// An upgrade that passed door 1.
pub(crate) struct Upgrade {
    /// The values of `Sec-WebSocket-Accept`, `-Protocol` and `-Extensions` in the answer.
    pub(crate) accept: String,
    pub(crate) protocol: Option<String>,
    pub(crate) extensions: Option<String>,
    compression: Compression,
    purpose: Purpose,
}

/// What the WebSocket is for.
enum Purpose {
    /// A connection of its own.
    Open(Form, Admitted),
    /// A long-polling session it wants to take over.
    TakeOver(Rc<Connection>),
}

impl Upgrade {
    /// A WebSocket of its own.
    pub(crate) fn open(
        head: &Head<'_>,
        form: Form,
        admitted: Admitted,
        options: &Options,
    ) -> Result<Self, Denial> {
        Self::read(head, Purpose::Open(form, admitted), options)
    }

    /// A WebSocket for a session there is.
    pub(crate) fn take_over(
        head: &Head<'_>,
        connection: Rc<Connection>,
        options: &Options,
    ) -> Result<Self, Denial> {
        Self::read(head, Purpose::TakeOver(connection), options)
    }

    fn read(head: &Head<'_>, purpose: Purpose, options: &Options) -> Result<Self, Denial> {
        if head.content_length > 0 {
            return Err(Denial::UpgradeMalformed);
        }
        let request = read_upgrade(head).map_err(|fault| match fault {
            UpgradeFault::Malformed(_) => Denial::UpgradeMalformed,
            UpgradeFault::Version => Denial::UpgradeVersion,
        })?;
        // Only one that is known is selected: whatever else stands there is never echoed.
        let known = |offer: &&&str| options.subprotocols.iter().any(|known| known == **offer);
        let protocol = request.protocols.iter().find(known).map(|offer| String::from(*offer));
        let agreement = if options.compression {
            negotiate(head.values("sec-websocket-extensions"))
        } else {
            None
        };
        let compression = match agreement {
            None => Compression::None,
            Some(agreement) if agreement.compresses() => Compression::Sent,
            Some(_) => Compression::Taken,
        };
        let extensions = agreement.map(|agreement| agreement.answer());
        let accept = accept_key(request.key);
        Ok(Self { accept, protocol, extensions, compression, purpose })
    }
}

/// Starts what the WebSocket of an answered upgrade is for.
pub(crate) fn start(http: HttpConnection, upgrade: Upgrade) {
    match upgrade.purpose {
        Purpose::Open(form, admitted) => open(http, form, admitted, upgrade.compression),
        Purpose::TakeOver(connection) => {
            let probe = upgrade_probe::run(http, connection, upgrade.compression);
            tokio::task::spawn_local(probe);
        }
    }
}

fn open(http: HttpConnection, form: Form, admitted: Admitted, compression: Compression) {
    let HttpConnection { shard, stream, peer, buffer: mut tail, .. } = http;
    let now = shard.now();
    let id: ConnectionId = shard.next_id();
    let mut session = Session::open(now.monotonic_ms, &session_options(&shard.options));
    if form == Form::Engine {
        session.connected();
    }
    let made = match form {
        Form::SocketIo | Form::Engine => shard.session_ids.make(id).map(Some),
        Form::Plain => Ok(None),
    };
    let (sid, secret) = match &made {
        Ok(Some((sid, secret))) => (Some(sid.as_str()), Some(*secret)),
        Ok(None) | Err(_) => (None, None),
    };
    let Admitted { client, origin, bearer, cookies, slot } = admitted;
    let from = Comer { peer, client, origin };
    let transport = Transport::Socket(stream);
    let connection = Rc::new(Connection::new(id, form, from, secret, transport, session));
    connection.compression.set(compression);
    shard.metrics.connections_total.inc();
    shard.adopt(&connection, now);
    let bound = bearer.is_some();
    let mut task =
        ConnectionTask::new(Rc::clone(&shard), Rc::clone(&connection), slot, bearer, cookies);
    if let Err(denial) = &made {
        connection.end(End::Refused(denial.clone()));
    }
    if let Some(sid) = sid {
        let packet = open_packet(&OpenOptions {
            sid,
            upgrades: &[],
            ping_interval_ms: narrow(shard.options.ping_interval_ms),
            ping_timeout_ms: narrow(shard.options.ping_timeout_ms),
            max_payload: shard.options.message_max_bytes,
        });
        shard.send(&connection, frame(Opcode::Text, packet.as_bytes()));
    }
    if form == Form::Plain && bound {
        task.start_connect(Entry::main(), None, now);
    }
    if !tail.is_empty() {
        task.receive(&mut tail, now);
    }
    tokio::task::spawn_local(task);
}

pub(crate) fn narrow(milliseconds: u64) -> u32 {
    u32::try_from(milliseconds).unwrap_or(u32::MAX)
}
