//! An event encoded once in every wire form, shared by every member that gets it.
//! Never: encoded again per recipient.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use portcullis_model::Namespace;
use portcullis_wire::plain;
use portcullis_wire::socketio::{EventHead, event_with};
use portcullis_wire::websocket::server_frame;
use portcullis_wire::websocket::{Opcode, frame};

use crate::events::payload::Payload;
use crate::rooms::offset;

/// Smaller events are not worth the time.
const COMPRESSED_FROM_BYTES: usize = 1024;

/// Which form a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Socket.IO over Engine.IO.
    SocketIo,
    /// The plain JSON form over WebSocket.
    Plain,
    /// Engine.IO with nothing above it.
    Engine,
}

/// One event, ready to be written to any connection: about twice its JSON in memory, and
/// less than twice again once connections with compression have had it.
#[derive(Debug)]
pub struct Frame {
    namespace: Namespace,
    socket_io: Bytes,
    /// Binary messages that follow the packet.
    attachments: Vec<Bytes>,
    /// The plain form lives in the main namespace and carries no binary data.
    plain: Option<Bytes>,
    /// The same in the two forms, compressed, once somebody wanted that.
    compressed: [OnceLock<Option<Bytes>>; 2],
}

/// What an event is besides its name and payload.
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

    /// Encodes an event of a namespace's history: `offset` is its place there.
    ///
    /// Socket.IO clients show the last offset they have seen when they come back. They read it
    /// encrypted, so that it does not tell how much others write in rooms they do not hear. The
    /// plain form leaves it out.
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

    /// Where it is heard.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// How many bytes it takes in a Socket.IO connection's queue.
    pub(crate) fn len(&self) -> usize {
        self.socket_io.len() + self.attachments.iter().map(Bytes::len).sum::<usize>()
    }

    /// Its first frame in a connection's form; nothing in a form that cannot say it.
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

    /// Its first frame compressed, made once; `None` where that would gain nothing.
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
