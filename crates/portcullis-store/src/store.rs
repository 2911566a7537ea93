//! The trait all storage stands behind: what is promised, in which order.
//! Never: a decision about who may do what, beyond checking again what a guard has seen.

use std::future::Future;
use std::pin::Pin;

#[cfg(doc)]
use portcullis_model::Deadline;
use portcullis_model::{RoomId, UserId};

use crate::accounts::AccountStore;
use crate::changes::Change;
use crate::error::StoreError;
use crate::rows::deletions::{DeleteRoomOutcome, DeleteRoomRequest};
use crate::rows::rooms::{
    AppendOutcome, CreateRoomOutcome, HistoryRequest, InviteOutcome, InviteRequest, JoinOutcome,
    JoinRequest, KickOutcome, KickRequest, LeaveOutcome, MessageRow, NewMessage, NewRoom,
    ResumeOutcome, ResumeRequest,
};
use crate::rows::snapshot::StoreSnapshot;

/// Most messages one page of history holds, whatever is asked.
pub const PAGE_MAX: u32 = 500;

/// Most rooms one connection may want to hear again.
pub const RESUME_ROOMS_MAX: usize = 128;

/// An answer of the store that is on its way.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Rooms, members and messages, and the people in them.
///
/// **Order.** A change takes its place when its method is called, not when the future is first
/// polled; dropping the future does not take it back. All changes of one store form one order:
/// the commits, the feed and each room's `seq` follow it.
///
/// **Deadline.** Each call belongs to the request whose [`Deadline`] is current when it is made,
/// if there is one. A change that has not begun shortly before it never begins: the answer is
/// [`StoreError::Busy`] and nothing has happened. One that has begun and is not confirmed at the
/// deadline is [`StoreError::Unknown`]: it may be in force. A read ends with the deadline.
///
/// **Atomicity.** Each change happens whole or not at all, and what it depends on (membership, the
/// owner, the key, the number of rooms) is checked in the same transaction. A change that fails
/// leaves its neighbours alone; when the commit itself fails, every change of the batch fails and
/// the feed hears nothing.
///
/// **Durability.** An `Ok` is given only after the commit reached the disk: it survives `kill -9`
/// and loss of power.
///
/// **Delivery.** For every change the feed has returned before its future is ready. A read that is
/// asked for after that sees the change.
///
/// **Bounds.** Queues are bounded. A full queue answers [`StoreError::Busy`] at once and nothing
/// happens; no method ever blocks its caller.
pub trait Store: AccountStore {
    /// How many acts wait for an answer, and how many changes may wait before one is refused; for
    /// operators to see.
    fn waiting(&self) -> (usize, usize);

    /// Reads all there is but messages, as of one moment; for the start.
    ///
    /// Ask before the first change: the feed does not tell which changes the answer contains.
    fn load(&self) -> StoreFuture<'_, StoreSnapshot>;

    /// Creates a room and makes its owner a member.
    fn create_room(&self, room: NewRoom) -> StoreFuture<'_, CreateRoomOutcome>;

    /// Makes a user a member of a public room, or of one they are asked into, which uses the
    /// invitation up; a member or the owner of any room stays one. Not who is kept out.
    ///
    /// Also for members: the feed places the answer's `seq` among the room's messages, so that
    /// who subscribes at that moment misses none after it.
    fn join_room(&self, join: JoinRequest) -> StoreFuture<'_, JoinOutcome>;

    /// Asks a user into a room, for its owner or whoever may do so anywhere; lifts what kept the
    /// user out. The invitation stands until it is used, or the user is put out.
    fn invite_to_room(&self, ask: InviteRequest) -> StoreFuture<'_, InviteOutcome>;

    /// Puts a user out of a room and keeps them out, for its owner or whoever may do so anywhere.
    ///
    /// Messages of the user that come later in the order are refused; the feed hears of the end of
    /// the membership first. The owner cannot be put out.
    fn kick_from_room(&self, ask: KickRequest) -> StoreFuture<'_, KickOutcome>;

    /// Ends a membership. The owner may leave, and stays the owner.
    fn leave_room(&self, room: RoomId, user: UserId) -> StoreFuture<'_, LeaveOutcome>;

    /// Deletes a room with its members and messages, for its owner or by a role.
    fn delete_room(&self, deletion: DeleteRoomRequest) -> StoreFuture<'_, DeleteRoomOutcome>;

    /// Stores a message and gives it the next place in its room: 1, 2, 3 … without gaps.
    ///
    /// Checked in this order: membership, the idempotency key, the message answered. A key counts
    /// per user and for 24 hours, measured by the `sent_unix_ms` handed in.
    fn append(&self, message: NewMessage) -> StoreFuture<'_, AppendOutcome>;

    /// Lets a connection that was lost hear its rooms again, and tells the feed what it missed.
    ///
    /// **Order.** What was missed is read first, by a thread that reads. Then, not at the call, it
    /// takes its place among the changes, as [`Store::join_room`] does for a member.
    /// `missed` holds every message with a number above `after` whose change comes before this
    /// one, also of the same batch, over all rooms ascending by number; none that comes later. So
    /// whoever subscribes when the feed says so has what was missed, then what is live, without a
    /// gap or a double.
    ///
    /// **Atomicity.** Membership is looked at in that moment, in the same transaction: rooms that
    /// are gone, or were left, are left out, and what was said in them stays unsaid. A room named
    /// twice counts once. The feed is told all of it after the commit, or nothing.
    ///
    /// **Bounds.** At most [`RESUME_ROOMS_MAX`] rooms are named and, over all of them, `limit`
    /// messages read; beyond either the answer is [`ResumeOutcome::TooMany`] and the feed is told
    /// nothing. Nothing is stored, and what was said up to `after` is not read.
    fn resume(&self, resume: ResumeRequest) -> StoreFuture<'_, ResumeOutcome>;

    /// Reads a part of a room's messages, ascending by `seq`, and whether there are more.
    ///
    /// With `after` the oldest beyond it come, and "more" means newer ones (below `before`, when
    /// both are given). Without, the newest come, and "more" means older ones.
    fn history(&self, page: HistoryRequest) -> StoreFuture<'_, (Vec<MessageRow>, bool)>;

    /// The newest `seq` of a room: 0 when nothing was said, `None` when there is no such room.
    fn last_seq(&self, room: RoomId) -> StoreFuture<'_, Option<u64>>;

    /// Finishes what was asked before, then lets go of the database; later calls are `Closed`.
    fn close(&self) -> StoreFuture<'_, ()>;
}

/// Who hears of committed changes.
///
/// Called on the writer's thread after each commit, in commit order, with all changes of one
/// batch, and before any caller of the batch has its answer. While it runs nothing is committed, so
/// it must not wait for the store, nor for anyone who does. A change is told exactly once, except
/// when the process dies between commit and call: then history has it.
pub trait CommitFeed: Send {
    /// Hears the changes of one batch.
    fn committed(&mut self, changes: &[Change]);
}
