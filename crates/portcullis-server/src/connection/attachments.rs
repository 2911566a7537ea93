//! A packet that waits for the binary messages it announced.
//! Never: more bytes than one message may have, or a wait without an end.

use std::rc::Rc;

use bytes::Bytes;
use portcullis_model::{Denial, Now};
use portcullis_wire::socketio;

use crate::connection::socket::Socket;
use crate::connection::state::End;
use crate::connection::task::ConnectionTask;

/// What the packet is.
pub(crate) enum Purpose {
    /// An event of a socket.
    Event {
        /// Where it came in.
        socket: Rc<Socket>,
        /// The id its acknowledgement has to carry.
        ack: Option<u64>,
    },
    /// An answer to an event of ours.
    Ack {
        /// Where it came in.
        namespace: String,
        /// The id of the event.
        id: u64,
    },
}

/// The packet and what has come of its attachments: at most one message's bytes.
pub(crate) struct Awaiting {
    purpose: Purpose,
    json: String,
    announced: usize,
    attachments: Vec<Bytes>,
    size_bytes: usize,
}

impl Awaiting {
    pub(crate) fn new(purpose: Purpose, json: &str, announced: usize) -> Self {
        let size_bytes = json.len();
        Self { purpose, json: json.to_owned(), announced, attachments: Vec::new(), size_bytes }
    }
}

impl ConnectionTask {
    /// Starts to wait, unless the event takes no such thing; decided before a byte is kept.
    pub(crate) fn await_attachments(&mut self, awaiting: Awaiting, now: Now) {
        let takes = match &awaiting.purpose {
            Purpose::Event { socket, .. } => {
                let rule = self.shard.registered.namespaces.rule(socket.rule);
                let name = socketio::event_name(&awaiting.json).unwrap_or_default();
                let event = rule.and_then(|rule| rule.events.find(name));
                event.is_some_and(|(_, event)| awaiting.announced <= event.attachments_max())
            }
            Purpose::Ack { id, .. } => self.connection.acks.may_have_asked(*id),
        };
        if !takes {
            self.connection.end(End::Refused(Denial::BinaryRefused));
            return;
        }
        let since_ms = now.monotonic_ms.max(1);
        self.connection.attachments_since_ms.set(since_ms);
        self.shard.arm(&self.connection, since_ms + self.shard.options.assembly_timeout_ms);
        self.awaiting = Some(Box::new(awaiting));
    }

    /// Takes in an attachment; the last one completes the packet.
    pub(crate) fn attach(&mut self, bytes: Bytes, now: Now) {
        let Some(mut awaiting) = self.awaiting.take() else { return };
        awaiting.size_bytes += bytes.len();
        if awaiting.size_bytes > self.shard.options.message_max_bytes as usize {
            self.connection.end(End::Refused(Denial::TooLarge));
            return;
        }
        awaiting.attachments.push(bytes);
        if awaiting.attachments.len() < awaiting.announced {
            self.awaiting = Some(awaiting);
            return;
        }
        self.connection.attachments_since_ms.set(0);
        let Awaiting { purpose, json, attachments, .. } = *awaiting;
        match purpose {
            Purpose::Event { socket, ack } => {
                self.socket_event(&socket, &json, &attachments, ack, now);
            }
            Purpose::Ack { namespace, id } => {
                self.ack_packet(&namespace, id, &json, &attachments, now);
            }
        }
    }
}
