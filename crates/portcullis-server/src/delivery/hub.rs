//! The way into every shard, for deliveries.
//! Never: unbounded; a shard that is behind holds the writer back.

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use portcullis_model::{ConnectionId, Denial, RoomId, UserId};
use tokio::sync::mpsc;

use crate::delivery::broadcast::Operation;
use crate::events::frame::Frame;

/// Batches that may wait for one shard.
const INBOX_MAX_BATCHES: usize = 1024;

/// One thing every shard has to know, in the order it happened.
#[derive(Debug, Clone)]
pub enum Delta {
    /// A frame for everyone who hears the room, in the frame's namespace.
    Publish {
        /// The room.
        room: RoomId,
        /// The event.
        frame: Arc<Frame>,
    },
    /// A frame for everyone in the frame's namespace.
    Announce {
        /// The event.
        frame: Arc<Frame>,
    },
    /// From here on the connection hears the room of namespace `/`, if it still lives.
    Subscribe {
        /// The room.
        room: RoomId,
        /// The connection.
        connection: ConnectionId,
    },
    /// From here on no connection of the user hears the room of namespace `/`.
    Unsubscribe {
        /// The room.
        room: RoomId,
        /// The user.
        user: UserId,
    },
    /// From here on nobody hears the room of namespace `/`.
    CloseRoom {
        /// The room.
        room: RoomId,
    },
    /// The user's standing changed: connections that are no longer valid end.
    Recheck {
        /// The user.
        user: UserId,
    },
    /// Every connection of the user ends; the user may come back.
    Kick {
        /// The user.
        user: UserId,
    },
    /// The clients of the user are asked whether they are still there.
    Probe {
        /// The user.
        user: UserId,
    },
    /// The client of the connection has come back on another one; this one ends.
    Replace {
        /// The connection.
        connection: ConnectionId,
    },
    /// Something was withdrawn that may be anybody's: all connections are looked at.
    RecheckAll,
    /// A connection that came back has its place again: it gets what it missed, then hears its
    /// rooms from here on. The answer to [`crate::Recovering`].
    Resume {
        /// The connection.
        connection: ConnectionId,
        /// The rooms it may still hear.
        rooms: Vec<RoomId>,
        /// What it missed, in the order it was said.
        missed: Vec<Arc<Frame>>,
    },
    /// Something is done to chosen sockets.
    Operate(Operation),
    /// An acknowledgement that comes after what its handler emitted.
    Acknowledge(Acknowledge),
}

/// Encoded frames for one connection.
#[derive(Debug, Clone)]
pub struct Acknowledge {
    pub(crate) connection: ConnectionId,
    pub(crate) frames: Vec<Bytes>,
}

/// Deltas on their way to one shard.
pub(crate) struct Batch {
    pub(crate) deltas: Arc<[Delta]>,
    /// Whether the shard's own thread handed them over.
    own: bool,
}

thread_local! {
    /// Which shard this thread is, if it is one.
    static SHARD: Cell<Option<u16>> = const { Cell::new(None) };
    /// How many batches this shard's thread has handed to itself.
    static HANDED: Cell<u64> = const { Cell::new(0) };
    /// How many of those are applied; they are in the order in which they were handed over.
    static APPLIED: Cell<u64> = const { Cell::new(0) };
}

/// Makes this thread known as a shard's own.
pub(crate) fn be_shard(index: u16) {
    SHARD.set(Some(index));
}

/// Whether something that was said on this shard's thread has not reached its own connections: an
/// answer that is given now has to go the same way, or it would overtake.
pub(crate) fn has_pending() -> bool {
    handed().is_some()
}

/// What was said on this shard's thread so far, when some of it has not reached its connections.
pub(crate) fn handed() -> Option<Handed> {
    let handed = Handed(HANDED.get());
    (!handed.is_applied()).then_some(handed)
}

/// Everything that was said up to a moment.
#[derive(Clone, Copy)]
pub(crate) struct Handed(u64);

impl Handed {
    /// Whether all of it has reached its connections; what was said later does not count.
    pub(crate) fn is_applied(self) -> bool {
        APPLIED.get() >= self.0
    }
}

impl Batch {
    /// The batch is applied.
    pub(crate) fn applied(&self) {
        if self.own {
            APPLIED.set(APPLIED.get() + 1);
        }
    }
}

/// Hands deliveries to every shard.
///
/// Order: what one thread hands over arrives at each shard in that order. Delivery: nothing is
/// dropped; `deliver_blocking` waits for a shard that is behind.
#[derive(Clone)]
pub struct Hub {
    shards: Arc<[mpsc::Sender<Batch>]>,
}

/// How many wait in the longest of some queues, and how many may.
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

    /// How many batches wait for the shard that has the most of them, and how many may.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        longest(&self.shards)
    }

    /// Delivers from a thread that may wait: the store's writer.
    ///
    /// A shard that has ended takes nothing any more; that is no error.
    pub fn deliver_blocking(&self, deltas: Vec<Delta>) {
        let deltas: Arc<[Delta]> = deltas.into();
        for shard in self.shards.iter() {
            let deltas = Arc::clone(&deltas);
            let _ended = shard.blocking_send(Batch { deltas, own: false });
        }
    }

    /// Delivers from a handler.
    ///
    /// # Errors
    /// [`Denial::Busy`] when a shard's queue is full; shards before it have taken the delta.
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

/// A shard that has ended takes nothing any more; that is no error.
fn try_send(index: usize, shard: &mpsc::Sender<Batch>, deltas: Arc<[Delta]>) -> Result<(), Denial> {
    let own = SHARD.get().is_some_and(|own| usize::from(own) == index);
    match shard.try_send(Batch { deltas, own }) {
        Ok(()) => {
            HANDED.set(HANDED.get() + u64::from(own));
            Ok(())
        }
        Err(mpsc::error::TrySendError::Full(_)) => Err(Denial::Busy),
        Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
    }
}
