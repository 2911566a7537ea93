//! From bytes to frames to packets to acts.
//! Never: an act while another one runs; the bytes wait.

use portcullis_model::{Denial, Now, limits};
use portcullis_wire::engineio;
use portcullis_wire::plain;
use portcullis_wire::session::{Heard, SessionFault};
use portcullis_wire::socketio::{self, SocketPacket};
use portcullis_wire::websocket::{FrameFault, FrameLimits, Message, Opcode, frame};

use crate::connect::NamespaceName;
use crate::connection::{End, session_options};
use crate::connection_task::ConnectionTask;
use crate::frame::Form;
use crate::pipeline::{AnswerTo, Recipient};

/// Between two control frames, in milliseconds: ten a second.
const CONTROL_EVERY_MS: u64 = 100;
/// Control frames that may come at once.
const CONTROL_BURST: u64 = 20;

fn denial_of(fault: FrameFault) -> Denial {
    match fault {
        FrameFault::TooLarge => Denial::TooLarge,
        FrameFault::Fragments => Denial::Fragments,
        FrameFault::AssemblyTimeout => Denial::AssemblyTimeout,
        FrameFault::Utf8 => Denial::Utf8,
        other => Denial::Frame(other.name()),
    }
}

impl ConnectionTask {
    /// Looks at freshly read bytes; what has to wait is kept.
    pub(crate) fn feed(&mut self, bytes: &mut [u8], now: Now) {
        let consumed = self.feed_some(bytes, now);
        if let Some(rest) = bytes.get(consumed..).filter(|rest| !rest.is_empty()) {
            self.backlog.extend_from_slice(rest);
        }
    }

    /// Handles whole messages until one starts an act; gives the bytes looked at.
    pub(crate) fn feed_some(&mut self, bytes: &mut [u8], now: Now) -> usize {
        let limits = FrameLimits {
            message_max_bytes: self.shard.options.message_max_bytes,
            fragments_max: limits::FRAGMENTS_MAX,
            assembly_timeout_ms: self.shard.options.assembly_timeout_ms,
        };
        let mut decoder = std::mem::take(&mut self.decoder);
        let mut consumed = 0;
        while let Some(rest) = bytes.get_mut(consumed..).filter(|rest| !rest.is_empty()) {
            if self.connection.is_ending() {
                consumed = bytes.len();
                break;
            }
            if self.job.is_some() {
                break;
            }
            match decoder.decode(rest, &limits, now.monotonic_ms) {
                Ok(step) => {
                    consumed += step.consumed;
                    if let Some(message) = step.message {
                        self.message(message, now);
                    }
                }
                Err(fault) => self.connection.end(End::Refused(denial_of(fault))),
            }
        }
        self.note_assembly(decoder.pending_since_ms());
        // A message that was put together is handled by now: its memory goes back.
        decoder.release();
        self.decoder = decoder;
        consumed
    }

    /// Arms the deadline of a message that is not complete.
    fn note_assembly(&self, pending_since_ms: Option<u64>) {
        let since_ms = pending_since_ms.map_or(0, |since_ms| since_ms.max(1));
        self.connection.assembly_since_ms.set(since_ms);
        if since_ms != 0 {
            let at_ms = since_ms + self.shard.options.assembly_timeout_ms;
            self.shard.arm(&self.connection, at_ms);
        }
    }

    fn message(&mut self, message: Message<'_>, now: Now) {
        match message {
            Message::Text(text) => match self.connection.form {
                Form::SocketIo => self.engine_packet(text, now),
                Form::Plain => self.plain_message(text, now),
            },
            Message::Binary(_) => self.connection.end(End::Refused(Denial::BinaryRefused)),
            Message::Ping(payload) => {
                if self.control(now) {
                    self.shard.send(&self.connection, frame(Opcode::Pong, payload));
                }
            }
            Message::Pong(_) => {
                if self.control(now) && self.connection.form == Form::Plain {
                    self.hear(engineio::EnginePacket::Pong(""), now);
                }
            }
            Message::Close(_) => self.connection.end(End::Goodbye),
        }
    }

    /// Counts a control frame (GCRA); over the rate the connection ends.
    fn control(&mut self, now: Now) -> bool {
        let at_ms = self.control_at_ms.max(now.monotonic_ms) + CONTROL_EVERY_MS;
        if at_ms > now.monotonic_ms + CONTROL_EVERY_MS * CONTROL_BURST {
            self.connection.end(End::Refused(Denial::ControlFlood));
            return false;
        }
        self.control_at_ms = at_ms;
        true
    }

    fn engine_packet(&mut self, text: &str, now: Now) {
        match engineio::decode(text) {
            Ok(packet) => self.hear(packet, now),
            Err(fault) => self.connection.end(End::Refused(Denial::Packet(fault.0))),
        }
    }

    fn hear(&mut self, packet: engineio::EnginePacket<'_>, now: Now) {
        let options = session_options(&self.shard.options);
        let heard = self.connection.session.borrow_mut().hear(packet, now.monotonic_ms, &options);
        match heard {
            Ok(Heard::Message(text)) => self.socket_packet(text, now),
            Ok(Heard::Closed) => self.connection.end(End::Goodbye),
            Ok(Heard::Nothing) => {}
            Err(SessionFault::Packet(word)) => {
                self.connection.end(End::Refused(Denial::Packet(word)));
            }
            Err(SessionFault::PongFlood) => {
                self.connection.end(End::Refused(Denial::ControlFlood));
            }
        }
    }

    fn socket_packet(&mut self, text: &str, now: Now) {
        let packet = match socketio::decode_socket(text) {
            Ok(packet) => packet,
            Err(fault) => {
                self.connection.end(End::Refused(Denial::Packet(fault.0)));
                return;
            }
        };
        match packet {
            SocketPacket::Connect { namespace, payload } => {
                self.connect_packet(namespace, payload, now);
            }
            SocketPacket::Disconnect { namespace } => self.disconnect_packet(namespace),
            SocketPacket::Event { namespace, ack, json } => {
                self.event_packet(namespace, ack, json, now);
            }
            // We ask for no acknowledgements, so there is none to take; it still costs.
            SocketPacket::Ack { .. } => {
                self.control(now);
            }
            SocketPacket::Binary => self.connection.end(End::Refused(Denial::BinaryRefused)),
        }
    }

    fn event_packet(&mut self, namespace: &str, ack: Option<u64>, json: &str, now: Now) {
        match NamespaceName::parse(namespace) {
            Some(NamespaceName::Users) if self.namespaces.users => {
                self.socket_event(json, ack, now);
            }
            Some(NamespaceName::Admin) if self.namespaces.admin => {
                self.unknown_event(json, ack, now);
            }
            _ => self.connection.end(End::Refused(Denial::Sequence("namespace_not_joined"))),
        }
    }

    /// The administrators' namespace declares no events of its own yet to be sent by clients.
    fn unknown_event(&mut self, json: &str, ack: Option<u64>, now: Now) {
        let Some(caller) = self.connection.caller() else { return };
        let name = socketio::event_name(json).unwrap_or_default();
        let denial = self.shard.gate.refuse_unknown(&caller, now);
        let recipient = Recipient::of(NamespaceName::Admin, ack);
        let answer = AnswerTo { recipient, event: String::from(name) };
        self.answer(&answer, Err(denial), now);
    }

    fn disconnect_packet(&mut self, namespace: &str) {
        match NamespaceName::parse(namespace) {
            Some(NamespaceName::Users) => {
                self.namespaces.users = false;
                self.connection.hears_users.set(false);
            }
            Some(NamespaceName::Admin) => self.namespaces.admin = false,
            None => {}
        }
        if !self.namespaces.users {
            self.shard.leave_rooms(&self.connection);
        }
        if !self.namespaces.users && !self.namespaces.admin {
            self.connection.end(End::Goodbye);
        }
    }

    fn plain_message(&mut self, text: &str, now: Now) {
        let message = match plain::decode_plain(text) {
            Ok(message) => message,
            Err(fault) => {
                self.connection.end(End::Refused(Denial::Packet(fault.0)));
                return;
            }
        };
        if message.event == "connect" {
            let id = message.id.as_ref().map(|id| id.as_json().to_owned());
            self.plain_connect(message.data, id, now);
        } else {
            self.plain_event(&message, text.len(), now);
        }
    }
}
