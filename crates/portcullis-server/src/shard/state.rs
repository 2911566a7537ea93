//! The state of one shard: its connections, rooms, deadlines and buffers.
//! Never: access from another thread; deliveries arrive through the hub.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use portcullis_guard::{GateOptions, ReferenceKey};
use portcullis_model::{ConnectionId, Now};
use portcullis_wire::engineio::SessionOptions;

use crate::admin::time_metrics::ThreadTimes;
use crate::connection::end::EndReason;
use crate::connection::state::Connection;
use crate::delivery::outbox::FlushOutcome;
use crate::delivery::timing::DeliveryTiming;
use crate::events::context::Services;
use crate::events::frame::Frame;
use crate::http::headers::SecurityHeaders;
use crate::listen::intake_slots::IntakeSlots;
use crate::listen::receive_rate::ReceiveRate;
use crate::listen::tls_schedule::TlsSchedule;
use crate::polling::session_id::SessionSecret;
use crate::polling::transport::CloseNotice;
use crate::random::References;
use crate::rooms::room_table::RoomTable;
use crate::shard::buffers::Buffers;
use crate::shard::connections::Connections;
use crate::shard::deadlines::Deadlines;
use crate::shard::server::Server;
use crate::shard::write_queue::WriteQueue;
use crate::websocket::compression::Compression;

/// The interval between two ticks of a shard.
pub(crate) const TICK_MS: u64 = 50;

/// Everything that a connection can use on its thread.
pub(crate) struct Shard {
    pub(crate) index: u16,
    /// The state that all shards share.
    pub(crate) server: Server,
    /// The services that all handlers share.
    pub(crate) services: Arc<Services>,
    pub(crate) references: References,
    /// The security headers of these options.
    security: RefCell<(Arc<GateOptions>, Rc<SecurityHeaders>)>,
    pub(crate) connections: Connections,
    pub(crate) rooms: RefCell<RoomTable>,
    pub(crate) deadlines: Deadlines,
    pub(crate) buffers: Buffers,
    pub(crate) writes: WriteQueue,
    pub(crate) intake: Intake,
    pub(crate) drain: Drain,
}

/// The limits of the TCP connections that a shard accepts.
pub(crate) struct Intake {
    pub(crate) slots: Rc<IntakeSlots>,
    pub(crate) tls: TlsSchedule,
}

/// The event that a drain waits for.
pub(crate) struct Drain {
    pub(crate) started: Cell<bool>,
    /// Cloned by each HTTP route that runs and each request that waits for a slot.
    pub(crate) running: Rc<()>,
}

impl Shard {
    pub(crate) fn new(index: u16, server: Server, reference_key: ReferenceKey) -> Self {
        let now = server.clock.now();
        let http_max = server.options.http_connections_max;
        let options = server.gate.options();
        let security = Rc::new(SecurityHeaders::new(&server.options, &options));
        Self {
            index,
            services: Arc::new(server.services()),
            references: References::new(reference_key, index),
            security: RefCell::new((options, security)),
            connections: Connections::new(index),
            rooms: RefCell::default(),
            deadlines: Deadlines::new(now.monotonic_ms),
            buffers: Buffers::new(),
            writes: WriteQueue::default(),
            intake: Intake {
                slots: IntakeSlots::new(http_max, Arc::clone(&server.metrics)),
                tls: TlsSchedule::default(),
            },
            drain: Drain { started: Cell::new(false), running: Rc::new(()) },
            server,
        }
    }

    /// The security headers for the options in force.
    pub(crate) fn security(&self) -> Rc<SecurityHeaders> {
        let options = self.server.gate.options();
        let mut current = self.security.borrow_mut();
        if !Arc::ptr_eq(&current.0, &options) {
            let newer = Rc::new(SecurityHeaders::new(&self.server.options, &options));
            *current = (options, newer);
        }
        Rc::clone(&current.1)
    }

    pub(crate) fn now(&self) -> Now {
        self.server.clock.now()
    }

    /// The timeout of a TLS handshake, of the head of a request, and of a silent connection.
    ///
    /// It is shorter when few slots are free, so that silent connections do not block others.
    pub(crate) fn handshake_timeout_ms(&self) -> u64 {
        let configured_ms = self.server.options.handshake_timeout_ms;
        if self.intake.slots.is_nearly_full() { configured_ms / 5 } else { configured_ms }
    }

    /// The minimum receive rate of a head or a TLS handshake, from its first byte on.
    pub(crate) fn rate_from_first_byte(&self) -> ReceiveRate {
        let now = self.now();
        ReceiveRate::from_first_byte(&self.server.options, now)
            .within(self.handshake_timeout_ms(), now)
    }

    /// The options of a new Engine.IO session at the current load.
    pub(crate) fn session_options(&self) -> SessionOptions {
        let options = self.server.options.session();
        let connect_timeout_ms =
            self.server.gate.limits().pre_auth_timeout_ms(options.connect_timeout_ms);
        SessionOptions { connect_timeout_ms, ..options }
    }

    /// Adds a connection: from now on it has deadlines and receives deliveries.
    pub(crate) fn add(&self, connection: &Rc<Connection>, now: Now) {
        self.connections.add(connection);
        self.server.metrics.connections_open.inc();
        self.check_deadlines(connection, now);
    }

    /// Checks a connection's deadlines and sets the next one.
    pub(crate) fn check_deadlines(&self, connection: &Connection, now: Now) {
        if let Some(next_ms) = connection.check_deadlines(now, &self.server.options) {
            self.deadlines.set(connection, next_ms);
        }
    }

    /// Keeps an ended connection until its deadline; without space its socket is closed at once.
    pub(crate) fn add_closing(&self, connection: &Rc<Connection>) {
        let max = self.server.options.http_connections_max;
        if !self.connections.add_closing(connection, max) {
            connection.lifecycle.closing_until_ms.set(1);
            return;
        }
        self.server.metrics.closing.inc();
        connection.timers.wheel_ms.set(0);
        self.deadlines.set(connection, connection.lifecycle.closing_until_ms.get());
    }

    /// Removes an ended connection after its socket was closed.
    pub(crate) fn remove_closing(&self, connection: &Connection) {
        if self.connections.remove_closing(connection) {
            self.server.metrics.closing.dec();
        }
    }

    /// Whether no connection is open or closing and no HTTP route runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.connections.is_empty() && Rc::strong_count(&self.drain.running) == 1
    }

    /// Starts the CONNECT deadline after the last namespace was left.
    pub(crate) fn expect_connect(&self, connection: &Connection) {
        if connection.members.sockets.borrow().is_empty() {
            let (now, options) = (self.now(), self.session_options());
            connection.session.borrow_mut().disconnected(now.monotonic_ms, &options);
            self.deadlines.set(connection, now.monotonic_ms + options.connect_timeout_ms);
        }
    }

    /// The connection of a secret session id, also while its close notice is pending.
    ///
    /// Its deadlines are checked first: an expired session is unknown, even if the wheel is late.
    pub(crate) fn session(
        &self,
        id: ConnectionId,
        shown: &SessionSecret,
    ) -> Option<Rc<Connection>> {
        let found = self.connections.find(id.number).filter(|_| id.shard == self.index)?;
        let is_proven = found.secret.as_ref().is_some_and(|secret| secret.is(shown));
        if !is_proven {
            return None;
        }
        let notice = found.with_polling(|polling| polling.close_notice);
        if notice == Some(CloseNotice::None) {
            self.check_deadlines(&found, self.now());
        }
        let is_over = match notice {
            Some(CloseNotice::Sent) => true,
            Some(CloseNotice::None) => {
                found.end_reason().is_some_and(|reason| !reason.waits_for_poll())
            }
            Some(CloseNotice::Pending(_)) | None => false,
        };
        (!is_over).then_some(found)
    }

    /// Queues an event and has it written in this turn.
    pub(crate) fn send_event(&self, connection: &Rc<Connection>, event: &Frame) {
        let compressed = match connection.format.compression.get() {
            Compression::Both => self.buffers.compressed(event, connection.form),
            Compression::Inbound | Compression::None => None,
        };
        match compressed {
            Some(frame) => connection.queue(frame, &self.server.options),
            None => connection.queue_event(event, &self.server.options),
        }
        self.writes.add(connection);
    }

    /// Queues a frame and has it written in this turn.
    pub(crate) fn send(&self, connection: &Rc<Connection>, frame: Bytes) {
        connection.queue(frame, &self.server.options);
        self.writes.add(connection);
    }

    /// Records the time of a delivery, if this is the last of the threads that apply it.
    pub(crate) fn record_delivery(&self, timing: &DeliveryTiming, threads: usize) {
        if let (Some(time), Some(times)) = (timing.set_applied(threads), self.times()) {
            times.deliveries.record(time);
        }
    }

    /// The times that this thread records.
    pub(crate) fn times(&self) -> Option<&ThreadTimes> {
        self.server.metrics.times.of_thread(self.index)
    }

    /// Writes one connection's outbox; a failed socket ends the connection.
    pub(crate) fn flush(&self, connection: &Rc<Connection>, now: Now) -> FlushOutcome {
        let outcome = connection.flush(&mut self.buffers.write.borrow_mut(), now);
        match outcome {
            FlushOutcome::Empty => {}
            FlushOutcome::Blocked { .. } => {
                let stalled_ms = now.monotonic_ms + self.server.options.write_stall_ms;
                self.deadlines.set(connection, stalled_ms);
            }
            FlushOutcome::Failed => connection.end(EndReason::PeerClosed),
        }
        outcome
    }
}
