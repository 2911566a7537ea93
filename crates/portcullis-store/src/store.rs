//! The trait that every complete backend implements, with the guarantees of all its parts.
//! Never: a decision about access; the store only repeats checks that a guard has made.

use std::path::Path;
use std::sync::Arc;

#[cfg(doc)]
use portcullis_model::Deadline;
use portcullis_model::TimeCounts;

use crate::accounts::AccountStore;
use crate::blocks::BlockStore;
use crate::error::StoreError;
use crate::future::StoreFuture;
use crate::messages::MessageStore;
use crate::rooms::RoomStore;
use crate::rows::snapshot::StoreSnapshot;
use crate::sqlite::copy::progress::CopyProgress;

/// A complete backend: rooms, messages, accounts, blocks and changes.
///
/// **Order.** A change takes its position when its method is called, not when the future is first
/// polled. Dropping the future does not cancel it. All changes of one store form one order. The
/// commits, the feed and each room's `seq` follow that order.
///
/// **Deadline.** Each call belongs to the request whose [`Deadline`] is current at the call, if
/// there is one. A change that has not started shortly before the deadline never starts: the
/// result is [`StoreError::Busy`], without an effect. A change that has started and is not
/// confirmed at the deadline is [`StoreError::Unknown`]: it may be in force. A read ends with the
/// deadline.
///
/// **Atomicity.** Each change takes effect completely or not at all. Its conditions (membership,
/// the owner, the idempotency key, the number of rooms) are checked in the same transaction. A
/// change that fails does not affect the others of its batch. If the commit fails, every change
/// of the batch fails and the feed receives nothing.
///
/// **Durability.** `Ok` is returned only after the commit reached the disk. The change then
/// survives `kill -9` and loss of power.
///
/// **Delivery.** The feed has processed a change before the change's future is ready. A read that
/// is requested later includes the change.
///
/// **Bounds.** Queues are bounded. A full queue rejects with [`StoreError::Busy`] at once, without
/// an effect. No method blocks its caller.
pub trait Store: RoomStore + MessageStore + AccountStore + BlockStore {
    /// The number of pending calls, and how many changes may wait before one is rejected.
    fn waiting(&self) -> (usize, usize);

    /// The times of all commits so far, from the first change of a batch to its end on the disk.
    fn commit_times(&self) -> TimeCounts;

    /// Reads everything except messages, as of one moment; for the start.
    ///
    /// Call it before the first change. The feed does not say which changes the result contains.
    fn load(&self) -> StoreFuture<'_, StoreSnapshot>;

    /// Starts a copy of the database into `target`, a file that does not exist.
    ///
    /// The copy is the database as of one commit, which is later than this call. It takes at most
    /// a tenth of the writer's time, and ends early if the store closes or its disk is not
    /// healthy. A complete copy is not synced to the disk.
    ///
    /// # Errors
    /// `Busy` while another copy runs that is not cancelled.
    fn start_copy(&self, target: &Path) -> Result<Arc<CopyProgress>, StoreError>;

    /// Completes the pending calls, then closes the database. Later calls fail with `Closed`.
    fn close(&self) -> StoreFuture<'_, ()>;
}
