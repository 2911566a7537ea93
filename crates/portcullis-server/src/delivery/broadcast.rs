//! Recipients of an event: the operators of Socket.IO, across all shards.
//! Never: the same recipient twice, even if it is in several of the rooms.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portcullis_model::{ConnectionId, Denial, Namespace, RoomId, UserId};
use portcullis_wire::socketio::is_reserved;

use crate::delivery::collector::ResponseCollector;
use crate::delivery::hub::{Delta, Hub};
use crate::delivery::operation::{AckResponse, Operation, OperationKind, SocketFilter, SocketInfo};
use crate::delivery::timing::DeliveryTiming;
use crate::events::frame::{Frame, FrameParts};
use crate::events::payload::Payload;
use crate::rooms::covered_rooms::CoveredRooms;

/// How long a `fetch` waits for a busy shard.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// The acknowledgements of an event of the server.
#[derive(Debug, Clone)]
pub struct AckResponses {
    /// The acknowledgements, in the order of their arrival.
    pub answers: Vec<AckResponse>,
    /// How many recipients did not acknowledge: too late, disconnected, rejected by a guard, or
    /// with too many acknowledgements pending.
    pub missing: usize,
}

/// Sockets of one namespace, selected by rooms, on every shard.
///
/// Order: operations of one task or thread arrive in their order, and the acknowledgement of a
/// handler arrives after the events that the handler emitted. Delivery: at most once; events are
/// not stored.
#[derive(Clone)]
#[must_use = "nothing happens until something is emitted"]
pub struct Broadcast {
    hub: Hub,
    filter: SocketFilter,
    volatile: bool,
    /// The rooms that it may reach, when a handler makes it for its client.
    within: Option<CoveredRooms>,
}

impl Hub {
    /// All sockets in a namespace.
    pub fn namespace(&self, namespace: Namespace) -> Broadcast {
        let filter = SocketFilter { namespace, ..SocketFilter::default() };
        Broadcast { hub: self.clone(), filter, volatile: false, within: None }
    }
}

impl Broadcast {
    /// Restricts it to rooms that are covered.
    pub(crate) fn within(mut self, rooms: CoveredRooms) -> Self {
        self.within = Some(rooms);
        self
    }

    /// Only sockets in this room; with several calls, in any of the rooms.
    pub fn to(mut self, room: &RoomId) -> Self {
        self.filter.to.push(room.clone());
        self
    }

    /// Without the sockets in this room.
    pub fn except(mut self, room: &RoomId) -> Self {
        self.filter.except.push(room.clone());
        self
    }

    /// Only the socket on this connection.
    pub fn only(mut self, connection: ConnectionId) -> Self {
        self.filter.only = Some(connection);
        self
    }

    /// Without the socket on this connection.
    pub fn without(mut self, connection: ConnectionId) -> Self {
        self.filter.without = Some(connection);
        self
    }

    /// Only the sockets of this user.
    pub fn of_user(mut self, user: &UserId) -> Self {
        self.filter.user = Some(user.clone());
        self
    }

    /// Leaves out slow consumers: for events that the next one replaces.
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Only sockets on this node. Without a cluster, there is no other node.
    pub fn local(self) -> Self {
        self
    }

    /// Sends an event.
    ///
    /// # Errors
    /// [`Denial::Busy`] when the queue of a shard is full (other shards may have taken the event),
    /// [`Denial::Internal`] for a name that Socket.IO reserves, and
    /// [`Denial::Forbidden`] for a room that is not covered ([`crate::Context::as_server`]).
    pub fn emit(&self, name: &str, payload: &Payload) -> Result<(), Denial> {
        check_name(name)?;
        let parts = FrameParts { namespace: self.filter.namespace.clone(), ..Default::default() };
        let frame = Frame::build(parts, name, payload);
        self.deliver(OperationKind::Emit { frame, volatile: self.volatile })
    }

    /// Sends an event that is already encoded.
    ///
    /// # Errors
    /// As [`Broadcast::emit`].
    pub fn emit_frame(&self, frame: Arc<Frame>) -> Result<(), Denial> {
        self.deliver(OperationKind::Emit { frame, volatile: self.volatile })
    }

    /// Sends an event and collects the acknowledgements, for `limit` at most.
    ///
    /// # Errors
    /// As [`Broadcast::emit`].
    pub async fn emit_with_ack(
        &self,
        name: &str,
        payload: &Payload,
        limit: Duration,
    ) -> Result<AckResponses, Denial> {
        check_name(name)?;
        // All recipients have the same id, so that they share one frame.
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let namespace = self.filter.namespace.clone();
        let parts = FrameParts { namespace, ack: Some(id), offset: None };
        let frame = Frame::build(parts, name, payload);
        let collector = ResponseCollector::new(self.shard_count());
        let timeout_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let to_shards = Arc::clone(&collector);
        self.deliver(OperationKind::EmitWithAck { frame, id, collector: to_shards, timeout_ms })?;
        let (answers, missing) = collector.wait(limit).await;
        Ok(AckResponses { answers, missing })
    }

    /// Lists the sockets: at most 10,000 of each shard.
    ///
    /// # Errors
    /// [`Denial::Busy`] when the queue of a shard is full.
    pub async fn fetch(&self) -> Result<Vec<SocketInfo>, Denial> {
        let collector = ResponseCollector::new(self.shard_count());
        self.deliver(OperationKind::Fetch(Arc::clone(&collector)))?;
        Ok(collector.wait(FETCH_TIMEOUT).await.0)
    }

    /// Adds them to a room, except sockets that are in the maximum number of rooms.
    ///
    /// # Errors
    /// [`Denial::Busy`] when the queue of a shard is full.
    pub fn join(&self, room: &RoomId) -> Result<(), Denial> {
        self.deliver(OperationKind::Join(room.clone()))
    }

    /// Removes them from a room.
    ///
    /// # Errors
    /// [`Denial::Busy`] when the queue of a shard is full.
    pub fn leave(&self, room: &RoomId) -> Result<(), Denial> {
        self.deliver(OperationKind::Leave(room.clone()))
    }

    /// Removes them from the namespace. Their clients get the reason `io server disconnect` and do
    /// not reconnect by themselves.
    ///
    /// # Errors
    /// [`Denial::Busy`] when the queue of a shard is full.
    pub fn disconnect(&self) -> Result<(), Denial> {
        self.deliver(OperationKind::Disconnect)
    }

    fn shard_count(&self) -> usize {
        if self.filter.only.is_some() { 1 } else { self.hub.shard_count() }
    }

    fn deliver(&self, kind: OperationKind) -> Result<(), Denial> {
        if let Some(within) = &self.within {
            within.check(&self.filter.to)?;
        }
        let timing = DeliveryTiming::of_request();
        let delta = Delta::Operate(Operation { filter: self.filter.clone(), kind, timing });
        match self.filter.only {
            Some(connection) => self.hub.try_deliver_to(connection.shard, delta),
            None => self.hub.try_deliver(delta),
        }
    }
}

fn check_name(name: &str) -> Result<(), Denial> {
    // `error` is the name of a denial without an acknowledgement.
    if is_reserved(name) { Err(Denial::Internal("reserved_event_name")) } else { Ok(()) }
}
