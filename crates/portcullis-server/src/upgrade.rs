//! From an HTTP request to a connection: the socket is taken over.
//! Never: state for a connection whose upgrade was not answered.

use std::rc::Rc;

use portcullis_guard::Admitted;
use portcullis_model::{ConnectionId, Denial};
use portcullis_wire::engineio::{OpenOptions, open_packet};
use portcullis_wire::http1::{Head, UpgradeFault, read_upgrade};
use portcullis_wire::session::Session;
use portcullis_wire::websocket::{Opcode, accept_key, frame};

use crate::connect::NamespaceName;
use crate::connection::{Connection, session_options};
use crate::connection_task::ConnectionTask;
use crate::frame::Form;
use crate::http::HttpConnection;
use crate::random::random_id;

/// An upgrade that passed door 1.
pub(crate) struct Upgrade {
    pub(crate) accept: String,
    form: Form,
    admitted: Admitted,
}

impl Upgrade {
    pub(crate) fn read(head: &Head<'_>, form: Form, admitted: Admitted) -> Result<Self, Denial> {
        if head.content_length > 0 {
            return Err(Denial::UpgradeMalformed);
        }
        let request = read_upgrade(head).map_err(|fault| match fault {
            UpgradeFault::Malformed(_) => Denial::UpgradeMalformed,
            UpgradeFault::Version => Denial::UpgradeVersion,
        })?;
        Ok(Self { accept: accept_key(request.key), form, admitted })
    }
}

/// Starts the connection's task on the socket of an answered upgrade.
pub(crate) fn start(http: HttpConnection, upgrade: Upgrade) {
    let HttpConnection { shard, stream, peer, buffer: mut tail } = http;
    let now = shard.now();
    let id: ConnectionId = shard.next_id();
    let session = Session::open(now.monotonic_ms, &session_options(&shard.options));
    let Admitted { client, origin, bearer, cookies, slot } = upgrade.admitted;
    let connection =
        Rc::new(Connection::new(id, upgrade.form, peer, client, origin, stream, session));
    shard.metrics.connections_total.inc();
    shard.adopt(&connection, now);
    let mut task = ConnectionTask::new(Rc::clone(&shard), Rc::clone(&connection));
    task.slot = slot;
    task.bearer = bearer;
    task.cookies = cookies;
    match upgrade.form {
        Form::SocketIo => match random_id::<20>() {
            Ok(sid) => {
                let open = open_packet(&OpenOptions {
                    sid: &sid,
                    upgrades: &[],
                    ping_interval_ms: narrow(shard.options.ping_interval_ms),
                    ping_timeout_ms: narrow(shard.options.ping_timeout_ms),
                    max_payload: shard.options.message_max_bytes,
                });
                shard.send(&connection, frame(Opcode::Text, open.as_bytes()));
            }
            Err(denial) => connection.end(crate::connection::End::Refused(denial)),
        },
        Form::Plain if task.bearer.is_some() => {
            task.start_connect(NamespaceName::Users, None, now);
        }
        Form::Plain => {}
    }
    if !tail.is_empty() {
        task.receive(&mut tail, now);
    }
    tokio::task::spawn_local(task);
}

fn narrow(milliseconds: u64) -> u32 {
    u32::try_from(milliseconds).unwrap_or(u32::MAX)
}
