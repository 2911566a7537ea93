//! From bytes to frames to packets to acts.
//! Never: an act while another one runs; the bytes wait.

use bytes::Bytes;
use portcullis_model::{Denial, Now, limits};
use portcullis_wire::engineio::{self, BinaryForm, EnginePacket, PolledPacket};
use portcullis_wire::engineio::{SessionEvent, SessionFault};
use portcullis_wire::plain;
use portcullis_wire::socketio::{self, SocketPacket};
use portcullis_wire::websocket::{FrameFault, FrameLimits, Message, Opcode, frame};

use crate::connection::attachments::{Awaiting, Purpose};
use crate::connection::state::{Compression, End};
use crate::connection::task::{ConnectionTask, Job};
use crate::delivery::hub::handed;
use crate::events::frame::Form;
use crate::events::raw_engine::EngineMessage;

pub(crate) fn denial_of(fault: FrameFault) -> Denial {
    match fault {
        FrameFault::TooLarge | FrameFault::Ratio => Denial::TooLarge,
        FrameFault::Fragments => Denial::Fragments,
        FrameFault::AssemblyTimeout => Denial::AssemblyTimeout,
        FrameFault::Utf8 | FrameFault::Deflate => Denial::Utf8,
        other => Denial::Frame(other.name()),
    }
}

impl ConnectionTask {
    /// Looks at freshly read bytes; what has to wait is kept.
    pub(crate) fn feed(&mut self, bytes: &mut [u8], now: Now) {
        if self.job.is_some() || self.backlog.is_some() {
            return self.keep_back(bytes, now);
        }
        self.waits_since_ms = now.monotonic_ms;
        let consumed = self.feed_some(bytes, now);
        if let Some(rest) = bytes.get(consumed..).filter(|rest| !rest.is_empty()) {
            self.keep_back(rest, now);
        }
    }

    /// Handles whole messages until one starts an act; gives the bytes looked at.
    pub(crate) fn feed_some(&mut self, bytes: &mut [u8], now: Now) -> usize {
        let limits = FrameLimits {
            message_max_bytes: self.frame_max_bytes(),
            fragments_max: limits::FRAGMENTS_MAX,
            assembly_timeout_ms: self.shard.options.assembly_timeout_ms,
        };
        let mut decoder = std::mem::take(&mut self.decoder);
        let shard = std::rc::Rc::clone(&self.shard);
        let mut inflater = match self.connection.compression.get() {
            Compression::None => None,
            Compression::Taken | Compression::Sent => Some(shard.inflater.borrow_mut()),
        };
        let mut consumed = 0;
        while let Some(rest) = bytes.get_mut(consumed..).filter(|rest| !rest.is_empty()) {
            if self.connection.is_ending() {
                consumed = bytes.len();
                break;
            }
            // Answers go out before there are too many; a peer that takes none causes no more.
            let is_paused = now.monotonic_ms < self.connection.paused_until_ms.get();
            if self.job.is_some() || is_paused || self.is_held_up(now) {
                break;
            }
            let step = match &mut inflater {
                None => decoder.decode(rest, &limits, now.monotonic_ms),
                Some(inflater) => {
                    let inflater = inflater.get_or_insert_default();
                    decoder.decode_deflated(rest, &limits, now.monotonic_ms, inflater)
                }
            };
            match step {
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

    /// Largest message in frames: a client without binary frames sends three bytes as four.
    fn frame_max_bytes(&self) -> u32 {
        let message_max_bytes = self.shard.options.message_max_bytes;
        match self.connection.binary.get() {
            BinaryForm::Native => message_max_bytes,
            BinaryForm::Base64 => (message_max_bytes / 3 + 1).saturating_mul(4).saturating_add(1),
        }
    }

    /// Writes when much is queued; says whether the peer takes nothing.
    fn is_held_up(&self, now: Now) -> bool {
        if self.connection.is_behind() && !self.connection.is_stalled() {
            self.shard.flush(&self.connection, now);
        }
        self.connection.is_stalled()
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
                Form::SocketIo | Form::Engine => self.engine_packet(text, now),
                Form::Plain => self.plain_message(text, now),
            },
            Message::Binary(bytes) => self.binary_message(Bytes::copy_from_slice(bytes), now),
            Message::Ping(payload) => {
                if self.control(now) {
                    self.shard.send(&self.connection, frame(Opcode::Pong, payload));
                }
            }
            Message::Pong(_) => {
                if self.control(now) && self.connection.form == Form::Plain {
                    self.hear(EnginePacket::Pong(""), now);
                }
            }
            Message::Close(_) => self.connection.end(End::Goodbye),
        }
    }

    /// A packet of a posted body or of a text frame: both can hold binary data in base64.
    pub(crate) fn engine_packet(&mut self, packet: &str, now: Now) {
        // The body was looked over; of a frame only base64 may be longer than a message.
        let message_max_bytes = self.shard.options.message_max_bytes as usize;
        if packet.len() > message_max_bytes.saturating_add(1) && !packet.starts_with('b') {
            self.connection.end(End::Refused(Denial::TooLarge));
            return;
        }
        match engineio::decode_polled(packet) {
            Ok(PolledPacket::Text(packet)) => self.hear(packet, now),
            Ok(PolledPacket::Binary(bytes)) => self.binary_message(bytes.into(), now),
            Err(fault) => self.connection.end(End::Refused(Denial::Packet(fault.0))),
        }
    }

    /// Binary data belongs to the event that announced it; nothing else takes any.
    fn binary_message(&mut self, bytes: Bytes, now: Now) {
        match self.connection.form {
            Form::Engine => self.raw_message(EngineMessage::Binary(bytes)),
            Form::SocketIo if self.awaiting.is_some() => self.attach(bytes, now),
            Form::SocketIo | Form::Plain => {
                self.connection.end(End::Refused(Denial::BinaryRefused));
            }
        }
    }

    /// Counts a control frame; over the rate the connection ends.
    pub(crate) fn control(&mut self, now: Now) -> bool {
        let counted = self.control.take(now);
        counted.map_err(|denial| self.connection.end(End::Refused(denial))).is_ok()
    }

    fn hear(&mut self, packet: EnginePacket<'_>, now: Now) {
        let options = self.shard.options.session();
        let heard =
            self.connection.session.borrow_mut().receive(packet, now.monotonic_ms, &options);
        match heard {
            Ok(SessionEvent::Message(text)) if self.connection.form == Form::Engine => {
                self.raw_message(EngineMessage::Text(text.to_owned()));
            }
            Ok(SessionEvent::Message(text)) => self.socket_packet(text, now),
            Ok(SessionEvent::Closed) => self.connection.end(End::Goodbye),
            Ok(SessionEvent::Nothing) => {
                // After a pong the next ping may be due sooner than its silence would have been.
                let next_ms = self.connection.session.borrow().next_ms();
                self.shard.arm(&self.connection, next_ms);
            }
            Err(SessionFault::Packet(word)) => {
                self.connection.end(End::Refused(Denial::Packet(word)));
            }
            Err(SessionFault::PongFlood) => {
                self.connection.end(End::Refused(Denial::ControlFlood));
            }
        }
    }

    fn raw_message(&self, message: EngineMessage) {
        let Some(engine) = &self.shard.registered.engine else { return };
        match (engine.handler)(message) {
            Some(EngineMessage::Text(text)) => {
                let packet = format!("4{text}");
                self.shard.send(&self.connection, frame(Opcode::Text, packet.as_bytes()));
            }
            Some(EngineMessage::Binary(bytes)) => {
                self.shard.send(&self.connection, frame(Opcode::Binary, &bytes));
            }
            None => {}
        }
    }

    fn socket_packet(&mut self, text: &str, now: Now) {
        let packet = match socketio::decode_socket(text) {
            // Announced attachments come before anything else may.
            Ok(_) if self.awaiting.is_some() => {
                self.connection.end(End::Refused(Denial::Packet("attachments_interrupted")));
                return;
            }
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
            SocketPacket::Disconnect { namespace } => self.disconnect_packet(namespace, now),
            SocketPacket::Event { namespace, ack, json } => {
                if let Some(socket) = self.joined_socket(namespace) {
                    self.socket_event(&socket, json, &[], ack, now);
                }
            }
            SocketPacket::Ack { namespace, id, json } => {
                self.ack_packet(namespace, id, json, &[], now);
            }
            SocketPacket::BinaryEvent { namespace, ack, attachments, json } => {
                if let Some(socket) = self.joined_socket(namespace) {
                    let purpose = Purpose::Event { socket, ack };
                    self.await_attachments(Awaiting::new(purpose, json, attachments), now);
                }
            }
            SocketPacket::BinaryAck { namespace, id, attachments, json } => {
                if self.joined_socket(namespace).is_some() {
                    let purpose = Purpose::Ack { namespace: namespace.to_owned(), id };
                    self.await_attachments(Awaiting::new(purpose, json, attachments), now);
                }
            }
        }
    }

    /// The socket of a namespace; a packet for one that was not joined ends the connection.
    fn joined_socket(
        &self,
        namespace: &str,
    ) -> Option<std::rc::Rc<crate::connection::socket::Socket>> {
        let socket = self.connection.socket(namespace);
        if socket.is_none() {
            self.connection.end(End::Refused(Denial::Sequence("namespace_not_joined")));
        }
        socket
    }

    /// An answer of the client. One nobody waits for is ignored; it still costs.
    pub(crate) fn ack_packet(
        &mut self,
        namespace: &str,
        id: u64,
        json: &str,
        attachments: &[Bytes],
        now: Now,
    ) {
        let ticket = self.connection.acks.take(id, namespace);
        let (Some(ticket), Some(caller)) = (ticket, self.connection.caller()) else {
            self.control(now);
            return;
        };
        let Some(socket) = self.connection.socket(namespace) else { return };
        match self.shard.gate.permit_answer(&caller, json, attachments, now) {
            Ok(answer) => {
                ticket.answer(crate::delivery::broadcast::Answered { socket: socket.id, answer });
            }
            Err(denial) => self.refuse_unanswerable(&denial, now),
        }
    }

    fn disconnect_packet(&mut self, namespace: &str, now: Now) {
        if !self.namespace_packet(now) {
            return;
        }
        let Some(socket) = self.connection.socket(namespace) else { return };
        match handed() {
            Some(handed) => self.start_job(Job::Leave(socket.namespace.clone(), handed), now),
            None => self.leave(namespace),
        }
    }

    /// The client is in a namespace no more.
    pub(crate) fn leave(&mut self, namespace: &str) {
        if let Some(socket) = self.connection.socket(namespace) {
            self.shard.leave_namespace(&socket, "client namespace disconnect");
            // Only who was somewhere gets time for another CONNECT.
            self.shard.expect_connect(&self.connection);
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
