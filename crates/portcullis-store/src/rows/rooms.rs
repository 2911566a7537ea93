//! What goes into the store and what comes out of it.
//! Never: SQL, or a type of one backend.

use std::sync::Arc;

use portcullis_model::{MessageId, Mid, Roles, RoomId, Secret, UserId, Visibility};

/// A user as stored, without the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// The user.
    pub id: UserId,
    /// The name others see.
    pub username: Arc<str>,
    /// What the user may do at all.
    pub roles: Roles,
    /// Whether the user is locked out.
    pub disabled: bool,
    /// Tokens issued before this moment are void; 0 when none were revoked.
    pub valid_after_unix_ms: i64,
    /// Until when the user is banned; 0 when not.
    pub banned_until_unix_ms: i64,
    /// Until when the user may not speak; 0 when they may.
    pub muted_until_unix_ms: i64,
    /// Whether a second factor is asked for.
    pub has_totp: bool,
    /// Whether another issuer vouches for the user.
    pub foreign: bool,
}

/// A room as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomRow {
    /// The room.
    pub id: RoomId,
    /// The name others see.
    pub name: Arc<str>,
    /// Who made it, and alone may delete it.
    pub owner: UserId,
    /// Who may join.
    pub visibility: Visibility,
}

/// A message as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// The message.
    pub id: MessageId,
    /// Its place in the room, from 1 without gaps.
    pub seq: u64,
    /// Its place among all messages of all rooms, growing in commit order, with gaps.
    ///
    /// No number that was told is given again, neither after a restart nor when its message is
    /// gone.
    pub number: u64,
    /// The room.
    pub room: RoomId,
    /// Who wrote it.
    pub user: UserId,
    /// The writer's name: when sent in the feed, as it is now in history.
    pub username: Arc<str>,
    /// The plain text.
    pub text: String,
    /// The safe formatting, if there is any.
    pub html: Option<String>,
    /// The message of the same room it answers.
    pub reply_to: Option<MessageId>,
    /// When the server took it.
    pub sent_unix_ms: i64,
}

/// A user to create: of our own (`password_phc`), or of a foreign issuer.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The new user's id.
    pub id: UserId,
    /// The name; unique among our own users, whatever its case.
    pub username: Arc<str>,
    /// The password's hash in PHC form, for our own users.
    pub password_phc: Option<Secret<String>>,
    /// Who vouches for a foreign user.
    pub issuer: Option<String>,
    /// What the issuer calls the user.
    pub subject: Option<String>,
    /// What the user may do from the start.
    pub roles: Roles,
    /// When.
    pub created_unix_ms: i64,
    /// Whether this is the one-time set-up: refused once any administrator exists.
    pub setup: bool,
    /// Digest of the invitation that is used up by it.
    pub invitation: Option<[u8; 32]>,
    /// Whether a foreign user's roles are brought up to date as well as the name, which stays as it
    /// is while the user is muted.
    pub roles_follow: bool,
}

/// What became of a [`NewUser`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateUserOutcome {
    /// It is there; for a foreign user perhaps since long.
    Created,
    /// The name belongs to somebody else.
    NameTaken,
    /// The user was deleted, and does not come back.
    Deleted,
    /// There is an administrator already.
    SetupUsed,
    /// The invitation was used, has ended, or never was.
    InvitationInvalid,
}

/// A room to create.
#[derive(Debug, Clone)]
pub struct NewRoom {
    /// The new room's id; never that of a room that exists.
    pub id: RoomId,
    /// The name.
    pub name: Arc<str>,
    /// Who may join.
    pub visibility: Visibility,
    /// Who makes it; becomes its first member.
    pub owner: UserId,
    /// When.
    pub created_unix_ms: i64,
    /// The connection that asks; comes back in the feed.
    pub origin: u64,
    /// How many rooms one user may own.
    pub rooms_per_user_max: u32,
    /// Whom the room is charged to; comes back in the feed.
    pub party: u64,
    /// Whether the user is still allowed; checked after all earlier changes were reported.
    pub fence: Option<WriteFence>,
}

/// What became of a [`NewRoom`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateRoomOutcome {
    /// It is there, and empty but for its owner.
    Created,
    /// The owner has as many rooms as allowed.
    TooMany,
    /// The requesting user is no longer allowed.
    Ended,
}

/// A wish to be a member, or, for a member, to be placed in the feed's order.
#[derive(Debug, Clone)]
pub struct JoinRequest {
    /// The room.
    pub room: RoomId,
    /// Who.
    pub user: UserId,
    /// The connection that asks; comes back in the feed.
    pub origin: u64,
    /// How many members a room may have.
    pub members_max: u32,
    /// Whom the membership is charged to; comes back in the feed.
    pub party: u64,
}

/// What became of a [`JoinRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinOutcome {
    /// The user is a member.
    Joined {
        /// The room's newest sequence number at that moment; 0 when empty.
        seq: u64,
        /// Whether the user was a member before.
        already: bool,
        /// Whether a role let the user in, and neither the owner nor the room's visibility.
        by_role: bool,
    },
    /// No such room, no such user, or a private room the user is no member of.
    Missing,
    /// The room has as many members as allowed.
    Full,
}

/// A wish to ask somebody into a room.
#[derive(Debug, Clone)]
pub struct InviteRequest {
    /// The room.
    pub room: RoomId,
    /// Whom.
    pub user: UserId,
    /// Who asks.
    pub by: UserId,
    /// Whether who asks may do so in every room, and not as its owner alone.
    pub anywhere: bool,
    /// How many the room may have asked in at a time.
    pub invited_max: u32,
    /// Whom the invitation is charged to; comes back in the feed.
    pub party: u64,
}

/// What became of an [`InviteRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteOutcome {
    /// The user may join.
    Invited,
    /// The user is a member.
    Already,
    /// No such room or user, or it is not for who asks to do.
    Missing,
    /// As many are asked in as may be.
    Full,
}

/// A wish to put somebody out of a room, and keep them out.
#[derive(Debug, Clone)]
pub struct KickRequest {
    /// The room.
    pub room: RoomId,
    /// Whom; never the owner.
    pub user: UserId,
    /// Who asks.
    pub by: UserId,
    /// Whether who asks may do so in every room, and not as its owner alone.
    pub anywhere: bool,
    /// How many the room may keep out at a time.
    pub barred_max: u32,
    /// Whom the bar is charged to; comes back in the feed.
    pub party: u64,
}

/// What became of a [`KickRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KickOutcome {
    /// The user is out, and kept out.
    Kicked {
        /// Whether the user was a member until now.
        was_member: bool,
    },
    /// No such room or user, or it is not for who asks to do.
    Missing,
    /// As many are kept out as may be; nobody was put out.
    Full,
}

/// What became of leaving a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaveOutcome {
    /// The user is no member any more.
    Left,
    /// The user was none.
    NotMember,
}

/// A message to store.
///
/// Ids that sort by time (a millisecond count first) make it twice as fast; any unique id is
/// correct.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The new message's id, unique for ever.
    pub id: MessageId,
    /// Where.
    pub room: RoomId,
    /// Who.
    pub user: UserId,
    /// The writer's name, handed on to the feed.
    pub username: Arc<str>,
    /// The plain text.
    pub text: String,
    /// The safe formatting, if there is any.
    pub html: Option<String>,
    /// The message of the same room it answers.
    pub reply_to: Option<MessageId>,
    /// The client's idempotency key.
    pub mid: Option<Mid>,
    /// The digest of what the client sent under that key.
    pub digest: Option<[u8; 32]>,
    /// When the server took it.
    pub sent_unix_ms: i64,
    /// The connection that asks; comes back in the feed.
    pub origin: u64,
    /// Whether the user is still allowed; checked after all earlier changes were reported.
    pub fence: Option<WriteFence>,
}

/// A question the writer asks at the moment something would take effect; it must not wait.
#[derive(Clone)]
pub struct WriteFence(Arc<dyn Fn() -> bool + Send + Sync>);

impl WriteFence {
    /// A question.
    pub fn new(holds: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(holds))
    }

    /// Its answer, now.
    pub(crate) fn holds(&self) -> bool {
        (self.0)()
    }
}

impl std::fmt::Debug for WriteFence {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("WriteFence")
    }
}

/// What became of a [`NewMessage`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendOutcome {
    /// It is durable and has its place.
    Stored {
        /// Its id.
        id: MessageId,
        /// Its place in the room.
        seq: u64,
        /// When the server took it.
        sent_unix_ms: i64,
    },
    /// The same key with the same content was stored before; these are that message's.
    Repeated {
        /// Its id.
        id: MessageId,
        /// Its place in the room.
        seq: u64,
        /// When the server took it.
        sent_unix_ms: i64,
    },
    /// The requesting user is no longer allowed.
    Ended,
    /// The same key with another content.
    Conflict,
    /// The user is no member of the room, or there is none.
    NotMember,
    /// The message to answer is not in this room.
    ReplyMissing,
}

/// Which part of a room's messages to read.
#[derive(Debug, Clone)]
pub struct HistoryRequest {
    /// The room.
    pub room: RoomId,
    /// Only messages before this place; alone, the newest of them.
    pub before: Option<u64>,
    /// Only messages after this place; the oldest of them.
    pub after: Option<u64>,
    /// How many at most; held between 1 and [`crate::PAGE_MAX`].
    pub limit: u32,
}

/// A connection that was lost wants to hear its rooms again, and what was said meanwhile.
#[derive(Debug, Clone)]
pub struct ResumeRequest {
    /// Who.
    pub user: UserId,
    /// The connection that asks; comes back in the feed.
    pub origin: u64,
    /// The rooms it heard; at most [`crate::RESUME_ROOMS_MAX`].
    pub rooms: Vec<RoomId>,
    /// The number of the last message it has.
    pub after: u64,
    /// How many messages it may have missed; held between 1 and [`crate::PAGE_MAX`].
    pub limit: u32,
}

/// What became of a [`ResumeRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeOutcome {
    /// The feed has been told.
    Resumed {
        /// Rooms of which the user still is a member.
        rooms: usize,
        /// Messages that were missed in them.
        missed: usize,
    },
    /// More was missed than asked for, or there are too many rooms; the feed was told nothing.
    TooMany,
}
