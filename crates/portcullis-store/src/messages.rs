//! The trait that every backend implements for messages.
//! Never: a decision about access; it only repeats checks that a guard has made.

use portcullis_model::RoomId;

use crate::future::StoreFuture;
use crate::rows::messages::{
    AppendOutcome, HistoryRequest, MessageRow, NewMessage, ResumeOutcome, ResumeRequest,
};

/// Most messages in one page of history.
pub const PAGE_MAX: u32 = 500;

/// Most rooms that one connection can resume.
pub const RESUME_ROOMS_MAX: usize = 128;

/// Messages of rooms. [`crate::Store`] states order, atomicity and durability.
pub trait MessageStore: Send + Sync + 'static {
    /// Stores a message and assigns the next `seq` of its room: 1, 2, 3 … without gaps.
    ///
    /// Checked in this order: membership, the idempotency key, the message replied to. A key is
    /// valid per user and for 24 hours, measured by `sent_unix_ms`.
    fn append(&self, message: NewMessage) -> StoreFuture<'_, AppendOutcome>;

    /// Subscribes a recovered connection to its rooms again; passes missed messages to the feed.
    ///
    /// **Order.** A reader thread reads the missed messages first. The change takes its position
    /// after that, not at the call, as [`crate::RoomStore::join_room`] does for a member.
    /// `missed` holds every message with a number above `after` whose change precedes this one,
    /// also in the same batch, over all rooms ascending by number. It holds no later message. So a
    /// client that subscribes when the feed receives the change gets the missed messages, then
    /// the live ones, without a gap or a duplicate.
    ///
    /// **Atomicity.** Membership is checked at that position, in the same transaction. Rooms that
    /// were deleted or left are omitted, with their messages. A room that is named twice counts
    /// once. The feed receives everything after the commit, or nothing.
    ///
    /// **Bounds.** At most [`RESUME_ROOMS_MAX`] rooms are named, and at most `limit` messages are
    /// read over all of them. Beyond either, the result is [`ResumeOutcome::TooMany`] and the feed
    /// receives nothing. Nothing is stored, and messages up to `after` are not read.
    fn resume(&self, resume: ResumeRequest) -> StoreFuture<'_, ResumeOutcome>;

    /// Reads a part of a room's messages, ascending by `seq`, and whether there are more.
    ///
    /// With `after` it reads the oldest messages beyond it, and "more" means newer ones (below
    /// `before`, if both are set). Without, it reads the newest, and "more" means older ones.
    fn history(&self, page: HistoryRequest) -> StoreFuture<'_, (Vec<MessageRow>, bool)>;

    /// The newest `seq` of a room: 0 without messages, `None` if the room does not exist.
    fn last_seq(&self, room: RoomId) -> StoreFuture<'_, Option<u64>>;
}
