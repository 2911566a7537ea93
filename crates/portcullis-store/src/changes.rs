//! One committed change, as the feed hears of it.
//! Never: told before its commit, or twice.

use std::sync::Arc;

use portcullis_model::{RoomId, SessionId, UserId};

use crate::rows::accounts::{Authority, OperatorAction, Revocation, SessionRow};
use crate::rows::rooms::{MessageRow, RoomRow, UserRow};

/// One committed change, as the feed hears of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A user is new, or is different.
    User(UserRow),
    /// A session is new, or is different.
    Session(SessionRow),
    /// A session is over.
    SessionEnded {
        /// The session.
        session: SessionId,
        /// Whose it was.
        user: UserId,
    },
    /// A token or session of an issuer is withdrawn.
    Revoked(Revocation),
    /// Somebody else has changed who may act: this is all of it, as it is now.
    Authority(Box<Authority>),
    /// An operator has done something beside the server; the change itself is told by its own kind.
    Operator(OperatorAction),
    /// A user is asked into a room.
    Invited {
        /// The room.
        room: RoomId,
        /// Whom.
        user: UserId,
        /// Whom it is charged to.
        party: u64,
    },
    /// A user is kept out of a room.
    Barred {
        /// The room.
        room: RoomId,
        /// Whom.
        user: UserId,
        /// Whom it is charged to.
        party: u64,
    },
    /// A room is new; its owner is its first member.
    RoomCreated {
        /// The room.
        room: RoomRow,
        /// The connection that asked.
        origin: u64,
        /// Always 0: nothing was said yet.
        seq: u64,
        /// When.
        created_unix_ms: i64,
        /// Whom it is charged to.
        party: u64,
    },
    /// A user is a member.
    Joined {
        /// The room.
        room: RoomId,
        /// Who.
        user: UserId,
        /// The user's name.
        username: Arc<str>,
        /// The room's newest sequence number at that moment.
        seq: u64,
        /// Whether the user was a member before.
        already: bool,
        /// Whether a role let the user in, and neither the owner nor the room's visibility.
        by_role: bool,
        /// The connection that asked.
        origin: u64,
        /// Whom it is charged to.
        party: u64,
    },
    /// A user is no member any more.
    Left {
        /// The room.
        room: RoomId,
        /// Who.
        user: UserId,
        /// The user's name.
        username: Arc<str>,
    },
    /// A room is gone, with its members and messages.
    RoomDeleted {
        /// The room.
        room: RoomId,
    },
    /// A message has its place.
    Message {
        /// The message.
        row: MessageRow,
        /// The connection that asked.
        origin: u64,
    },
    /// A connection hears its rooms again from here on.
    Resumed {
        /// The connection that asked.
        origin: u64,
        /// The rooms of which the user still is a member.
        rooms: Vec<RoomId>,
        /// What was said in them since, ascending by `number`; everything later comes after this.
        missed: Vec<MessageRow>,
    },
}
