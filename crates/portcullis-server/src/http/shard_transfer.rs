//! A TCP connection handed to the shard its request belongs to.
//! Never: moved twice for one request, or kept when that shard is full.

use std::rc::Rc;

use tokio::sync::mpsc;

use crate::http::connection::HttpConnection;
use crate::http::transfer::TransferredConnection;
use crate::listen::intake_slots::IntakeSlot;
use crate::rejection::{RejectionSource, reject};
use crate::shard::state::Shard;

impl HttpConnection {
    /// Hands the connection to another shard; over that shard's bound it is dropped.
    pub(crate) fn move_to(mut self, shard: u16) {
        let Some(door) = self.shard.server.sessions.shards.get(usize::from(shard)) else { return };
        if self.stream.leave().is_err() {
            return;
        }
        let moved = TransferredConnection {
            stream: self.stream,
            peer: self.peer,
            seat: self.seat,
            buffer: self.buffer,
            requests: self.requests,
        };
        if door.try_send(moved).is_err() {
            let who = RejectionSource { client: Some(self.client), ..RejectionSource::default() };
            let _dropped = reject(&self.shard, &IntakeSlot::NONE_FREE, &who, self.shard.now());
        }
    }
}

impl Shard {
    /// Runs for the shard's life: takes in connections whose sessions live here.
    pub(crate) async fn take_in_forever(
        self: Rc<Self>,
        mut arrivals: mpsc::Receiver<TransferredConnection>,
    ) {
        while let Some(transferred) = arrivals.recv().await {
            let TransferredConnection { mut stream, peer, seat, buffer, requests } = transferred;
            let Some(slot) = self.intake.slots.take() else {
                let who = RejectionSource { client: Some(peer.ip()), ..RejectionSource::default() };
                let _dropped = reject(&self, &IntakeSlot::NONE_FREE, &who, self.now());
                continue;
            };
            if stream.arrive().is_err() {
                continue;
            }
            let http = HttpConnection::new(Rc::clone(&self), stream, peer);
            let http = HttpConnection { seat, buffer, requests, ..http };
            tokio::task::spawn_local(http.run(slot));
        }
    }
}
