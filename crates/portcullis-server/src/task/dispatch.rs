//! Dispatches each packet of a client to its effect.
//! Never: the parsing of a packet; `inbound.rs` does that.

use std::rc::Rc;

use bytes::Bytes;
use portcullis_model::{Denial, Now};
use portcullis_wire::websocket::{Opcode, frame};

use crate::connect::namespace_packet::count_namespace_packet;
use crate::connection::end::EndReason;
use crate::connection::link::Link;
use crate::connection::socket::Socket;
use crate::delivery::hub::pending_batches;
use crate::delivery::operation::AckResponse;
use crate::events::frame::Form;
use crate::events::handling::EventJob;
use crate::events::raw_engine::EngineMessage;
use crate::rooms::membership::leave_namespace;
use crate::task::connection_task::{ConnectionTask, Job};
use crate::task::inbound::Inbound;
use crate::task::partial_packet::{PartialKind, PartialPacket};

impl ConnectionTask {
    /// Handles one packet.
    pub(crate) fn handle(&mut self, packet: Inbound<'_>, now: Now) {
        match packet {
            Inbound::Connect { namespace, payload } => {
                let control = &mut self.input.control;
                let step = self.connect.connect(&self.link, control, namespace, payload, now);
                self.take_step(step, now);
            }
            Inbound::PlainConnect { id, payload } => {
                let step = self.connect.plain_connect(&self.link, id, payload, now);
                self.take_step(step, now);
            }
            Inbound::Disconnect { namespace } => self.disconnect(namespace, now),
            Inbound::Event { namespace, ack, json } => {
                if let Some(socket) = self.joined_socket(namespace) {
                    let job = self.events(now).socket_event(&socket, json, &[], ack);
                    self.start_event_job(job, now);
                }
            }
            Inbound::PlainEvent { message, size_bytes } => {
                let job = self.events(now).plain_event(&message, size_bytes);
                self.start_event_job(job, now);
            }
            Inbound::Ack { namespace, id, json } => {
                self.acknowledgement(namespace, id, json, &[], now);
            }
            Inbound::BinaryEvent { namespace, ack, attachments, json } => {
                if let Some(socket) = self.joined_socket(namespace) {
                    let kind = PartialKind::Event { socket, ack };
                    self.begin_partial(PartialPacket::new(kind, json, attachments), now);
                }
            }
            Inbound::BinaryAck { namespace, id, attachments, json } => {
                if self.joined_socket(namespace).is_some() {
                    let kind = PartialKind::Ack { namespace: namespace.to_owned(), id };
                    self.begin_partial(PartialPacket::new(kind, json, attachments), now);
                }
            }
            Inbound::Binary(bytes) => self.attachment(bytes, now),
            Inbound::Raw(message) => {
                self.link.connection.output.received.count(now);
                self.raw_message(message);
            }
            Inbound::Ping(payload) => {
                if self.link.count_control_frame(&mut self.input.control, now) {
                    self.link.send(frame(Opcode::Pong, payload));
                }
            }
            Inbound::Pong => self.pong(now),
            Inbound::Heartbeat => {
                // After a pong, the next ping may be due earlier than the deadline of the pong.
                let Link { shard, connection } = &self.link;
                let next_ms = connection.session.borrow().next_ms();
                shard.deadlines.set(connection, next_ms);
            }
            Inbound::Close => self.link.connection.end(EndReason::ClientClosed),
        }
    }

    fn start_event_job(&mut self, job: Option<EventJob>, now: Now) {
        if let Some(job) = job {
            self.start_job(Job::Event(job), now);
        }
    }

    /// A pong frame; in the plain form it answers the server's ping.
    fn pong(&mut self, now: Now) {
        let is_counted = self.link.count_control_frame(&mut self.input.control, now);
        if !is_counted || self.link.connection.form != Form::Plain {
            return;
        }
        match self.reader(now).plain_pong() {
            Ok(packet) => self.handle(packet, now),
            Err(denial) => self.link.deny(denial),
        }
    }

    /// The socket of a namespace; a packet for a namespace that was not joined ends the connection.
    fn joined_socket(&self, namespace: &str) -> Option<Rc<Socket>> {
        let socket = self.link.connection.socket(namespace);
        if socket.is_none() {
            self.link.deny(Denial::Sequence("namespace_not_joined"));
        }
        socket
    }

    /// The acknowledgement of an event of the server. One that is not pending is only counted.
    fn acknowledgement(
        &mut self,
        namespace: &str,
        id: u64,
        json: &str,
        attachments: &[Bytes],
        now: Now,
    ) {
        let connection = &self.link.connection;
        let slot = connection.members.acks.take(id, namespace);
        let (Some(slot), Some(caller)) = (slot, connection.caller()) else {
            self.link.count_control_frame(&mut self.input.control, now);
            return;
        };
        let Some(socket) = connection.socket(namespace) else { return };
        match self.link.shard.server.gate.permit_answer(&caller, json, attachments, now) {
            Ok(answer) => slot.send(AckResponse { socket: socket.id, answer }),
            Err(denial) => self.link.reject_silently(&denial, now),
        }
    }

    fn disconnect(&mut self, namespace: &str, now: Now) {
        if !count_namespace_packet(&self.link, now) {
            return;
        }
        let Some(socket) = self.link.connection.socket(namespace) else { return };
        match pending_batches() {
            Some(pending) => self.start_job(Job::Leave(socket.namespace.clone(), pending), now),
            None => self.leave(namespace),
        }
    }

    /// Removes the connection's socket from a namespace.
    pub(crate) fn leave(&mut self, namespace: &str) {
        let Link { shard, connection } = &self.link;
        if let Some(socket) = connection.socket(namespace) {
            leave_namespace(shard, &socket, "client namespace disconnect");
            // Only a client that was in a namespace gets time for another CONNECT.
            shard.expect_connect(connection);
        }
    }

    /// Waits for the attachments of a packet, if its event takes them.
    fn begin_partial(&mut self, partial: PartialPacket, now: Now) {
        let Link { shard, connection } = &self.link;
        if !partial.is_expected(&shard.server.registered, &connection.members.acks) {
            return self.link.deny(Denial::BinaryRefused);
        }
        let since_ms = now.monotonic_ms.max(1);
        connection.timers.attachments_since_ms.set(since_ms);
        shard.deadlines.set(connection, since_ms + shard.server.options.assembly_timeout_ms);
        self.input.partial = Some(Box::new(partial));
    }

    /// Adds an attachment; the last one completes the packet.
    fn attachment(&mut self, bytes: Bytes, now: Now) {
        let Some(mut partial) = self.input.partial.take() else { return };
        let max_bytes = self.link.shard.server.options.message_max_bytes as usize;
        if let Err(denial) = partial.add(bytes, max_bytes) {
            return self.link.deny(denial);
        }
        if !partial.is_complete() {
            self.input.partial = Some(partial);
            return;
        }
        self.link.connection.timers.attachments_since_ms.set(0);
        let PartialPacket { kind, json, attachments, .. } = *partial;
        match kind {
            PartialKind::Event { socket, ack } => {
                let job = self.events(now).socket_event(&socket, &json, &attachments, ack);
                self.start_event_job(job, now);
            }
            PartialKind::Ack { namespace, id } => {
                self.acknowledgement(&namespace, id, &json, &attachments, now);
            }
        }
    }

    /// A message of Engine.IO without Socket.IO.
    fn raw_message(&self, message: EngineMessage) {
        let Some(engine) = &self.link.shard.server.registered.engine else { return };
        match (engine.handler)(message) {
            Some(EngineMessage::Text(text)) => {
                self.link.send(frame(Opcode::Text, format!("4{text}").as_bytes()));
            }
            Some(EngineMessage::Binary(bytes)) => self.link.send(frame(Opcode::Binary, &bytes)),
            None => {}
        }
    }
}
