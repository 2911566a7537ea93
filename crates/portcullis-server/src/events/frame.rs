//! An event, encoded once in each wire form and shared by its recipients.
//! Never: a second encoding for another recipient.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use portcullis_model::Namespace;
use portcullis_wire::plain;
use portcullis_wire::socketio::{EventHead, event_with};
use portcullis_wire::websocket::server_frame;
use portcullis_wire::websocket::{Opcode, frame};

use crate::events::payload::Payload;
use crate::rooms::offset;

/// Smaller events are not compressed.
const COMPRESSED_FROM_BYTES: usize = 1024;

/// The wire form of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Socket.IO over Engine.IO.
    SocketIo,
    /// The plain JSON form over WebSocket.
    Plain,
    /// Engine.IO without Socket.IO.
    Engine,
}

/// One event, ready to be written to any connection.
///
/// Memory: about twice its JSON; less than twice that again after connections with compression
/// have received it.
#[derive(Debug)]
pub struct Frame {
    namespace: Namespace,
    socket_io: Bytes,
    /// Binary messages that follow the packet.
    attachments: Vec<Bytes>,
    /// The plain form exists only in the main namespace and without binary data.
    plain: Option<Bytes>,
    /// The same two forms, compressed when the first connection needs them.
    compressed: [OnceLock<Option<Bytes>>; 2],
}

/// The parts of an event beside its name and payload.
#[derive(Debug, Clone, Default)]
pub(crate) struct FrameParts {
    pub(crate) namespace: Namespace,
    pub(crate) ack: Option<u64>,
    pub(crate) offset: Option<u64>,
}

impl Frame {
    /// Encodes an event for namespace `/`. `payload_json` is one JSON value.
    #[must_use]
    pub fn event(name: &str, payload_json: &str) -> Arc<Self> {
        Self::build(FrameParts::default(), name, &Payload::raw(payload_json.to_owned()))
    }

    /// Encodes an event of a namespace's history: `offset` is its position there.
    ///
    /// Socket.IO clients send the last offset that they have received when they reconnect. The
    /// offset is encrypted, so that it does not reveal how much is written in other rooms. The
    /// plain form omits it.
    #[must_use]
    pub fn recoverable(
        namespace: Namespace,
        name: &str,
        payload: &Payload,
        offset: u64,
    ) -> Arc<Self> {
        Self::build(FrameParts { namespace, ack: None, offset: Some(offset) }, name, payload)
    }

    pub(crate) fn build(parts: FrameParts, name: &str, payload: &Payload) -> Arc<Self> {
        let head = EventHead {
            namespace: parts.namespace.as_str(),
            name,
            ack: parts.ack,
            attachments: payload.attachments().len(),
        };
        let arguments = payload.arguments();
        let text = match parts.offset.and_then(offset::seal) {
            Some(offset) => event_with(&head, &format!("{arguments},\"{offset}\"")),
            None => event_with(&head, arguments),
        };
        let plain = (parts.namespace.is_main() && payload.attachments().is_empty())
            .then(|| frame(Opcode::Text, plain::plain_event(name, arguments).as_bytes()));
        Arc::new(Self {
            namespace: parts.namespace,
            socket_io: frame(Opcode::Text, text.as_bytes()),
            attachments: payload
                .attachments()
                .iter()
                .map(|bytes| frame(Opcode::Binary, bytes))
                .collect(),
            plain,
            compressed: Default::default(),
        })
    }

    /// The namespace of its recipients.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Its size in the queue of a Socket.IO connection.
    pub(crate) fn len(&self) -> usize {
        self.socket_io.len() + self.attachments.iter().map(Bytes::len).sum::<usize>()
    }

    /// Its first frame in a connection's form; `None` in a form that cannot express it.
    pub(crate) fn bytes(&self, form: Form) -> Option<Bytes> {
        match form {
            Form::SocketIo => Some(self.socket_io.clone()),
            Form::Plain => self.plain.clone(),
            Form::Engine => None,
        }
    }

    /// The frames that follow the first.
    pub(crate) fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }

    /// Its first frame, compressed once; `None` when compression does not make it smaller.
    pub(crate) fn compressed(
        &self,
        form: Form,
        compress: impl FnOnce(Opcode, &[u8]) -> Option<Bytes>,
    ) -> Option<Bytes> {
        let [socket_io, plain] = &self.compressed;
        let (slot, frame) = match form {
            Form::SocketIo => (socket_io, Some(&self.socket_io)),
            Form::Plain => (plain, self.plain.as_ref()),
            Form::Engine => return None,
        };
        let frame = frame.filter(|frame| frame.len() >= COMPRESSED_FROM_BYTES)?;
        let made = slot.get_or_init(|| {
            let (opcode, payload) = server_frame(frame)?;
            compress(opcode, payload)
        });
        made.clone()
    }
}
