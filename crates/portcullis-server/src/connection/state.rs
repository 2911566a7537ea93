//! The state of one connection that its shard and its task share.
//! Never: bytes of the peer; the connection's task reads those.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Waker};

use bytes::Bytes;
use portcullis_guard::Caller;
use portcullis_model::{ConnectionId, Denial, Now};
use portcullis_wire::engineio::{Due, Expiry, Session};
use portcullis_wire::plain;
use portcullis_wire::socketio;
use portcullis_wire::websocket::{Opcode, frame};

use crate::connection::client_info::ClientInfo;
use crate::connection::end::EndReason;
use crate::connection::parts::{Lifecycle, Memberships, Output, Timers, WireFormat};
use crate::connection::socket::Socket;
use crate::delivery::outbox::FlushOutcome;
use crate::events::frame::Form;
use crate::listen::stream::Stream;
use crate::polling::session_id::SessionSecret;
use crate::polling::transport::Polling;
use crate::setup::options::Options;

/// How long before its end the client learns that its credential expires.
const EXPIRING_MS: i64 = 60_000;

/// The transport of a connection's packets.
pub(crate) enum Transport {
    /// A WebSocket.
    Socket(Stream),
    /// HTTP long-polling.
    Polling(Box<Polling>),
}

/// One connection after its handshake.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) form: Form,
    pub(crate) client: ClientInfo,
    /// The secret that requests of this session have to show; the plain form has none.
    pub(crate) secret: Option<SessionSecret>,
    pub(crate) transport: RefCell<Transport>,
    pub(crate) session: RefCell<Session>,
    pub(crate) caller: RefCell<Option<Rc<Caller>>>,
    pub(crate) members: Memberships,
    pub(crate) format: WireFormat,
    pub(crate) output: Output,
    pub(crate) timers: Timers,
    pub(crate) lifecycle: Lifecycle,
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        form: Form,
        client: ClientInfo,
        secret: Option<SessionSecret>,
        transport: Transport,
        session: Session,
    ) -> Self {
        Self {
            id,
            form,
            client,
            secret,
            transport: RefCell::new(transport),
            session: RefCell::new(session),
            caller: RefCell::new(None),
            members: Memberships::default(),
            format: WireFormat::default(),
            output: Output::default(),
            timers: Timers::default(),
            lifecycle: Lifecycle::default(),
        }
    }

    /// The user who is signed in, with the connection's rates.
    pub(crate) fn caller(&self) -> Option<Rc<Caller>> {
        self.caller.borrow().clone()
    }

    /// Its socket in a namespace.
    pub(crate) fn socket(&self, namespace: &str) -> Option<Rc<Socket>> {
        self.members.sockets.borrow().find(namespace).cloned()
    }

    /// A copy of the list of its sockets.
    pub(crate) fn socket_list(&self) -> Vec<Rc<Socket>> {
        self.members.sockets.borrow().iter().cloned().collect()
    }

    /// Runs with the state of long-polling; `None` when a WebSocket carries the connection.
    pub(crate) fn with_polling<R>(&self, run: impl FnOnce(&mut Polling) -> R) -> Option<R> {
        match &mut *self.transport.borrow_mut() {
            Transport::Polling(polling) => Some(run(polling)),
            Transport::Socket(_) => None,
        }
    }

    /// Whether long-polling carries the connection.
    pub(crate) fn is_polling(&self) -> bool {
        matches!(&*self.transport.borrow(), Transport::Polling(_))
    }

    /// Ends the connection; the first reason counts. Its task closes it.
    pub(crate) fn end(&self, reason: EndReason) {
        if self.lifecycle.reason.set(Box::new(reason)).is_ok() {
            self.wake();
        }
    }

    /// Why the connection ends, once it does.
    pub(crate) fn end_reason(&self) -> Option<EndReason> {
        self.lifecycle.reason.get().map(|reason| EndReason::clone(reason))
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.lifecycle.reason.get().is_some()
    }

    /// Whether the recovery of a socket is under way.
    pub(crate) fn is_recovering(&self) -> bool {
        let recovery = self.members.recovery.take();
        let is_recovering = recovery.is_some();
        self.members.recovery.set(recovery);
        is_recovering
    }

    /// Wakes the connection's task.
    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.lifecycle.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// The task's waker, once the task has run.
    pub(crate) fn waker(&self) -> Option<Waker> {
        self.lifecycle.waker.borrow().clone()
    }

    /// Stores the task's waker.
    pub(crate) fn set_waker(&self, waker: &Waker) {
        let mut stored = self.lifecycle.waker.borrow_mut();
        if !stored.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *stored = Some(waker.clone());
        }
    }

    /// Whether reading is paused, because the client exceeded a rate.
    pub(crate) fn is_paused(&self, now: Now) -> bool {
        now.monotonic_ms < self.timers.paused_until_ms.get()
    }

    /// Takes the oldest frame out of the queue, for a poll.
    pub(crate) fn pop(&self) -> Option<Bytes> {
        self.output.outbox.borrow_mut().pop()
    }

    /// The size of the oldest frame.
    pub(crate) fn front_bytes(&self) -> Option<usize> {
        self.output.outbox.borrow().front_bytes()
    }

    /// Writes queued frames, without waiting for the peer.
    pub(crate) fn flush(&self, scratch: &mut Vec<u8>, now: Now) -> FlushOutcome {
        let waker = self.lifecycle.waker.borrow();
        let mut context = Context::from_waker(waker.as_ref().unwrap_or(Waker::noop()));
        let mut outbox = self.output.outbox.borrow_mut();
        let outcome = match &mut *self.transport.borrow_mut() {
            Transport::Socket(stream) => outbox.flush(stream, scratch, &mut context),
            // The next poll takes the frames; until then the bounds of the outbox apply.
            Transport::Polling(polling) => {
                if outbox.front_bytes().is_some() {
                    polling.wake_poller();
                }
                FlushOutcome::Empty
            }
        };
        let stalled_ms = &self.timers.stalled_since_ms;
        match outcome {
            FlushOutcome::Empty => stalled_ms.set(0),
            FlushOutcome::Blocked { progress } => {
                if progress || stalled_ms.get() == 0 {
                    stalled_ms.set(now.monotonic_ms.max(1));
                }
            }
            FlushOutcome::Failed => {}
        }
        outcome
    }

    /// Checks all deadlines. Returns the time of the next check.
    pub(crate) fn check_deadlines(&self, now: Now, options: &Options) -> Option<u64> {
        let now_ms = now.monotonic_ms;
        let closing_ms = self.lifecycle.closing_until_ms.get();
        if closing_ms != 0 || self.is_ending() {
            self.wake();
            return Some(closing_ms.max(now_ms + 1));
        }
        let session_ms = self.check_session(now_ms, options)?;
        let mut next_ms = self.check_transfers(now_ms, session_ms, options)?;
        match self.timers.paused_until_ms.get() {
            0 => {}
            until_ms if now_ms < until_ms => next_ms = next_ms.min(until_ms),
            _over => {
                self.timers.paused_until_ms.set(0);
                self.wake();
            }
        }
        let job_ms = self.timers.job_since_ms.get();
        if job_ms != 0 {
            next_ms = next_ms.min(job_ms + options.handler_cut_ms());
            self.wake();
        }
        Some(self.check_principal(now, next_ms, options))
    }

    /// Sends the ping that is due; an expired session ends the connection.
    fn check_session(&self, now_ms: u64, options: &Options) -> Option<u64> {
        match self.session.borrow_mut().due(now_ms, &options.session()) {
            Due::Nothing { next_ms } => Some(next_ms),
            Due::Ping { next_ms } => {
                self.output.outbox.borrow_mut().shrink();
                self.queue(self.ping(), options);
                Some(next_ms)
            }
            Due::Expired(expiry) => {
                self.end(EndReason::Denied(match expiry {
                    Expiry::Ping => Denial::PingTimeout,
                    Expiry::Connect => Denial::ConnectTimeout,
                }));
                None
            }
        }
    }

    /// Ends the connection when a message or a write takes too long.
    fn check_transfers(&self, now_ms: u64, mut next_ms: u64, options: &Options) -> Option<u64> {
        let assembly_ms = options.assembly_timeout_ms;
        for since in [&self.timers.assembly_since_ms, &self.timers.attachments_since_ms] {
            let since_ms = since.get();
            if since_ms == 0 {
                continue;
            }
            if now_ms >= since_ms + assembly_ms {
                self.end(EndReason::Denied(Denial::AssemblyTimeout));
                return None;
            }
            next_ms = next_ms.min(since_ms + assembly_ms);
        }
        self.check_stalled_write(now_ms, next_ms, options)
    }

    /// Ends the connection when its principal is no longer valid. Returns the next check.
    fn check_principal(&self, now: Now, next_ms: u64, options: &Options) -> u64 {
        let Some(caller) = self.caller() else {
            return next_ms;
        };
        if let Err(denial) = caller.principal.is_current(now) {
            self.end(EndReason::Denied(denial));
            return next_ms;
        }
        let expires_ms = caller.principal.expires_unix_s().saturating_mul(1000);
        let next_ms = next_ms.min(caller.principal.next_check_ms(now));
        if self.timers.expiry_sent_ms.get() == expires_ms {
            return next_ms;
        }
        let send_at_ms = expires_ms.saturating_sub(EXPIRING_MS);
        let until_ms = u64::try_from(send_at_ms.saturating_sub(now.unix_ms)).unwrap_or(0);
        if until_ms > 0 {
            return next_ms.min(now.monotonic_ms.saturating_add(until_ms));
        }
        self.timers.expiry_sent_ms.set(expires_ms);
        self.send_expiring(expires_ms, options);
        next_ms
    }

    /// Sends `auth:expiring {expires_at}`: a minute is left for `auth:refresh`.
    fn send_expiring(&self, expires_ms: i64, options: &Options) {
        let Some(socket) = self.members.sockets.borrow().iter().next().cloned() else { return };
        let payload = format!(r#"{{"expires_at":{expires_ms}}}"#);
        let text = self.event_text(&socket, "auth:expiring", &payload);
        self.queue(frame(Opcode::Text, text.as_bytes()), options);
    }

    /// The text of an event in the wire form of the connection.
    pub(crate) fn event_text(&self, socket: &Socket, name: &str, payload_json: &str) -> String {
        match self.form {
            Form::SocketIo | Form::Engine => {
                socketio::event(socket.namespace.as_str(), name, payload_json)
            }
            Form::Plain => plain::plain_event(name, payload_json),
        }
    }

    fn ping(&self) -> Bytes {
        match self.form {
            Form::SocketIo | Form::Engine => frame(Opcode::Text, b"2"),
            Form::Plain => frame(Opcode::Ping, b""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_stays_in_its_size_class() {
        let counts = 2 * size_of::<usize>();
        // In debug builds mio keeps the id of a selector with each socket.
        let debug_bytes = if cfg!(debug_assertions) { size_of::<usize>() } else { 0 };
        let bytes = size_of::<Connection>() - debug_bytes;
        assert!(bytes + counts <= 512, "{bytes}");
    }
}
