//! What a shard shares of one connection: its transport, outbox, deadlines, and how it ends.
//! Never: bytes of the peer; the connection's own task reads those.

use std::cell::{Cell, OnceCell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::Bytes;
use portcullis_guard::{Caller, ClientClass, PacketBudget};
use portcullis_model::{ConnectionId, Denial, Now};
use portcullis_wire::engineio::BinaryForm;
use portcullis_wire::engineio::{Due, Expiry, Session};
use portcullis_wire::plain;
use portcullis_wire::socketio;
use portcullis_wire::websocket::{Opcode, frame};

pub(crate) use crate::connection::end::End;
use crate::connection::socket::Socket;
use crate::connection::sockets::Sockets;
use crate::delivery::outbox::{Flushed, Outbox};
use crate::events::acks::Acks;
use crate::events::frame::Form;
use crate::listen::stream::Stream;
use crate::load::comer::Comer;
use crate::polling::session_id::SessionSecret;
use crate::polling::transport::Polling;
use crate::rooms::recovery::Resuming;
use crate::setup::options::Options;

/// How long before its end a client is told that its credential ends.
const EXPIRING_MS: i64 = 60_000;

/// What carries a connection's packets.
pub(crate) enum Transport {
    /// A WebSocket.
    Socket(Stream),
    /// One request after another.
    Polling(Box<Polling>),
}

/// What a WebSocket agreed on about compression (RFC 7692).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// Nothing.
    None,
    /// The client may compress; what it asked of us we cannot keep, so we do not.
    Taken,
    /// Both sides may.
    Sent,
}

/// One connection after its handshake.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) form: Form,
    /// The port of the other end, where that is `client` itself.
    pub(crate) port: Option<u16>,
    pub(crate) client: IpAddr,
    /// What it showed of somebody who has been here before.
    pub(crate) class: ClientClass,
    pub(crate) origin: Option<Arc<str>>,
    /// What a request has to show to belong to this connection; the plain form has none.
    pub(crate) secret: Option<SessionSecret>,
    pub(crate) transport: RefCell<Transport>,
    pub(crate) session: RefCell<Session>,
    pub(crate) caller: RefCell<Option<Rc<Caller>>>,
    /// What it has used of the limits on packets and signature checks.
    pub(crate) packets: PacketBudget,
    /// The namespaces it is in.
    pub(crate) sockets: RefCell<Sockets>,
    pub(crate) acks: Acks,
    /// A place that is being taken again.
    pub(crate) resuming: Cell<Option<Box<Resuming>>>,
    pub(crate) compression: Cell<Compression>,
    pub(crate) binary: Cell<BinaryForm>,
    /// Whether a WebSocket has taken it over from long-polling.
    pub(crate) upgraded: Cell<bool>,
    pub(crate) dirty: Cell<bool>,
    /// When the deadline wheel looks at the connection next; 0 when it does not.
    pub(crate) armed_ms: Cell<u64>,
    /// Since when a message is being put together; 0 when none is.
    pub(crate) assembly_since_ms: Cell<u64>,
    /// Since when attachments are missing; 0 when none are.
    pub(crate) attachments_since_ms: Cell<u64>,
    /// The end of the credential its client was told of.
    expiring_told_ms: Cell<i64>,
    /// Since when a handler runs; 0 when none does.
    pub(crate) job_since_ms: Cell<u64>,
    /// Until when nothing is read, because more came than may; 0 when it is.
    pub(crate) paused_until_ms: Cell<u64>,
    pub(crate) paused_ms: Cell<u32>, // in all, and no fault of the peer's
    /// When the client was last asked whether it is there; 0 when it never was.
    pub(crate) probed_ms: Cell<u64>,
    /// When the socket is dropped whatever the peer does; 0 while the connection is open.
    pub(crate) closing_until_ms: Cell<u64>,
    pub(crate) outbox: RefCell<Outbox>,
    end: OnceCell<Box<End>>,
    waker: RefCell<Option<Waker>>,
    stalled_since_ms: Cell<u64>,
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        form: Form,
        from: Comer,
        secret: Option<SessionSecret>,
        transport: Transport,
        session: Session,
    ) -> Self {
        Self {
            id,
            form,
            port: from.port,
            client: from.client,
            class: from.class,
            origin: from.origin,
            secret,
            transport: RefCell::new(transport),
            session: RefCell::new(session),
            caller: RefCell::new(None),
            packets: from.packets,
            sockets: RefCell::default(),
            acks: Acks::default(),
            resuming: Cell::new(None),
            compression: Cell::new(Compression::None),
            binary: Cell::default(),
            upgraded: Cell::new(false),
            dirty: Cell::new(false),
            armed_ms: Cell::new(0),
            assembly_since_ms: Cell::new(0),
            attachments_since_ms: Cell::new(0),
            expiring_told_ms: Cell::new(0),
            job_since_ms: Cell::new(0),
            paused_until_ms: Cell::new(0),
            paused_ms: Cell::new(0),
            probed_ms: Cell::new(0),
            closing_until_ms: Cell::new(0),
            outbox: RefCell::new(Outbox::default()),
            end: OnceCell::new(),
            waker: RefCell::new(None),
            stalled_since_ms: Cell::new(0),
        }
    }

    /// Who is signed in here.
    pub(crate) fn caller(&self) -> Option<Rc<Caller>> {
        self.caller.borrow().clone()
    }

    /// Its place in a namespace.
    pub(crate) fn socket(&self, namespace: &str) -> Option<Rc<Socket>> {
        self.sockets.borrow().find(namespace).cloned()
    }

    /// Runs with the state of long-polling, while that is what carries the connection.
    pub(crate) fn with_polling<R>(&self, act: impl FnOnce(&mut Polling) -> R) -> Option<R> {
        match &mut *self.transport.borrow_mut() {
            Transport::Polling(polling) => Some(act(polling)),
            Transport::Socket(_) => None,
        }
    }

    /// Ends the connection; the first reason stands. Its task does the rest.
    pub(crate) fn end(&self, end: End) {
        if self.end.set(Box::new(end)).is_ok() {
            self.wake();
        }
    }

    /// Why the connection ends, once it does.
    pub(crate) fn ending(&self) -> Option<End> {
        self.end.get().map(|end| End::clone(end))
    }

    /// Whether the client waits for what it missed.
    pub(crate) fn is_resuming(&self) -> bool {
        let resuming = self.resuming.take();
        let is_resuming = resuming.is_some();
        self.resuming.set(resuming);
        is_resuming
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.end.get().is_some()
    }

    /// Wakes the connection's task.
    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// The task's waker, once it has run.
    pub(crate) fn waker(&self) -> Option<Waker> {
        self.waker.borrow().clone()
    }

    /// Remembers the task's waker.
    pub(crate) fn remember(&self, waker: &Waker) {
        let mut slot = self.waker.borrow_mut();
        if !slot.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
    }

    /// Whether the peer is behind with reading, so that what is volatile is left out.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_stalled() || !self.outbox.borrow().is_short()
    }

    /// Takes the oldest frame out of the queue, for a poll.
    pub(crate) fn pop(&self) -> Option<Bytes> {
        self.outbox.borrow_mut().pop()
    }

    /// How many bytes the oldest frame has.
    pub(crate) fn front_bytes(&self) -> Option<usize> {
        self.outbox.borrow().front_bytes()
    }

    /// Writes what waits, without waiting for the peer.
    pub(crate) fn flush(&self, scratch: &mut Vec<u8>, now: Now) -> Flushed {
        let waker = self.waker.borrow();
        let mut context = Context::from_waker(waker.as_ref().unwrap_or(Waker::noop()));
        let mut outbox = self.outbox.borrow_mut();
        let flushed = match &mut *self.transport.borrow_mut() {
            Transport::Socket(stream) => outbox.flush(stream, scratch, &mut context),
            // The next poll takes it; until then the outbox's own bounds hold.
            Transport::Polling(polling) => {
                if outbox.front_bytes().is_some() {
                    polling.wake_poller();
                }
                Flushed::Empty
            }
        };
        match flushed {
            Flushed::Empty => self.stalled_since_ms.set(0),
            Flushed::Blocked { progress } => {
                if progress || self.stalled_since_ms.get() == 0 {
                    self.stalled_since_ms.set(now.monotonic_ms.max(1));
                }
            }
            Flushed::Failed => {}
        }
        flushed
    }

    /// Whether more than half of what may wait for it waits.
    pub(crate) fn is_far_behind(&self, options: &Options) -> bool {
        self.outbox.borrow().waiting_bytes() > options.outbox_max_bytes / 2
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled_since_ms.get() != 0
    }

    /// Looks at every deadline; gives the next moment worth looking at.
    pub(crate) fn due(&self, now: Now, options: &Options) -> Option<u64> {
        let now_ms = now.monotonic_ms;
        if self.closing_until_ms.get() != 0 || self.is_ending() {
            self.wake();
            return Some(self.closing_until_ms.get().max(now_ms + 1));
        }
        let mut next_ms = match self.session.borrow_mut().due(now_ms, &options.session()) {
            Due::Nothing { next_ms } => next_ms,
            Due::Ping { next_ms } => {
                self.outbox.borrow_mut().shrink();
                self.queue(self.ping(), options);
                next_ms
            }
            Due::Expired(expiry) => {
                self.end(End::Refused(match expiry {
                    Expiry::Ping => Denial::PingTimeout,
                    Expiry::Connect => Denial::ConnectTimeout,
                }));
                return None;
            }
        };
        let assembly_ms = options.assembly_timeout_ms;
        let deadlines = [
            (self.assembly_since_ms.get(), assembly_ms, Denial::AssemblyTimeout),
            (self.attachments_since_ms.get(), assembly_ms, Denial::AssemblyTimeout),
            (self.stalled_since_ms.get(), options.write_stall_ms, Denial::SlowConsumer),
        ];
        for (since_ms, limit_ms, denial) in deadlines {
            if since_ms == 0 {
                continue;
            }
            if now_ms >= since_ms + limit_ms {
                self.end(End::Refused(denial));
                return None;
            }
            next_ms = next_ms.min(since_ms + limit_ms);
        }
        match self.paused_until_ms.get() {
            0 => {}
            until_ms if now_ms < until_ms => next_ms = next_ms.min(until_ms),
            _over => {
                self.paused_until_ms.set(0);
                self.wake();
            }
        }
        if self.job_since_ms.get() != 0 {
            next_ms = next_ms.min(self.job_since_ms.get() + options.handler_cut_ms());
            self.wake();
        }
        Some(self.standing_due(now, next_ms, options))
    }

    /// Ends the connection when its principal's standing has; bounds the next look by its end.
    fn standing_due(&self, now: Now, next_ms: u64, options: &Options) -> u64 {
        let Some(caller) = self.caller() else {
            return next_ms;
        };
        if let Err(denial) = caller.principal.is_current(now) {
            self.end(End::Refused(denial));
            return next_ms;
        }
        let expires_ms = caller.principal.expires_unix_s().saturating_mul(1000);
        let tell_at_ms = expires_ms.saturating_sub(EXPIRING_MS);
        let look_ms = next_ms.min(caller.principal.next_check_ms(now));
        if self.expiring_told_ms.get() == expires_ms {
            return look_ms;
        }
        let until_ms = u64::try_from(tell_at_ms.saturating_sub(now.unix_ms)).unwrap_or(0);
        if until_ms > 0 {
            return look_ms.min(now.monotonic_ms.saturating_add(until_ms));
        }
        self.expiring_told_ms.set(expires_ms);
        self.tell_expiring(expires_ms, options);
        look_ms
    }

    /// `auth:expiring {expires_at}`: a minute is left for `auth:refresh`.
    fn tell_expiring(&self, expires_ms: i64, options: &Options) {
        let Some(socket) = self.sockets.borrow().iter().next().cloned() else { return };
        let payload = format!(r#"{{"expires_at":{expires_ms}}}"#);
        let text = match self.form {
            Form::SocketIo | Form::Engine => {
                socketio::event(socket.namespace.as_str(), "auth:expiring", &payload)
            }
            Form::Plain => plain::plain_event("auth:expiring", &payload),
        };
        self.queue(frame(Opcode::Text, text.as_bytes()), options);
    }

    fn ping(&self) -> Bytes {
        match self.form {
            Form::SocketIo | Form::Engine => frame(Opcode::Text, b"2"),
            Form::Plain => frame(Opcode::Ping, b""),
        }
    }
}
