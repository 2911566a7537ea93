//! The queues into every shard, for deliveries.
//! Never: unbounded; the store's writer waits for a shard whose queue is full.

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use portcullis_model::{ConnectionId, Denial, RoomId, UserId};
use tokio::sync::mpsc;

use crate::delivery::inspect::InspectionRequest;
use crate::delivery::operation::Operation;
use crate::delivery::selection::SelectionRequest;
use crate::delivery::timing::DeliveryTiming;
use crate::events::frame::Frame;

/// Batches that may wait for one shard.
const INBOX_MAX_BATCHES: usize = 1024;

/// One change that every shard applies, in the order in which changes happened.
#[derive(Debug, Clone)]
pub enum Delta {
    /// Sends a frame to the members of a room, in the frame's namespace.
    Publish {
        /// The room.
        room: RoomId,
        /// The event.
        frame: Arc<Frame>,
        /// Since when it is on its way.
        timing: DeliveryTiming,
    },
    /// Sends a frame to all sockets in the frame's namespace.
    Announce {
        /// The event.
        frame: Arc<Frame>,
    },
    /// Adds a connection, if it is still open, to a room of namespace `/`.
    Subscribe {
        /// The room.
        room: RoomId,
        /// The connection.
        connection: ConnectionId,
    },
    /// Removes all connections of a user from a room of namespace `/`.
    Unsubscribe {
        /// The room.
        room: RoomId,
        /// The user.
        user: UserId,
    },
    /// Removes all members from a room of namespace `/`.
    CloseRoom {
        /// The room.
        room: RoomId,
    },
    /// Checks the user's connections again and ends those that are no longer valid.
    Recheck {
        /// The user.
        user: UserId,
    },
    /// Sends a ping to the clients of a user.
    Probe {
        /// The user.
        user: UserId,
    },
    /// Ends a connection whose client has returned on another one.
    Replace {
        /// The connection.
        connection: ConnectionId,
    },
    /// Checks all connections again, after a revocation that may concern any of them.
    RecheckAll,
    /// Ends the connections of blocked networks, after a network was blocked.
    RecheckBlocks,
    /// Counts or ends the connections of a selection.
    Select(SelectionRequest),
    /// Lists connections of one shard.
    Inspect(InspectionRequest),
    /// Recovers a socket: sends the missed events and adds it to its rooms. The answer to a
    /// [`crate::RecoveryRequest`].
    Resume {
        /// The connection.
        connection: ConnectionId,
        /// The rooms that the user may still be in.
        rooms: Vec<RoomId>,
        /// The missed events, in their order.
        missed: Vec<Arc<Frame>>,
    },
    /// Applies an operation to the sockets that its filter matches.
    Operate(Operation),
    /// Sends an acknowledgement, after the events that its handler emitted.
    Acknowledge(Acknowledge),
}

/// Encoded frames for one connection.
#[derive(Debug, Clone)]
pub struct Acknowledge {
    pub(crate) connection: ConnectionId,
    pub(crate) frames: Vec<Bytes>,
}

/// Deltas for one shard.
pub(crate) struct Batch {
    pub(crate) deltas: Arc<[Delta]>,
    /// Whether the shard's own thread sent the batch.
    is_own: bool,
}

thread_local! {
    /// The index of the shard that runs on this thread, if any.
    static SHARD: Cell<Option<u16>> = const { Cell::new(None) };
    /// The number of batches that the thread of this shard has sent to itself.
    static SENT: Cell<u64> = const { Cell::new(0) };
    /// The number of those that are applied, in the order in which they were sent.
    static APPLIED: Cell<u64> = const { Cell::new(0) };
}

/// Marks this thread as the one of a shard.
pub(crate) fn set_shard_of_thread(index: u16) {
    SHARD.set(Some(index));
}

/// Whether this shard's thread has sent itself batches that are not applied. An answer that is
/// written now has to go through the hub as well, or it would arrive before them.
pub(crate) fn has_pending_batches() -> bool {
    pending_batches().is_some()
}

/// The batches that this shard's thread has sent itself so far, if any of them is not applied.
pub(crate) fn pending_batches() -> Option<PendingBatches> {
    let pending = PendingBatches(SENT.get());
    (!pending.are_applied()).then_some(pending)
}

/// All batches that a shard's thread had sent itself at one moment.
#[derive(Clone, Copy)]
pub(crate) struct PendingBatches(u64);

impl PendingBatches {
    /// Whether all of them are applied; later batches do not count.
    pub(crate) fn are_applied(self) -> bool {
        APPLIED.get() >= self.0
    }
}

impl Batch {
    /// Records that the batch is applied.
    pub(crate) fn set_applied(&self) {
        if self.is_own {
            APPLIED.set(APPLIED.get() + 1);
        }
    }
}

/// Sends deliveries to every shard.
///
/// Order: each shard receives the messages of one thread in order. Delivery: nothing is dropped;
/// `deliver_blocking` waits for a shard whose queue is full.
#[derive(Clone)]
pub struct Hub {
    shards: Arc<[mpsc::Sender<Batch>]>,
}

/// The length of the longest queue, and the capacity of each.
pub(crate) fn longest<T>(queues: &[mpsc::Sender<T>]) -> (usize, usize) {
    let lengths = queues.iter().map(|queue| queue.max_capacity() - queue.capacity());
    (lengths.max().unwrap_or(0), queues.first().map_or(0, mpsc::Sender::max_capacity))
}

impl Hub {
    pub(crate) fn new(shards: usize) -> (Self, Vec<mpsc::Receiver<Batch>>) {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..shards).map(|_| mpsc::channel(INBOX_MAX_BATCHES)).unzip();
        (Self { shards: senders.into() }, receivers)
    }

    pub(crate) fn shard_count(&self) -> usize {
        self.shards.len()
    }

    /// The number of batches in the longest queue, and the capacity of each queue.
    pub(crate) fn queue_length(&self) -> (usize, usize) {
        longest(&self.shards)
    }

    /// Delivers from a thread that may block: the store's writer.
    ///
    /// A shard that has ended takes no deliveries, which is not an error.
    pub fn deliver_blocking(&self, deltas: Vec<Delta>) {
        let deltas: Arc<[Delta]> = deltas.into();
        for shard in self.shards.iter() {
            let deltas = Arc::clone(&deltas);
            let _ended = shard.blocking_send(Batch { deltas, is_own: false });
        }
    }

    /// Delivers from a handler.
    ///
    /// # Errors
    /// [`Denial::Busy`] when a shard's queue is full; other shards may have taken the delta.
    pub fn try_deliver(&self, delta: Delta) -> Result<(), Denial> {
        let deltas: Arc<[Delta]> = Arc::new([delta]);
        let mut outcome = Ok(());
        for (index, shard) in self.shards.iter().enumerate() {
            if try_send(index, shard, Arc::clone(&deltas)).is_err() {
                outcome = Err(Denial::Busy);
            }
        }
        outcome
    }

    /// Delivers to one shard.
    pub(crate) fn try_deliver_to(&self, shard: u16, delta: Delta) -> Result<(), Denial> {
        let index = usize::from(shard);
        let Some(sender) = self.shards.get(index) else { return Ok(()) };
        try_send(index, sender, Arc::new([delta]))
    }
}

/// Sends to one shard; one that has ended takes no deliveries, which is not an error.
fn try_send(index: usize, shard: &mpsc::Sender<Batch>, deltas: Arc<[Delta]>) -> Result<(), Denial> {
    let is_own = SHARD.get().is_some_and(|own| usize::from(own) == index);
    match shard.try_send(Batch { deltas, is_own }) {
        Ok(()) => {
            SENT.set(SENT.get() + u64::from(is_own));
            Ok(())
        }
        Err(mpsc::error::TrySendError::Full(_)) => Err(Denial::Busy),
        Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
    }
}
