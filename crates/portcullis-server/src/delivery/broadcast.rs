//! Whom an event goes to: the operators of Socket.IO, over every shard.
//! Never: a recipient twice, however many of the rooms it hears.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portcullis_guard::{Answer, User};
use portcullis_model::{ConnectionId, Denial, Namespace, RoomId};
use portcullis_wire::socketio::is_reserved;

use crate::connection::socket::SocketId;
use crate::delivery::gather::Gather;
use crate::delivery::hub::{Delta, Hub};
use crate::events::frame::{Frame, FrameParts};
use crate::events::payload::Payload;
use crate::rooms::covered_rooms::CoveredRooms;

/// Sockets one `fetch` gives at most from each shard.
pub(crate) const FETCH_MAX: usize = 10_000;
/// How long a `fetch` waits for a shard that is behind.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Who is meant. Without rooms: everyone in the namespace.
#[derive(Debug, Clone, Default)]
pub(crate) struct Select {
    pub(crate) namespace: Namespace,
    pub(crate) to: Vec<RoomId>,
    pub(crate) except: Vec<RoomId>,
    pub(crate) only: Option<ConnectionId>,
    pub(crate) without: Option<ConnectionId>,
}

/// What happens to those who are meant.
#[derive(Clone)]
pub(crate) enum Act {
    /// They get an event.
    Emit {
        frame: Arc<Frame>,
        /// Whether it is left out for those who are behind with reading.
        volatile: bool,
    },
    /// They get an event and answer it.
    Ask { frame: Arc<Frame>, id: u64, gather: Arc<Gather<Answered>>, timeout_ms: u64 },
    /// They hear a room from here on.
    Join(RoomId),
    /// They do not hear a room from here on.
    Leave(RoomId),
    /// They leave the namespace.
    Disconnect,
    /// They are counted.
    Fetch(Arc<Gather<SocketInfo>>),
}

/// One operation on the sockets that are meant.
#[derive(Clone)]
pub struct Operation {
    pub(crate) select: Select,
    pub(crate) act: Act,
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Operation").field("select", &self.select).finish_non_exhaustive()
    }
}

/// A socket as others see it.
#[derive(Debug, Clone)]
pub struct SocketInfo {
    /// The public id.
    pub id: SocketId,
    /// The connection it is on.
    pub connection: ConnectionId,
    /// Who is signed in.
    pub user: Arc<User>,
    /// The rooms it hears.
    pub rooms: Vec<RoomId>,
}

/// One answer to an event that asked for one.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The socket that answered.
    pub socket: SocketId,
    /// What it said, after its guards.
    pub answer: Answer,
}

/// What came of an event that asked for answers.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    /// The answers, in the order they came.
    pub answers: Vec<Answered>,
    /// How many were asked and did not answer: too late, gone, refused by a guard, or with too
    /// many questions open already.
    pub missing: usize,
}

/// Sockets of one namespace, chosen by rooms; what is said to them goes to every shard.
///
/// Order: what one task or thread hands over arrives in that order, and an acknowledgement a
/// handler gives comes after what it emitted. Delivery: at most once; an event is not stored.
#[derive(Clone)]
#[must_use = "nothing happens until something is emitted"]
pub struct Broadcast {
    hub: Hub,
    select: Select,
    volatile: bool,
    /// The rooms it may reach, when a handler makes it for its client.
    within: Option<CoveredRooms>,
}

impl Hub {
    /// Everyone in a namespace.
    pub fn namespace(&self, namespace: Namespace) -> Broadcast {
        let select = Select { namespace, ..Select::default() };
        Broadcast { hub: self.clone(), select, volatile: false, within: None }
    }
}

impl Broadcast {
    /// Only rooms that are covered can be reached.
    pub(crate) fn within(mut self, rooms: CoveredRooms) -> Self {
        self.within = Some(rooms);
        self
    }

    /// Those who hear this room; with several calls, those who hear any of the rooms.
    pub fn to(mut self, room: &RoomId) -> Self {
        self.select.to.push(room.clone());
        self
    }

    /// Not those who hear this room.
    pub fn except(mut self, room: &RoomId) -> Self {
        self.select.except.push(room.clone());
        self
    }

    /// Only the socket on this connection.
    pub fn only(mut self, connection: ConnectionId) -> Self {
        self.select.only = Some(connection);
        self
    }

    /// Not the socket on this connection.
    pub fn without(mut self, connection: ConnectionId) -> Self {
        self.select.without = Some(connection);
        self
    }

    /// Leaves out whoever is behind with reading: for what the next event makes old.
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// On this node only. One node is all there is without a cluster.
    pub fn local(self) -> Self {
        self
    }

    /// Sends an event.
    ///
    /// # Errors
    /// [`Denial::Busy`] when a shard is behind (those before it have taken the event),
    /// [`Denial::Internal`] for a name that Socket.IO keeps for itself, and
    /// [`Denial::Forbidden`] for a room that is not covered ([`crate::Context::as_server`]).
    pub fn emit(&self, name: &str, payload: &Payload) -> Result<(), Denial> {
        check_name(name)?;
        let parts = FrameParts { namespace: self.select.namespace.clone(), ..Default::default() };
        let frame = Frame::build(parts, name, payload);
        self.act(Act::Emit { frame, volatile: self.volatile })
    }

    /// Sends an event that was encoded before.
    ///
    /// # Errors
    /// As [`Broadcast::emit`].
    pub fn emit_frame(&self, frame: Arc<Frame>) -> Result<(), Denial> {
        self.act(Act::Emit { frame, volatile: self.volatile })
    }

    /// Sends an event and gathers the acknowledgements, for `limit` at most.
    ///
    /// # Errors
    /// As [`Broadcast::emit`].
    pub async fn emit_with_ack(
        &self,
        name: &str,
        payload: &Payload,
        limit: Duration,
    ) -> Result<Acknowledged, Denial> {
        check_name(name)?;
        // One id for all recipients, so that they share one frame.
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let namespace = self.select.namespace.clone();
        let parts = FrameParts { namespace, ack: Some(id), offset: None };
        let frame = Frame::build(parts, name, payload);
        let gather = Gather::new(self.shards());
        let timeout_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        self.act(Act::Ask { frame, id, gather: Arc::clone(&gather), timeout_ms })?;
        let (answers, missing) = gather.wait(limit).await;
        Ok(Acknowledged { answers, missing })
    }

    /// Lists the sockets: at most 10,000 of each shard.
    ///
    /// # Errors
    /// [`Denial::Busy`] when a shard is behind.
    pub async fn fetch(&self) -> Result<Vec<SocketInfo>, Denial> {
        let gather = Gather::new(self.shards());
        self.act(Act::Fetch(Arc::clone(&gather)))?;
        Ok(gather.wait(FETCH_TIMEOUT).await.0)
    }

    /// They hear the room from here on, those who may hear one more.
    ///
    /// # Errors
    /// [`Denial::Busy`] when a shard is behind.
    pub fn join(&self, room: &RoomId) -> Result<(), Denial> {
        self.act(Act::Join(room.clone()))
    }

    /// They do not hear the room from here on.
    ///
    /// # Errors
    /// [`Denial::Busy`] when a shard is behind.
    pub fn leave(&self, room: &RoomId) -> Result<(), Denial> {
        self.act(Act::Leave(room.clone()))
    }

    /// They leave the namespace; their clients read `io server disconnect` and stay away.
    ///
    /// # Errors
    /// [`Denial::Busy`] when a shard is behind.
    pub fn disconnect(&self) -> Result<(), Denial> {
        self.act(Act::Disconnect)
    }

    fn shards(&self) -> usize {
        if self.select.only.is_some() { 1 } else { self.hub.shard_count() }
    }

    fn act(&self, act: Act) -> Result<(), Denial> {
        if let Some(within) = &self.within {
            within.check(&self.select.to)?;
        }
        let delta = Delta::Operate(Operation { select: self.select.clone(), act });
        match self.select.only {
            Some(connection) => self.hub.try_deliver_to(connection.shard, delta),
            None => self.hub.try_deliver(delta),
        }
    }
}

fn check_name(name: &str) -> Result<(), Denial> {
    // `error` is what a refusal without an acknowledgement is called.
    if is_reserved(name) { Err(Denial::Internal("reserved_event_name")) } else { Ok(()) }
}
