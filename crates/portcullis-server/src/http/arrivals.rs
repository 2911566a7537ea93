//! TCP connections received from other shards.
//! Never: a connection above the limit of this shard.

use std::rc::Rc;

use tokio::sync::mpsc;

use crate::http::connection::HttpConnection;
use crate::http::serve::serve_connection;
use crate::http::transfer::TransferredConnection;
use crate::listen::intake_slots::IntakeSlot;
use crate::listen::listener_kind::ListenerKind;
use crate::rejection::{RejectionSource, reject};
use crate::shard::state::Shard;

/// Serves connections whose sessions live on this shard, until the shard ends.
pub(crate) async fn serve_arrivals(
    shard: Rc<Shard>,
    mut arrivals: mpsc::Receiver<TransferredConnection>,
) {
    while let Some(transferred) = arrivals.recv().await {
        let TransferredConnection { mut stream, peer, slot, buffer, requests } = transferred;
        let Some(intake_slot) = shard.intake.slots.take() else {
            let source = RejectionSource { client: Some(peer.ip()), ..RejectionSource::default() };
            let _dropped = reject(&shard, &IntakeSlot::NONE_FREE, &source, shard.now());
            continue;
        };
        if stream.arrive().is_err() {
            continue;
        }
        let mut http = HttpConnection::new(Rc::clone(&shard), stream, peer, ListenerKind::Public);
        http.io.buffer = buffer;
        let http = HttpConnection { slot, requests, ..http };
        tokio::task::spawn_local(serve_connection(http, intake_slot));
    }
}
