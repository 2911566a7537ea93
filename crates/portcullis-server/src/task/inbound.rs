//! The input of a client: bytes become one closed list of packets, in this file only.
//! Never: whether a packet is permitted, or what it causes.

use std::cell::RefCell;

use bytes::Bytes;
use portcullis_model::Denial;
use portcullis_wire::engineio::{self, EnginePacket, PolledPacket};
use portcullis_wire::engineio::{Session, SessionEvent, SessionFault, SessionOptions};
use portcullis_wire::plain::{self, PlainMessage};
use portcullis_wire::socketio::{self, SocketPacket};
use portcullis_wire::websocket::Message;

use crate::events::frame::Form;
use crate::events::raw_engine::EngineMessage;

/// One packet of a client.
pub(crate) enum Inbound<'a> {
    /// A Socket.IO CONNECT.
    Connect { namespace: &'a str, payload: Option<&'a str> },
    /// The connect message of the plain form; its `id` is raw JSON.
    PlainConnect { id: Option<String>, payload: Option<&'a str> },
    /// A Socket.IO DISCONNECT.
    Disconnect { namespace: &'a str },
    /// A Socket.IO event.
    Event { namespace: &'a str, ack: Option<u64>, json: &'a str },
    /// A Socket.IO event whose attachments follow.
    BinaryEvent { namespace: &'a str, ack: Option<u64>, attachments: usize, json: &'a str },
    /// An event of the plain form, and the size of its message.
    PlainEvent { message: PlainMessage<'a>, size_bytes: usize },
    /// The acknowledgement of an event of the server.
    Ack { namespace: &'a str, id: u64, json: &'a str },
    /// An acknowledgement whose attachments follow.
    BinaryAck { namespace: &'a str, id: u64, attachments: usize, json: &'a str },
    /// Binary data: the attachment of an earlier packet.
    Binary(Bytes),
    /// A message of Engine.IO without Socket.IO.
    Raw(EngineMessage),
    /// A ping frame of the WebSocket.
    Ping(&'a [u8]),
    /// A pong frame of the WebSocket.
    Pong,
    /// A packet that concerns only the session's heartbeat.
    Heartbeat,
    /// A close packet or frame.
    Close,
}

/// The context of the reader of a connection's input.
pub(crate) struct InboundReader<'c> {
    pub(crate) form: Form,
    pub(crate) session: &'c RefCell<Session>,
    pub(crate) session_options: SessionOptions,
    pub(crate) message_max_bytes: usize,
    pub(crate) now_ms: u64,
    /// Whether the attachments of an earlier packet are missing: only binary data is valid then.
    pub(crate) awaits_attachments: bool,
}

impl InboundReader<'_> {
    /// Reads one message of a WebSocket.
    ///
    /// # Errors
    /// The denial of a packet that breaks a protocol.
    pub(crate) fn message<'a>(&self, message: Message<'a>) -> Result<Inbound<'a>, Denial> {
        match message {
            Message::Text(text) => match self.form {
                Form::SocketIo | Form::Engine => self.packet(text),
                Form::Plain => plain_message(text),
            },
            Message::Binary(bytes) => self.binary(Bytes::copy_from_slice(bytes)),
            Message::Ping(payload) => Ok(Inbound::Ping(payload)),
            Message::Pong(_) => Ok(Inbound::Pong),
            Message::Close(_) => Ok(Inbound::Close),
        }
    }

    /// Reads a packet of a posted body or of a text frame. Both may hold binary data in base64.
    ///
    /// # Errors
    /// As [`InboundReader::message`].
    pub(crate) fn packet<'a>(&self, packet: &'a str) -> Result<Inbound<'a>, Denial> {
        // Bodies are checked before; in frames only base64 may be longer than a message.
        if packet.len() > self.message_max_bytes.saturating_add(1) && !packet.starts_with('b') {
            return Err(Denial::TooLarge);
        }
        match engineio::decode_polled(packet).map_err(|fault| Denial::Packet(fault.0))? {
            PolledPacket::Text(packet) => self.engine_packet(packet),
            PolledPacket::Binary(bytes) => self.binary(bytes.into()),
        }
    }

    /// Reads a pong frame of the plain form as the answer to the server's ping.
    ///
    /// # Errors
    /// [`Denial::ControlFlood`] for too many pongs that no ping has requested.
    pub(crate) fn plain_pong(&self) -> Result<Inbound<'static>, Denial> {
        self.engine_packet(EnginePacket::Pong(""))
    }

    fn engine_packet<'a>(&self, packet: EnginePacket<'a>) -> Result<Inbound<'a>, Denial> {
        let mut session = self.session.borrow_mut();
        match session.receive(packet, self.now_ms, &self.session_options) {
            Ok(SessionEvent::Message(text)) if self.form == Form::Engine => {
                Ok(Inbound::Raw(EngineMessage::Text(text.to_owned())))
            }
            Ok(SessionEvent::Message(text)) => self.socket_packet(text),
            Ok(SessionEvent::Closed) => Ok(Inbound::Close),
            Ok(SessionEvent::Nothing) => Ok(Inbound::Heartbeat),
            Err(SessionFault::Packet(word)) => Err(Denial::Packet(word)),
            Err(SessionFault::PongFlood) => Err(Denial::ControlFlood),
        }
    }

    fn socket_packet<'a>(&self, text: &'a str) -> Result<Inbound<'a>, Denial> {
        let packet = socketio::decode_socket(text).map_err(|fault| Denial::Packet(fault.0))?;
        if self.awaits_attachments {
            return Err(Denial::Packet("attachments_interrupted"));
        }
        Ok(match packet {
            SocketPacket::Connect { namespace, payload } => Inbound::Connect { namespace, payload },
            SocketPacket::Disconnect { namespace } => Inbound::Disconnect { namespace },
            SocketPacket::Event { namespace, ack, json } => Inbound::Event { namespace, ack, json },
            SocketPacket::Ack { namespace, id, json } => Inbound::Ack { namespace, id, json },
            SocketPacket::BinaryEvent { namespace, ack, attachments, json } => {
                Inbound::BinaryEvent { namespace, ack, attachments, json }
            }
            SocketPacket::BinaryAck { namespace, id, attachments, json } => {
                Inbound::BinaryAck { namespace, id, attachments, json }
            }
        })
    }

    /// Reads binary data: only a packet that announced attachments takes it.
    fn binary(&self, bytes: Bytes) -> Result<Inbound<'static>, Denial> {
        match self.form {
            Form::Engine => Ok(Inbound::Raw(EngineMessage::Binary(bytes))),
            Form::SocketIo if self.awaits_attachments => Ok(Inbound::Binary(bytes)),
            Form::SocketIo | Form::Plain => Err(Denial::BinaryRefused),
        }
    }
}

fn plain_message(text: &str) -> Result<Inbound<'_>, Denial> {
    let message = plain::decode_plain(text).map_err(|fault| Denial::Packet(fault.0))?;
    if message.event == "connect" {
        let id = message.id.as_ref().map(|id| id.as_json().to_owned());
        Ok(Inbound::PlainConnect { id, payload: message.data })
    } else {
        Ok(Inbound::PlainEvent { message, size_bytes: text.len() })
    }
}

/// The name of a Socket.IO event.
///
/// # Errors
/// The denial of a packet without a name.
pub(crate) fn event_name(json: &str) -> Result<&str, Denial> {
    socketio::event_name(json).map_err(|fault| Denial::Packet(fault.0))
}
