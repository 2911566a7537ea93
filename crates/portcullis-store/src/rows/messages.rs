//! Messages, as they go into the store and come out.
//! Never: SQL, or a type of one backend.

use std::sync::Arc;

use portcullis_model::{MessageId, Mid, RoomId, UserId};

use crate::rows::write_fence::WriteFence;

/// A stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// The message.
    pub id: MessageId,
    /// Its position in the room, from 1 without gaps.
    pub seq: u64,
    /// Its position among all messages of all rooms, growing in commit order, with gaps.
    ///
    /// A number that was reported is never assigned again, neither after a restart nor after its
    /// message was removed.
    pub number: u64,
    /// The room.
    pub room: RoomId,
    /// The author.
    pub user: UserId,
    /// The author's name: in the feed at the time of sending, in history the current one.
    pub username: Arc<str>,
    /// The plain text.
    pub text: String,
    /// The safe formatting, if there is any.
    pub html: Option<String>,
    /// The message of the same room that it replies to.
    pub reply_to: Option<MessageId>,
    /// When the server accepted it.
    pub sent_unix_ms: i64,
}

/// A message to store.
///
/// Ids that sort by time (a millisecond count first) make it twice as fast. Any unique id is
/// correct.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The new message's id, unique for ever.
    pub id: MessageId,
    /// The room.
    pub room: RoomId,
    /// The author.
    pub user: UserId,
    /// The author's name, forwarded to the feed.
    pub username: Arc<str>,
    /// The plain text.
    pub text: String,
    /// The safe formatting, if there is any.
    pub html: Option<String>,
    /// The message of the same room that it replies to.
    pub reply_to: Option<MessageId>,
    /// The client's idempotency key.
    pub mid: Option<Mid>,
    /// The digest of the content that the client sent under that key.
    pub digest: Option<[u8; 32]>,
    /// When the server accepted it.
    pub sent_unix_ms: i64,
    /// The requesting connection; returned in the feed.
    pub origin: u64,
    /// Whether the user is still allowed; checked after all earlier changes were reported.
    pub fence: Option<WriteFence>,
}

/// The result of a [`NewMessage`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendOutcome {
    /// The message is durable and has its `seq`.
    Stored {
        /// Its id.
        id: MessageId,
        /// Its position in the room.
        seq: u64,
        /// When the server accepted it.
        sent_unix_ms: i64,
    },
    /// The same key with the same content was stored before; these are that message's values.
    Repeated {
        /// Its id.
        id: MessageId,
        /// Its position in the room.
        seq: u64,
        /// When the server accepted it.
        sent_unix_ms: i64,
    },
    /// The requesting user is no longer allowed.
    Ended,
    /// The same key was used with another content.
    Conflict,
    /// The user is not a member of the room, or the room does not exist.
    NotMember,
    /// The message to reply to is not in this room.
    ReplyMissing,
}

/// Which part of a room's messages to read.
#[derive(Debug, Clone)]
pub struct HistoryRequest {
    /// The room.
    pub room: RoomId,
    /// Only messages with a lower `seq`; alone, the newest of them.
    pub before: Option<u64>,
    /// Only messages with a higher `seq`; the oldest of them.
    pub after: Option<u64>,
    /// How many at most; clamped to 1 to [`crate::PAGE_MAX`].
    pub limit: u32,
}

/// A request to recover a lost connection: its rooms, and the messages that it missed.
#[derive(Debug, Clone)]
pub struct ResumeRequest {
    /// The user.
    pub user: UserId,
    /// The requesting connection; returned in the feed.
    pub origin: u64,
    /// The rooms of the lost connection; at most [`crate::RESUME_ROOMS_MAX`].
    pub rooms: Vec<RoomId>,
    /// The number of the last message that the client has.
    pub after: u64,
    /// How many messages it may have missed; clamped to 1 to [`crate::PAGE_MAX`].
    pub limit: u32,
}

/// The result of a [`ResumeRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeOutcome {
    /// The feed received the missed messages.
    Resumed {
        /// Rooms of which the user still is a member.
        rooms: usize,
        /// Messages that were missed in them.
        missed: usize,
    },
    /// Too many messages were missed, or too many rooms were named; the feed received nothing.
    TooMany,
}
