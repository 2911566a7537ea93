//! An event encoded once in every wire form, shared by every member that gets it.
//! Never: encoded again per recipient.

use std::sync::Arc;

use bytes::Bytes;
use portcullis_wire::websocket::{Opcode, frame};
use portcullis_wire::{plain, socketio};

/// Which form a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Socket.IO over Engine.IO over WebSocket.
    SocketIo,
    /// The plain JSON form over WebSocket.
    Plain,
}

/// One event, ready to be written to any connection: about twice its JSON in memory.
#[derive(Debug, Clone)]
pub struct Frame {
    socket_io: Bytes,
    plain: Bytes,
}

impl Frame {
    /// Encodes an event for namespace `/`. `payload_json` is one JSON value.
    #[must_use]
    pub fn event(name: &str, payload_json: &str) -> Arc<Self> {
        let socket_io = socketio::event("/", name, payload_json);
        let plain = plain::plain_event(name, payload_json);
        Arc::new(Self {
            socket_io: frame(Opcode::Text, socket_io.as_bytes()),
            plain: frame(Opcode::Text, plain.as_bytes()),
        })
    }

    pub(crate) fn bytes(&self, form: Form) -> Bytes {
        match form {
            Form::SocketIo => self.socket_io.clone(),
            Form::Plain => self.plain.clone(),
        }
    }
}
