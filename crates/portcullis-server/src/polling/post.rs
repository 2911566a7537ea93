//! Long-polling requests: a session is opened, polled, posted to.
//! Never: two polls or two posts of a session at a time; a body with an effect before all of it
//! was looked over.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use portcullis_guard::{AdmittedRequest, SessionBinding};
use portcullis_model::{ClosedBy, Denial, limits};
use portcullis_wire::engineio::Session;
use portcullis_wire::engineio::{
    BinaryForm, OpenOptions, check_polled, open_packet, push_polled, push_polled_binary,
};
use portcullis_wire::http1::{FieldValue, Head};
use portcullis_wire::websocket::Opcode;
use portcullis_wire::websocket::server_frame;
use tokio::time::timeout;

use crate::connection::client_info::ClientInfo;
use crate::connection::end::EndReason;
use crate::connection::state::{Connection, Transport};
use crate::events::frame::Form;
use crate::http::api::ResponseKind;
use crate::http::connection::HttpConnection;
use crate::http::decision::media_type::is_utf8_of;
use crate::http::next::Next;
use crate::http::responder::Outgoing;
use crate::polling::transport::{CloseNotice, Polling, ProbeState};
use crate::task::connection_task::ConnectionTask;
use crate::websocket::upgrade::narrow;

/// The outcome of a poll.
enum Polled {
    Packets(Vec<u8>),
    /// The client closed the connection.
    Gone,
}

/// A poll or post that runs; when it is dropped, the next one may start.
struct Turn {
    connection: Rc<Connection>,
    end: fn(&mut Polling),
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.connection.with_polling(self.end);
    }
}

/// Whether a session ended because of what was posted to it.
fn is_malformed(denial: &Denial) -> bool {
    match denial.answer().closed_by {
        ClosedBy::Code(code) => matches!(code, 1002 | 1003 | 1007 | 1009),
        ClosedBy::Nothing => false,
    }
}

/// The length of a body that may be posted to a session.
pub(crate) fn posted_length(head: &Head<'_>, max_bytes: usize) -> Result<usize, Denial> {
    if !matches!(head.header("content-encoding"), FieldValue::None) {
        return Err(Denial::MediaType);
    }
    match head.header("content-type") {
        FieldValue::None => {}
        FieldValue::One(value) => {
            if !is_utf8_of(value, b"text/plain") {
                return Err(Denial::MediaType);
            }
        }
        FieldValue::Many => return Err(Denial::RequestMalformed),
    }
    let length = usize::try_from(head.content_length).map_err(|_| Denial::TooLarge)?;
    if length > max_bytes { Err(Denial::TooLarge) } else { Ok(length) }
}

impl HttpConnection {
    /// Opens a session and sends its secret id.
    pub(crate) async fn open_session(
        &mut self,
        form: Form,
        admitted: AdmittedRequest,
        binding: SessionBinding,
        binary: BinaryForm,
        keep_alive: bool,
    ) -> Next {
        let shard = Rc::clone(&self.shard);
        let now = shard.now();
        let id = shard.connections.next_id();
        let Ok((sid, secret)) = shard.server.sessions.ids.make(id) else {
            self.refuse_bare(&Denial::Internal("randomness")).await;
            return Next::Close;
        };
        let mut session = Session::open(now.monotonic_ms, &shard.session_options());
        if form == Form::Engine {
            session.connected();
        }
        let AdmittedRequest { client, class, origin, bearer, cookies, slot, .. } = admitted;
        let (port, packets) = (self.client_port(), shard.server.gate.limits().packet_budget());
        let from = ClientInfo { address: client, class, port, origin: origin.clone(), packets };
        let transport = Transport::Polling(Box::new(Polling::new(binding)));
        let connection = Rc::new(Connection::new(id, form, from, Some(secret), transport, session));
        connection.format.binary.set(binary);
        shard.server.metrics.connections_total.inc();
        shard.add(&connection, now);
        let task = ConnectionTask::new(Rc::clone(&shard), connection, slot, bearer, cookies);
        tokio::task::spawn_local(task);
        let packet = open_packet(&OpenOptions {
            sid: &sid,
            upgrades: &["websocket"],
            ping_interval_ms: narrow(shard.server.options.ping_interval_ms),
            ping_timeout_ms: narrow(shard.server.options.ping_timeout_ms),
            max_payload: u32::try_from(shard.server.options.polling_max_bytes).unwrap_or(u32::MAX),
        });
        self.answer_packets(packet.as_bytes(), origin.as_deref(), keep_alive).await
    }

    /// Answers a poll as soon as there are packets.
    pub(crate) async fn poll_session(
        &mut self,
        connection: Rc<Connection>,
        origin: Option<&str>,
        keep_alive: bool,
    ) -> Next {
        let begun = connection.with_polling(Polling::begin_poll);
        if let Some(Err(denial)) = begun {
            return self.refuse_turn(&connection, &denial, origin).await;
        }
        let turn = Turn { connection: Rc::clone(&connection), end: Polling::end_poll };
        let polled = self.wait_for_packets(&connection).await;
        drop(turn);
        match polled {
            Polled::Packets(packets) => {
                let written = self.write_packets(&packets, origin, keep_alive).await;
                if !written {
                    // What was taken out of the queue has not arrived: the session has a hole.
                    connection.end(EndReason::PeerClosed);
                }
                if written && keep_alive { Next::KeepAlive } else { Next::Close }
            }
            Polled::Gone => {
                connection.end(EndReason::PeerClosed);
                Next::Close
            }
        }
    }

    async fn wait_for_packets(&mut self, connection: &Rc<Connection>) -> Polled {
        let shard = Rc::clone(&self.shard);
        let max_bytes = shard.server.options.polling_max_bytes;
        let (stream, buffer) = (&mut self.stream, &mut self.buffer);
        poll_fn(|context| {
            if let Some(packets) = connection.take_polled(context.waker(), max_bytes) {
                return Poll::Ready(Polled::Packets(packets));
            }
            let mut scratch = shard.buffers.read.borrow_mut();
            let window = scratch.get_mut(..limits::HEAD_MAX_BYTES).unwrap_or_default();
            while let Poll::Ready(read) = stream.poll_read(context, window) {
                // A client that sends its next request early waits for this one; a flood does not.
                match read {
                    Ok(count) if count > 0 && buffer.len() < limits::HEAD_MAX_BYTES => {
                        buffer.extend_from_slice(window.get(..count).unwrap_or_default());
                    }
                    Ok(_) | Err(_) => return Poll::Ready(Polled::Gone),
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Takes a posted body, and answers when its packets were handled.
    pub(crate) async fn post_to_session(
        &mut self,
        connection: Rc<Connection>,
        length: usize,
        origin: Option<&str>,
        keep_alive: bool,
    ) -> Next {
        let rest = self.buffer.split_off(length.min(self.buffer.len()));
        let body = std::mem::replace(&mut self.buffer, rest);
        let message_max = self.shard.server.options.message_max_bytes as usize;
        let body = String::from_utf8(body).map_err(|_| Denial::Utf8).and_then(|body| {
            check_polled(&body, limits::POLLING_PACKETS_MAX, message_max)
                .map_err(|fault| Denial::Polling(fault.0))?;
            Ok(body)
        });
        let now = self.shard.now();
        let begun = body.and_then(|body| {
            let begun = connection.with_polling(|polling| polling.begin_post(body, now));
            begun.unwrap_or(Err(Denial::Polling("transport_mismatch")))
        });
        if let Err(denial) = begun {
            return self.refuse_turn(&connection, &denial, origin).await;
        }
        let turn = Turn { connection: Rc::clone(&connection), end: Polling::end_post };
        connection.wake();
        let in_time = self.wait_until_handled(&connection).await;
        drop(turn);
        if !in_time {
            // The body is complete: the server causes the delay.
            return self.refuse_turn(&connection, &Denial::Busy, origin).await;
        }
        match connection.end_reason() {
            Some(EndReason::Denied(denial) | EndReason::DeniedAndSent(denial))
                if is_malformed(&denial) =>
            {
                self.refuse_engine(&Denial::Polling("session_ended"), origin).await;
                Next::Close
            }
            // A client learns of other denials in its next poll.
            Some(
                EndReason::Denied(_)
                | EndReason::DeniedAndSent(_)
                | EndReason::PeerClosed
                | EndReason::ClientClosed
                | EndReason::Replaced,
            )
            | None => self.answer_packets(b"ok", origin, keep_alive).await,
        }
    }

    /// Waits until a posted body was handled, without pauses of the session. Returns false when
    /// that takes too long.
    async fn wait_until_handled(&self, connection: &Connection) -> bool {
        let limit_ms = self.shard.server.options.handshake_timeout_ms;
        let begun_ms = self.shard.now().monotonic_ms;
        let resumes_ms = connection.timers.paused_until_ms.get().max(begun_ms);
        let paused_before_ms = connection.timers.paused_ms.get();
        loop {
            let paused_ms = connection.timers.paused_ms.get().saturating_sub(paused_before_ms);
            let due_ms = resumes_ms.saturating_add(u64::from(paused_ms)).saturating_add(limit_ms);
            let Some(left_ms) = due_ms.checked_sub(self.shard.now().monotonic_ms) else {
                return false;
            };
            let taken = poll_fn(|context| match connection.is_body_handled(context.waker()) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            });
            if timeout(Duration::from_millis(left_ms.max(1)), taken).await.is_ok() {
                return true;
            }
        }
    }

    /// Rejects a request that breaks its session. The session ends with it, unless a WebSocket
    /// carries it and the request is only late.
    async fn refuse_turn(
        &mut self,
        connection: &Connection,
        denial: &Denial,
        origin: Option<&str>,
    ) -> Next {
        if connection.with_polling(|_| ()).is_some() {
            connection.end(EndReason::DeniedAndSent(denial.clone()));
        }
        self.refuse_engine(denial, origin).await;
        Next::Close
    }

    async fn answer_packets(
        &mut self,
        packets: &[u8],
        origin: Option<&str>,
        keep_alive: bool,
    ) -> Next {
        let written = self.write_packets(packets, origin, keep_alive).await;
        if written && keep_alive { Next::KeepAlive } else { Next::Close }
    }

    async fn write_packets(
        &mut self,
        packets: &[u8],
        origin: Option<&str>,
        keep_alive: bool,
    ) -> bool {
        let outgoing = Outgoing {
            status: 200,
            content_type: "text/plain; charset=UTF-8",
            body: packets,
            kind: ResponseKind::Api,
            origin,
            extra: if keep_alive { vec![("Keep-Alive", "timeout=8")] } else { Vec::new() },
            keep_alive,
        };
        self.write(outgoing).await
    }
}

impl Connection {
    /// The packets for a poll, or nothing yet; then the waker is kept.
    fn take_polled(&self, waker: &Waker, max_bytes: usize) -> Option<Vec<u8>> {
        let mut packets = Vec::new();
        let polls = matches!(&*self.transport.borrow(), Transport::Polling(_));
        while polls
            && let Some(next) = self.front_bytes()
            && (packets.is_empty() || packets.len() + next * 4 / 3 + 8 <= max_bytes)
        {
            let Some(frame) = self.pop() else { break };
            match server_frame(&frame) {
                Some((Opcode::Text, packet)) => push_polled(&mut packets, packet),
                Some((Opcode::Binary, message)) => push_polled_binary(&mut packets, message),
                // Control frames are the WebSocket's own.
                Some((Opcode::Close | Opcode::Ping | Opcode::Pong, _)) | None => {}
            }
        }
        let released = self.with_polling(|polling| {
            if let CloseNotice::Pending(packet) = polling.close_notice {
                if self.front_bytes().is_none() {
                    push_polled(&mut packets, &[packet]);
                    polling.close_notice = CloseNotice::Sent;
                }
                return true;
            }
            if polling.probe == ProbeState::Answered {
                return true;
            }
            polling.set_poller(waker);
            polling.close_notice == CloseNotice::Sent
        });
        if self.lifecycle.closing_until_ms.get() != 0 {
            self.wake();
        }
        match (packets.is_empty(), released) {
            (false, _) => Some(packets),
            // The client is to switch, or has switched: nothing more comes this way.
            (true, Some(true) | None) => Some(b"6".to_vec()),
            (true, Some(false)) => None,
        }
    }

    /// Whether a posted body was handled, or the connection ends.
    fn is_body_handled(&self, waker: &Waker) -> bool {
        let taken = self.with_polling(|polling| polling.is_body_handled(waker));
        taken.unwrap_or(true) || self.is_ending()
    }
}
