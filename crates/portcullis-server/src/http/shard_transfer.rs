//! A TCP connection handed to the shard its request belongs to.
//! Never: moved twice for one request, or kept when that shard is full.

use std::net::SocketAddr;
use std::rc::Rc;

use portcullis_guard::HttpSlot;
use tokio::sync::mpsc;

use crate::http::connection::{HttpConnection, Requests};
use crate::listen::accept::Place;
use crate::listen::stream::Stream;
use crate::refuse::{Who, refuse};
use crate::shard::state::Shard;

/// A connection between two threads, with the request that made it move still in its buffer.
pub(crate) struct Moved {
    stream: Stream,
    peer: SocketAddr,
    seat: Option<HttpSlot>,
    buffer: Vec<u8>,
    requests: Requests,
}

impl HttpConnection {
    /// Hands the connection to another shard; over that shard's bound it is dropped.
    pub(crate) fn move_to(mut self, shard: u16) {
        let Some(door) = self.shard.doors.get(usize::from(shard)) else { return };
        if self.stream.leave().is_err() {
            return;
        }
        let moved = Moved {
            stream: self.stream,
            peer: self.peer,
            seat: self.seat,
            buffer: self.buffer,
            requests: self.requests,
        };
        if door.try_send(moved).is_err() {
            let who = Who { client: Some(self.client), ..Who::default() };
            let _dropped = refuse(&self.shard, &Place::NONE_LEFT, &who, self.shard.now());
        }
    }
}

impl Shard {
    /// Runs for the shard's life: takes in connections whose sessions live here.
    pub(crate) async fn take_in_forever(self: Rc<Self>, mut arrivals: mpsc::Receiver<Moved>) {
        while let Some(Moved { mut stream, peer, seat, buffer, requests }) = arrivals.recv().await {
            let Some(place) = Place::take(&self) else {
                let who = Who { client: Some(peer.ip()), ..Who::default() };
                let _dropped = refuse(&self, &Place::NONE_LEFT, &who, self.now());
                continue;
            };
            if stream.arrive().is_err() {
                continue;
            }
            let http = HttpConnection::new(Rc::clone(&self), stream, peer);
            let http = HttpConnection { seat, buffer, requests, ..http };
            tokio::task::spawn_local(http.run(place));
        }
    }
}
