//! The listener of a shard: sockets under an accept budget.
//! Never: a socket without a slot.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use portcullis_audit::{Outcome, Record};
use portcullis_model::{Code, Severity};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::listen::accepted_socket::{AcceptedSocket, reject_socket};
use crate::listen::intake_slots::IntakeSlot;
use crate::listen::listener_kind::ListenerKind;
use crate::shard::state::Shard;

/// The pause after a failed accept, so that the loop does not use all CPU time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until the server drains.
pub(crate) async fn accept_until_drained(
    shard: Rc<Shard>,
    listener: TcpListener,
    listener_kind: ListenerKind,
    mut draining: watch::Receiver<bool>,
) {
    let tls = match listener_kind {
        ListenerKind::Public => shard.server.options.tls.clone().map(TlsAcceptor::from),
        ListenerKind::Redirect => None,
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _changed = draining.changed() => return,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            // The client closed before the accept; other clients do not have to wait.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                if is_out_of_files(&error) {
                    shard.server.load.set_out_of_files();
                }
                record_accept_failure(&shard, &error);
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(slot) = shard.intake.slots.take() else {
            reject_socket(&shard, &IntakeSlot::NONE_FREE, peer);
            continue;
        };
        let accepted = AcceptedSocket { shard: Rc::clone(&shard), socket, peer, listener_kind };
        tokio::task::spawn_local(accepted.serve(tls.clone(), slot));
    }
}

/// Records that no connection can be accepted, mostly because no file is free.
fn record_accept_failure(shard: &Shard, error: &io::Error) {
    shard.server.metrics.accept_failures.inc();
    let mut record = Record::new(Code::SysOverload);
    // Clients wait in the kernel until an operator permits more files.
    record.severity = Severity::Critical;
    record.outcome = Outcome::Failure;
    record.rule = "accept";
    record.detail =
        Some(format!("no connection can be accepted: {error}; raise the limit of open files"));
    // Sampled: without files, an accept fails twenty times a second.
    shard.server.audit.record(record, shard.now());
}

fn is_out_of_files(error: &io::Error) -> bool {
    let codes =
        [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE].map(|code| code.raw_os_error());
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}
