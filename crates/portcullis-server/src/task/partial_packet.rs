//! A packet whose binary attachments have not arrived.
//! Never: more bytes than one message may have.

use std::rc::Rc;

use bytes::Bytes;
use portcullis_model::Denial;

use crate::connection::socket::Socket;
use crate::events::pending_acks::PendingAcks;
use crate::setup::registered::Registrations;
use crate::task::inbound::event_name;

/// The kind of the packet.
pub(crate) enum PartialKind {
    /// An event on a socket.
    Event { socket: Rc<Socket>, ack: Option<u64> },
    /// The acknowledgement of an event of the server.
    Ack { namespace: String, id: u64 },
}

/// The packet and the attachments that have arrived: together at most the bytes of one message.
pub(crate) struct PartialPacket {
    pub(crate) kind: PartialKind,
    pub(crate) json: String,
    pub(crate) attachments: Vec<Bytes>,
    announced: usize,
    size_bytes: usize,
}

impl PartialPacket {
    pub(crate) fn new(kind: PartialKind, json: &str, announced: usize) -> Self {
        let size_bytes = json.len();
        Self { kind, json: json.to_owned(), attachments: Vec::new(), announced, size_bytes }
    }

    /// Whether the event or acknowledgement takes so many attachments; checked before any is read.
    pub(crate) fn is_expected(&self, registered: &Registrations, acks: &PendingAcks) -> bool {
        match &self.kind {
            PartialKind::Event { socket, .. } => {
                let rule = registered.namespaces.rule(socket.rule);
                let name = event_name(&self.json).unwrap_or_default();
                let event = rule.and_then(|rule| rule.events.find(name));
                event.is_some_and(|(_, event)| self.announced <= event.attachments_max())
            }
            PartialKind::Ack { id, .. } => acks.may_be_known(*id),
        }
    }

    /// Adds an attachment.
    ///
    /// # Errors
    /// [`Denial::TooLarge`] when the packet is larger than a message may be.
    pub(crate) fn add(&mut self, bytes: Bytes, max_bytes: usize) -> Result<(), Denial> {
        self.size_bytes += bytes.len();
        if self.size_bytes > max_bytes {
            return Err(Denial::TooLarge);
        }
        self.attachments.push(bytes);
        Ok(())
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.attachments.len() >= self.announced
    }
}
