//! One thread's world: its connections, rooms, deadlines and buffers.
//! Never: shared with another thread; deliveries come through the hub.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use portcullis_audit::Audit;
use portcullis_guard::{Gate, LoadState, ReferenceKey};
use portcullis_model::{Clock, ConnectionId, Now, UserId};
use portcullis_wire::engineio::SessionOptions;
use portcullis_wire::websocket::deflate::{Deflater, Inflater};
use tokio::sync::{Notify, mpsc};

use crate::admin::metrics::Metrics;
use crate::connection::state::{Compression, Connection, End};
use crate::delivery::hub::Hub;
use crate::delivery::outbox::Flushed;
use crate::events::context::Surroundings;
use crate::events::frame::Frame;
use crate::http::headers::SecurityHeaders;
use crate::http::shard_transfer::Moved;
use crate::listen::tls_turns::TlsTurns;
use crate::load::pressure::Pressure;
use crate::load::waiting::WaitingRooms;
use crate::polling::session_id::{SessionIds, SessionSecret};
use crate::polling::task::is_worth_waiting;
use crate::polling::transport::Farewell;
use crate::random::References;
use crate::rooms::members::Rooms;
use crate::rooms::recovery::Parking;
use crate::setup::builder::Registered;
use crate::setup::options::Options;
use crate::setup::vitals::Vitals;
use crate::shard::numbers::Numbers;
use crate::shard::timer::Wheel;

/// Bytes read from a socket at once.
const READ_MAX_BYTES: usize = 64 * 1024;
/// Between two ticks of a shard; the shortest deadline that is met within a slot.
pub(crate) const TICK_MS: u64 = 50;
/// Between two looks of the audit at what it still owes.
const AUDIT_TICK_MS: u64 = 1_000;
/// Between two times a shard in Critical lets go of what it can do without.
const LET_GO_EVERY_MS: u64 = 1_000;

/// Everything a connection can reach on its thread.
pub(crate) struct Shard {
    pub(crate) index: u16,
    pub(crate) options: Arc<Options>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) registered: Arc<Registered>,
    pub(crate) hub: Hub,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) audit: Audit,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) pressure: Arc<Pressure>,
    pub(crate) vitals: Arc<Vitals>,
    /// What every handler can reach.
    pub(crate) surroundings: Arc<Surroundings>,
    pub(crate) references: References,
    pub(crate) security: SecurityHeaders,
    pub(crate) connections: RefCell<HashMap<u64, Rc<Connection>>>,
    pub(crate) users: RefCell<HashMap<UserId, Numbers>>,
    /// Connections that have ended and wait, for a bounded time, for the peer's end.
    lingering: RefCell<HashMap<u64, Rc<Connection>>>,
    pub(crate) rooms: RefCell<Rooms>,
    pub(crate) read_scratch: RefCell<Vec<u8>>,
    pub(crate) write_scratch: RefCell<Vec<u8>>,
    pub(crate) tls_turns: TlsTurns,
    /// For connections with compression; made for the first of them.
    pub(crate) inflater: RefCell<Option<Box<Inflater>>>,
    deflater: RefCell<Option<Box<Deflater>>>,
    pub(crate) http_connections: Cell<usize>,
    pub(crate) draining: Cell<bool>,
    pub(crate) session_ids: SessionIds,
    pub(crate) parking: Arc<Parking>,
    pub(crate) waiting: Arc<WaitingRooms>,
    /// The ways to every shard for connections that belong there.
    pub(crate) doors: Arc<[mpsc::Sender<Moved>]>,
    /// One more owner for each HTTP route that runs and each socket that waits for its place: the
    /// drain waits for those as for handlers.
    pub(crate) routes_running: Rc<()>,
    wheel: RefCell<Wheel>,
    dirty: RefCell<Vec<Rc<Connection>>>,
    flush_wanted: Notify,
    next_number: Cell<u64>,
}

/// What all shards of a server have in common.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) reference_key: ReferenceKey,
    pub(crate) options: Arc<Options>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) registered: Arc<Registered>,
    pub(crate) hub: Hub,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) audit: Audit,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) pressure: Arc<Pressure>,
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) session_ids: SessionIds,
    pub(crate) parking: Arc<Parking>,
    pub(crate) waiting: Arc<WaitingRooms>,
    pub(crate) doors: Arc<[mpsc::Sender<Moved>]>,
}

impl Shard {
    pub(crate) fn new(index: u16, common: Common) -> Self {
        let now = common.clock.now();
        let surroundings = Arc::new(Surroundings {
            hub: common.hub.clone(),
            clock: common.clock.clone(),
            audit: common.audit.clone(),
            directory: common.gate.directory().clone(),
            gate: common.gate.clone(),
            answers: Arc::clone(&common.registered.answers),
        });
        let security = SecurityHeaders::new(&common.options, common.gate.options());
        Self {
            security,
            surroundings,
            index,
            options: common.options,
            gate: common.gate,
            registered: common.registered,
            hub: common.hub,
            clock: common.clock,
            audit: common.audit,
            metrics: common.metrics,
            pressure: common.pressure,
            vitals: common.vitals,
            session_ids: common.session_ids,
            parking: common.parking,
            waiting: common.waiting,
            doors: common.doors,
            references: References::new(common.reference_key, index),
            connections: RefCell::default(),
            users: RefCell::default(),
            lingering: RefCell::default(),
            rooms: RefCell::default(),
            read_scratch: RefCell::new(vec![0; READ_MAX_BYTES]),
            write_scratch: RefCell::default(),
            tls_turns: TlsTurns::default(),
            inflater: RefCell::default(),
            deflater: RefCell::default(),
            http_connections: Cell::new(0),
            draining: Cell::new(false),
            routes_running: Rc::new(()),
            wheel: RefCell::new(Wheel::new(now.monotonic_ms)),
            dirty: RefCell::default(),
            flush_wanted: Notify::new(),
            next_number: Cell::new(1),
        }
    }

    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// What a new Engine.IO session runs by, just now.
    pub(crate) fn session_options(&self) -> SessionOptions {
        let options = self.options.session();
        let connect_timeout_ms = self.gate.limits().pre_auth_timeout_ms(options.connect_timeout_ms);
        SessionOptions { connect_timeout_ms, ..options }
    }

    /// The id of the next connection.
    pub(crate) fn next_id(&self) -> ConnectionId {
        let number = self.next_number.get();
        self.next_number.set(number + 1);
        ConnectionId { shard: self.index, number }
    }

    /// Takes a connection in: from here on it has deadlines and can be delivered to.
    pub(crate) fn adopt(&self, connection: &Rc<Connection>, now: Now) {
        self.connections.borrow_mut().insert(connection.id.number, Rc::clone(connection));
        self.metrics.connections_open.inc();
        if let Some(next_ms) = connection.due(now, &self.options) {
            self.arm(connection, next_ms);
        }
    }

    /// Lets the connection be looked at no later than `at_ms`.
    pub(crate) fn arm(&self, connection: &Connection, at_ms: u64) {
        let armed_ms = connection.armed_ms.get();
        let mut wheel = self.wheel.borrow_mut();
        // Slots are compared, not deadlines: a peer that trickles bytes would add an entry a read.
        if armed_ms == 0 || wheel.fires_at(at_ms) < armed_ms {
            connection.armed_ms.set(wheel.arm(connection.id.number, at_ms));
        }
    }

    /// When a deadline that is armed now is looked at.
    pub(crate) fn fires_at(&self, at_ms: u64) -> u64 {
        self.wheel.borrow().fires_at(at_ms)
    }

    fn find(&self, number: u64) -> Option<Rc<Connection>> {
        let open = self.connections.borrow().get(&number).cloned();
        open.or_else(|| self.lingering.borrow().get(&number).cloned())
    }

    /// Keeps an ended connection's deadline; over the bound its socket goes at once.
    pub(crate) fn linger(&self, connection: &Rc<Connection>) {
        let mut lingering = self.lingering.borrow_mut();
        if lingering.len() >= self.options.http_connections_max {
            connection.closing_until_ms.set(1);
            return;
        }
        lingering.insert(connection.id.number, Rc::clone(connection));
        self.metrics.closing.inc();
        connection.armed_ms.set(0);
        self.arm(connection, connection.closing_until_ms.get());
    }

    /// The socket of an ended connection is gone.
    pub(crate) fn linger_over(&self, connection: &Connection) {
        if self.lingering.borrow_mut().remove(&connection.id.number).is_some() {
            self.metrics.closing.dec();
        }
    }

    /// Whether no connection is open or closing and no HTTP route runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.connections.borrow().is_empty()
            && self.lingering.borrow().is_empty()
            && Rc::strong_count(&self.routes_running) == 1
    }

    /// Has the connection's outbox written at the end of this turn.
    pub(crate) fn mark_dirty(&self, connection: &Rc<Connection>) {
        if !connection.dirty.replace(true) {
            self.dirty.borrow_mut().push(Rc::clone(connection));
            self.flush_wanted.notify_one();
        }
    }

    /// After the last namespace was left another CONNECT has to come in time.
    pub(crate) fn expect_connect(&self, connection: &Connection) {
        if connection.sockets.borrow().is_empty() {
            let (now, options) = (self.now(), self.session_options());
            connection.session.borrow_mut().disconnected(now.monotonic_ms, &options);
            self.arm(connection, now.monotonic_ms + options.connect_timeout_ms);
        }
    }

    /// The connection a secret id belongs to, also while its close notice waits.
    ///
    /// Its deadlines are looked at first: a session that is over is unknown, however late the wheel
    /// turns.
    pub(crate) fn session(
        &self,
        id: ConnectionId,
        shown: &SessionSecret,
    ) -> Option<Rc<Connection>> {
        let found = self.find(id.number).filter(|_| id.shard == self.index)?;
        let proven = found.secret.as_ref().is_some_and(|secret| secret.is(shown));
        if !proven {
            return None;
        }
        let farewell = found.with_polling(|polling| polling.farewell);
        if farewell == Some(Farewell::None)
            && let Some(next_ms) = found.due(self.now(), &self.options)
        {
            self.arm(&found, next_ms);
        }
        let is_over = match farewell {
            Some(Farewell::Taken) => true,
            Some(Farewell::None) => found.ending().is_some_and(|end| !is_worth_waiting(&end)),
            Some(Farewell::Waiting(_)) | None => false,
        };
        (!is_over).then_some(found)
    }

    /// Queues an event and has it written this turn.
    pub(crate) fn send_event(&self, connection: &Rc<Connection>, event: &Frame) {
        let compressed = match connection.compression.get() {
            Compression::Sent => self.compressed(connection, event),
            Compression::Taken | Compression::None => None,
        };
        match compressed {
            Some(frame) => connection.queue(frame, &self.options),
            None => connection.queue_event(event, &self.options),
        }
        self.mark_dirty(connection);
    }

    /// The event compressed, once for every recipient on every shard.
    fn compressed(&self, connection: &Connection, event: &Frame) -> Option<Bytes> {
        if !event.attachments().is_empty() {
            return None;
        }
        event.compressed(connection.form, |opcode, payload| {
            self.deflater.borrow_mut().get_or_insert_default().frame(opcode, payload)
        })
    }

    /// Queues a frame and has it written this turn.
    pub(crate) fn send(&self, connection: &Rc<Connection>, frame: Bytes) {
        connection.queue(frame, &self.options);
        self.mark_dirty(connection);
    }

    /// Writes one connection's outbox; a broken socket ends the connection.
    pub(crate) fn flush(&self, connection: &Rc<Connection>, now: Now) -> Flushed {
        let flushed = connection.flush(&mut self.write_scratch.borrow_mut(), now);
        match flushed {
            Flushed::Empty => {}
            Flushed::Blocked { .. } => {
                self.arm(connection, now.monotonic_ms + self.options.write_stall_ms);
            }
            Flushed::Failed => connection.end(End::Peer),
        }
        flushed
    }

    /// Runs for the shard's life: writes every dirty connection once a turn.
    pub(crate) async fn flush_forever(self: Rc<Self>) {
        let mut batch = Vec::new();
        loop {
            self.flush_wanted.notified().await;
            std::mem::swap(&mut batch, &mut *self.dirty.borrow_mut());
            let now = self.now();
            for connection in batch.drain(..) {
                connection.dirty.set(false);
                if !connection.is_stalled() {
                    self.flush(&connection, now);
                }
            }
        }
    }

    /// Runs for the shard's life: measures delays, and does what is done at fixed intervals.
    pub(crate) async fn tick_forever(self: Rc<Self>) {
        let mut tick_at_ms = 0;
        let mut ticks = tokio::time::interval(Duration::from_millis(TICK_MS));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut ticked_ms = self.now().monotonic_ms;
        let (mut load, mut let_go_at_ms) = (LoadState::Normal, 0);
        loop {
            ticks.tick().await;
            let fired_ms = self.now().monotonic_ms;
            self.vitals.turned(self.index, fired_ms);
            self.pressure.late(fired_ms.saturating_sub(ticked_ms + TICK_MS));
            ticked_ms = fired_ms;
            // Behind everything that is ready to run now.
            tokio::task::yield_now().await;
            let now = self.now();
            self.pressure.waited(now.monotonic_ms.saturating_sub(fired_ms));
            let before = std::mem::replace(&mut load, self.gate.load());
            let lasts = before == load && now.monotonic_ms < let_go_at_ms;
            if load == LoadState::Critical && !lasts {
                let_go_at_ms = now.monotonic_ms + LET_GO_EVERY_MS;
                self.let_go();
            }
            // One shard is enough for what all share: whoever waits, and summaries of suppressed
            // records.
            if self.index == 0 {
                self.waiting.call(load);
            }
            if self.index == 0 && now.monotonic_ms >= tick_at_ms {
                tick_at_ms = now.monotonic_ms + AUDIT_TICK_MS;
                self.audit.tick(now);
            }
        }
    }

    /// Runs for the shard's life: looks at every connection whose deadline has come.
    pub(crate) async fn turn_wheel_forever(self: Rc<Self>) {
        let mut due = Vec::new();
        loop {
            // A nearer deadline that is armed meanwhile is met a tick late at most.
            let now_ms = self.now().monotonic_ms;
            let next_ms = self.wheel.borrow().next_ms(now_ms + TICK_MS);
            let wait_ms = next_ms.map_or(TICK_MS, |next_ms| next_ms.saturating_sub(now_ms));
            tokio::time::sleep(Duration::from_millis(wait_ms.max(1))).await;
            let now = self.now();
            self.wheel.borrow_mut().turn(now.monotonic_ms, &mut due);
            for entry in due.drain(..) {
                let Some(connection) = self.find(entry.connection) else { continue };
                if connection.armed_ms.get() != entry.at_ms {
                    continue;
                }
                connection.armed_ms.set(0);
                if let Some(next_ms) = connection.due(now, &self.options) {
                    self.arm(&connection, next_ms);
                }
                self.mark_dirty(&connection);
            }
        }
    }
}
