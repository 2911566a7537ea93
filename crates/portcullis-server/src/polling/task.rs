//! The connection's task while its packets come by long-polling, and the switch to a WebSocket.
//! Never: a packet behind one that started an act; a byte of the WebSocket before the last post.

use std::task::Poll;

use portcullis_model::{Denial, Now};
use portcullis_wire::websocket::Decoder;

use crate::connection::state::{End, Transport};
use crate::connection::task::ConnectionTask;
use crate::polling::transport::{Farewell, Left};

impl ConnectionTask {
    /// Handles the next posted packet, or switches; `None` when a socket carries the connection.
    pub(crate) fn poll_posted(&mut self, now: Now) -> Option<Poll<()>> {
        let body = self
            .connection
            .with_polling(|polling| polling.has_body().then(|| polling.take_body()))?;
        let Some(body) = body else {
            return Some(if self.take_over(now) { Poll::Ready(()) } else { Poll::Pending });
        };
        self.waits_since_ms = body.posted_ms;
        let (packet, left) = body.next();
        if self.is_within_budget(packet.len(), now) {
            self.engine_packet(packet, now);
        }
        let left = if self.connection.is_ending() { Left::Nothing } else { left };
        self.connection.with_polling(|polling| polling.put_back(body, left));
        Some(Poll::Ready(()))
    }

    /// The WebSocket that was probed carries the connection from here on.
    fn take_over(&mut self, now: Now) -> bool {
        let Some(handover) = self.connection.with_polling(|polling| {
            polling.wake_poster();
            polling.handover.take()
        }) else {
            return false;
        };
        let Some(handover) = handover else { return false };
        let before = self.connection.transport.replace(Transport::Socket(handover.stream));
        if let Transport::Polling(mut polling) = before {
            polling.wake_poller();
        }
        self.connection.upgraded.set(true);
        self.connection.compression.set(handover.compression);
        self.connection.take_binary_form(handover.binary);
        self.decoder = Decoder::new();
        let mut rest = handover.rest;
        if !rest.is_empty() {
            self.receive(&mut rest, now);
        }
        // What was queued meanwhile goes out as frames.
        self.shard.mark_dirty(&self.connection);
        true
    }

    /// What the last poll is told: the one that waits, or the next one of a client that is between
    /// two polls and does not know yet.
    pub(crate) fn say_farewell(&mut self, end: &End) {
        let packet = if *end == End::Goodbye { b'6' } else { b'1' };
        let is_awaited = is_worth_waiting(end);
        self.connection.with_polling(|polling| {
            polling.farewell = if polling.is_polled() || is_awaited {
                Farewell::Waiting(packet)
            } else {
                Farewell::Taken
            };
            polling.wake_poller();
            polling.wake_poster();
        });
    }
}

/// Whether the end is kept for a client that is between two polls.
pub(crate) fn is_worth_waiting(end: &End) -> bool {
    match end {
        End::Peer | End::Goodbye | End::Replaced => false,
        End::Refused(denial) | End::Told(denial) => !matches!(
            denial,
            Denial::SlowConsumer
                | Denial::PingTimeout
                | Denial::ConnectTimeout
                | Denial::Polling(_)
                | Denial::Utf8
                | Denial::BodyTimeout
        ),
    }
}
