//! The input of a connection while long-polling carries its packets, and the switch to a WebSocket.
//! Never: a packet handled while a job runs; a byte of the WebSocket before the last posted body.

use std::task::Poll;

use portcullis_model::Now;
use portcullis_wire::websocket::Decoder;

use crate::connection::state::Transport;
use crate::polling::transport::Remainder;
use crate::task::connection_task::ConnectionTask;

impl ConnectionTask {
    /// Handles the next posted packet, or switches; `None` when a WebSocket carries the connection.
    pub(crate) fn poll_posted(&mut self, now: Now) -> Option<Poll<()>> {
        let connection = &self.link.connection;
        let body =
            connection.with_polling(|polling| polling.has_body().then(|| polling.take_body()))?;
        let Some(body) = body else {
            return Some(if self.take_over(now) { Poll::Ready(()) } else { Poll::Pending });
        };
        self.progress.start_input(body.posted_ms);
        let (packet, rest) = body.next();
        if self.count_bytes(packet.len(), now) {
            match self.reader(now).packet(packet) {
                Ok(packet) => self.handle(packet, now),
                Err(denial) => self.link.deny(denial),
            }
        }
        let connection = &self.link.connection;
        let rest = if connection.is_ending() { Remainder::Nothing } else { rest };
        connection.with_polling(|polling| polling.put_back(body, rest));
        Some(Poll::Ready(()))
    }

    /// Switches to the WebSocket that was probed.
    fn take_over(&mut self, now: Now) -> bool {
        let connection = &self.link.connection;
        let handover = connection.with_polling(|polling| {
            polling.wake_poster();
            polling.handover.take()
        });
        let Some(handover) = handover.flatten() else { return false };
        let before = connection.transport.replace(Transport::Socket(handover.stream));
        if let Transport::Polling(mut polling) = before {
            polling.wake_poller();
        }
        connection.format.is_upgraded.set(true);
        connection.format.compression.set(handover.compression);
        connection.set_binary_form(handover.binary);
        self.input.decoder = Decoder::new();
        let mut rest = handover.rest;
        if !rest.is_empty() {
            self.receive(&mut rest, now);
        }
        // Queued packets are sent as frames from now on.
        self.link.shard.writes.add(&self.link.connection);
        true
    }
}
