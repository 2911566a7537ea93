//! A TCP connection sent to the shard of its session.
//! Never: a second transfer for one request.

use crate::http::connection::HttpConnection;
use crate::http::transfer::TransferredConnection;
use crate::listen::intake_slots::IntakeSlot;
use crate::rejection::{RejectionSource, reject};

/// Sends the connection to another shard. It is dropped when the queue of that shard is full.
pub(crate) fn send_to_shard(http: HttpConnection, shard: u16) {
    let HttpConnection { shard: sender, mut io, client, slot, requests } = http;
    let Some(queue) = sender.server.sessions.shards.get(usize::from(shard)) else { return };
    if io.stream.leave().is_err() {
        return;
    }
    let transferred = TransferredConnection {
        stream: io.stream,
        peer: client.peer,
        slot,
        buffer: io.buffer,
        requests,
    };
    if queue.try_send(transferred).is_err() {
        let source = RejectionSource { client: Some(client.address), ..RejectionSource::default() };
        let _dropped = reject(&sender, &IntakeSlot::NONE_FREE, &source, sender.now());
    }
}
