//! The way into every shard, for deliveries.
//! Never: unbounded; a shard that is behind holds the writer back.

use std::sync::Arc;

use portcullis_model::{ConnectionId, Denial, RoomId, UserId};
use tokio::sync::mpsc;

use crate::frame::Frame;

/// Batches that may wait for one shard.
const INBOX_MAX_BATCHES: usize = 1024;

/// One thing every shard has to know, in the order it happened.
#[derive(Debug, Clone)]
pub enum Delta {
    /// A frame for everyone who hears the room.
    Publish {
        /// The room.
        room: RoomId,
        /// The event.
        frame: Arc<Frame>,
    },
    /// A frame for everyone who is signed in.
    Announce {
        /// The event.
        frame: Arc<Frame>,
    },
    /// From here on the connection hears the room, if it still lives.
    Subscribe {
        /// The room.
        room: RoomId,
        /// The connection.
        connection: ConnectionId,
    },
    /// From here on no connection of the user hears the room.
    Unsubscribe {
        /// The room.
        room: RoomId,
        /// The user.
        user: UserId,
    },
    /// From here on nobody hears the room.
    CloseRoom {
        /// The room.
        room: RoomId,
    },
    /// The user's standing changed: connections that are no longer valid end.
    Recheck {
        /// The user.
        user: UserId,
    },
}

pub(crate) type Batch = Arc<[Delta]>;

/// Hands deliveries to every shard.
///
/// Order: what one thread hands over arrives at each shard in that order. Delivery: nothing is
/// dropped; `deliver_blocking` waits for a shard that is behind.
#[derive(Clone)]
pub struct Hub {
    shards: Arc<[mpsc::Sender<Batch>]>,
}

impl Hub {
    pub(crate) fn new(shards: usize) -> (Self, Vec<mpsc::Receiver<Batch>>) {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..shards).map(|_| mpsc::channel(INBOX_MAX_BATCHES)).unzip();
        (Self { shards: senders.into() }, receivers)
    }

    /// Delivers from a thread that may wait: the store's writer.
    ///
    /// A shard that has ended takes nothing any more; that is no error.
    pub fn deliver_blocking(&self, deltas: Vec<Delta>) {
        let batch: Batch = deltas.into();
        for shard in self.shards.iter() {
            let _ended = shard.blocking_send(Arc::clone(&batch));
        }
    }

    /// Delivers from a handler.
    ///
    /// # Errors
    /// [`Denial::Busy`] when a shard's queue is full; shards before it have taken the delta.
    pub fn try_deliver(&self, delta: Delta) -> Result<(), Denial> {
        let batch: Batch = Arc::new([delta]);
        let mut outcome = Ok(());
        for shard in self.shards.iter() {
            if let Err(mpsc::error::TrySendError::Full(_)) = shard.try_send(Arc::clone(&batch)) {
                outcome = Err(Denial::Busy);
            }
        }
        outcome
    }
}
