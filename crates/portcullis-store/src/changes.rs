//! Committed changes: what the feed receives, and how changes of other programs are found.
//! Never: a change that is reported before its commit, or twice.

use std::sync::Arc;

use portcullis_model::{Moment, RoomId, SessionId, UserId};

use crate::future::StoreFuture;
use crate::health::status::StoreStatus;
use crate::rows::access_snapshot::{AccessSnapshot, Revocation};
use crate::rows::blocks::BlockRow;
use crate::rows::messages::MessageRow;
use crate::rows::operator::OperatorAction;
use crate::rows::rooms::RoomRow;
use crate::rows::sessions::SessionRow;
use crate::rows::users::UserRow;

/// Receives committed changes.
///
/// Called on the writer's thread after each commit, in commit order, with all changes of one
/// batch, and before any caller of the batch has its result. Nothing is committed while it runs.
/// So it must not wait for the store, nor for a task that does. Each change is reported exactly
/// once, except if the process ends between commit and call: then history has it.
pub trait CommitFeed: Send {
    /// Receives the changes of one batch.
    fn committed(&mut self, changes: &[Change]);
}

/// Changes that other programs made, and whether changes can be stored at all.
pub trait ChangeStore: Send + Sync + 'static {
    /// Checks whether another program has changed the authority; if so the feed gets all of it.
    ///
    /// It writes nothing, needs no lock that another program may hold, and waits for no change.
    /// The report to the feed is complete: a user or session that it does not name is deleted.
    ///
    /// It is cheap unless another program has written. Then it reads everything, while commits go
    /// on. The first call reports everything. [`crate::StoreError::Busy`] while an earlier call
    /// still reads.
    fn recheck(&self) -> StoreFuture<'_, RecheckOutcome>;

    /// Reads the complete authority, as of one moment.
    fn access_snapshot(&self) -> StoreFuture<'_, AccessSnapshot>;

    /// Whether the store can write, as of the last check; waits for nothing.
    fn status(&self) -> StoreStatus;
}

/// The result of [`ChangeStore::recheck`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecheckOutcome {
    /// No other program has changed anything.
    Unchanged,
    /// Another program has changed something, and the feed received it.
    Reported,
}

/// One committed change, as the feed receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A user was created or changed.
    User(UserRow),
    /// A session was opened or changed.
    Session(SessionRow),
    /// A session ended.
    SessionEnded {
        /// The session.
        session: SessionId,
        /// Its user.
        user: UserId,
    },
    /// A token or session of an issuer was revoked.
    Revoked(Revocation),
    /// A network was blocked, or its block changed.
    Blocked(BlockRow),
    /// The block of a network was removed before its end.
    Unblocked {
        /// The network, as in [`BlockRow::prefix`].
        prefix: String,
    },
    /// The block of a network has ended by itself.
    BlockEnded(BlockRow),
    /// Another program changed the authority; this is all of it now.
    AccessSnapshot(Box<AccessSnapshot>),
    /// An operator did something beside the server; the change itself has its own kind.
    Operator(OperatorAction),
    /// A user was invited to a room.
    Invited {
        /// The room.
        room: RoomId,
        /// The invited user.
        user: UserId,
        /// The party that the entry is charged to.
        party: u64,
    },
    /// A user was barred from a room.
    Barred {
        /// The room.
        room: RoomId,
        /// The barred user.
        user: UserId,
        /// The party that the entry is charged to.
        party: u64,
    },
    /// A room was created; its owner is its first member.
    RoomCreated {
        /// The room.
        room: RoomRow,
        /// The requesting connection.
        origin: u64,
        /// Always 0: the room has no messages yet.
        seq: u64,
        /// The time of creation.
        created_unix_ms: i64,
        /// The party that the room is charged to.
        party: u64,
    },
    /// A user joined a room, or subscribed to it as a member.
    Joined {
        /// The room.
        room: RoomId,
        /// The member.
        user: UserId,
        /// The member's name.
        username: Arc<str>,
        /// The room's newest sequence number at that moment.
        seq: u64,
        /// Whether the user was a member before.
        already: bool,
        /// Whether a role admitted the user, and neither the owner nor the room's visibility.
        by_role: bool,
        /// The requesting connection.
        origin: u64,
        /// The party that the membership is charged to.
        party: u64,
    },
    /// A membership ended.
    Left {
        /// The room.
        room: RoomId,
        /// The former member.
        user: UserId,
        /// The name of that user.
        username: Arc<str>,
    },
    /// A room was deleted, with its members and messages.
    RoomDeleted {
        /// The room.
        room: RoomId,
    },
    /// A message was stored.
    Message {
        /// The message.
        row: MessageRow,
        /// The requesting connection.
        origin: u64,
        /// The time of the accepted request; none for changes of other programs.
        accepted: Option<Moment>,
    },
    /// A recovered connection is subscribed to its rooms again from this position on.
    Resumed {
        /// The requesting connection.
        origin: u64,
        /// The rooms of which the user still is a member.
        rooms: Vec<RoomId>,
        /// Their messages since the loss, ascending by `number`; later ones follow this change.
        missed: Vec<MessageRow>,
    },
}

impl Change {
    /// Whether the change is a part of the authority.
    pub(crate) fn is_of_authority(&self) -> bool {
        match self {
            Self::User(_)
            | Self::Session(_)
            | Self::SessionEnded { .. }
            | Self::Revoked(_)
            | Self::Blocked(_)
            | Self::Unblocked { .. }
            | Self::BlockEnded(_) => true,
            Self::AccessSnapshot(_)
            | Self::Operator(_)
            | Self::Invited { .. }
            | Self::Barred { .. }
            | Self::RoomCreated { .. }
            | Self::Joined { .. }
            | Self::Left { .. }
            | Self::RoomDeleted { .. }
            | Self::Message { .. }
            | Self::Resumed { .. } => false,
        }
    }
}
