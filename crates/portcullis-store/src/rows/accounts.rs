//! What goes in and out about people: users, their sessions, what was withdrawn, invitations.
//! Never: a password, a token or a code in the clear; a second factor's secret only as `Secret`.

use std::sync::Arc;

use portcullis_model::{RevocationKind, Roles, Secret, SessionId, UserId};

use crate::rows::rooms::UserRow;

/// A moment that never comes.
pub const FOR_EVER_UNIX_MS: i64 = i64::MAX;

/// What a log-in is checked against.
#[derive(Debug, Clone)]
pub struct CredentialsRow {
    /// The user.
    pub id: UserId,
    /// The name as it was registered.
    pub username: Arc<str>,
    /// The password's hash in PHC form.
    pub password_phc: Secret<String>,
    /// What the user may do.
    pub roles: Roles,
    /// Whether an operator has locked the user out.
    pub disabled: bool,
    /// Until when the user is banned; 0 when not.
    pub banned_until_unix_ms: i64,
    /// Tokens issued before this moment are void; 0 when none were revoked.
    pub valid_after_unix_ms: i64,
    /// The shared secret of the second factor, when there is one.
    pub totp: Option<Secret<Vec<u8>>>,
    /// When the account was made.
    pub created_unix_ms: i64,
}

/// A user as an operator sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// The user.
    pub id: UserId,
    /// The name others see.
    pub username: Arc<str>,
    /// What the user may do.
    pub roles: Roles,
    /// Whether an operator has locked the user out.
    pub disabled: bool,
    /// Until when the user is banned; 0 when not.
    pub banned_until_unix_ms: i64,
    /// Until when the user may not speak; 0 when they may.
    pub muted_until_unix_ms: i64,
    /// Whether a second factor is asked for.
    pub has_totp: bool,
    /// Who vouches for a foreign user.
    pub issuer: Option<String>,
    /// When the account was made.
    pub created_unix_ms: i64,
    /// When a [`UserChange`] last changed it; 0 when none did.
    pub changed_unix_ms: i64,
}

/// A change of one user.
#[derive(Debug, Clone)]
pub struct UserChange {
    /// Who.
    pub user: UserId,
    /// What.
    pub what: UserChangeKind,
    /// When.
    pub at_unix_ms: i64,
}

/// What about a user changes.
#[derive(Debug, Clone)]
pub enum UserChangeKind {
    /// What the user may do, in place of what it was.
    Roles(Roles),
    /// Locks the user out, which ends all sessions, or lets them in again.
    Disabled(bool),
    /// Bans until a moment, which ends all sessions, or with a past one lifts the ban.
    Banned {
        /// Until when.
        until_unix_ms: i64,
    },
    /// Forbids to speak until a moment, or with a past one allows it again.
    Muted {
        /// Until when.
        until_unix_ms: i64,
    },
    /// The name others see.
    Username(Arc<str>),
    /// The password of a user of our own; ends all sessions but the one kept.
    Password {
        /// The hash in PHC form.
        phc: Secret<String>,
        /// The session that stays.
        keep: Option<SessionId>,
    },
    /// Ends all sessions, and voids every token issued before.
    RevokeAll,
}

/// What became of a [`UserChange`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeUserOutcome {
    /// It is done; this is the user now.
    Changed(UserRow),
    /// No such user, or no password for one of another issuer.
    Missing,
    /// The name belongs to somebody else.
    NameTaken,
    /// Nobody would be left who administers.
    LastAdmin,
}

/// How a user has proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Factors {
    /// By the password.
    Password,
    /// By the password and a one-time code.
    PasswordAndCode,
}

/// A session as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// The session (`sid`).
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// When it was opened.
    pub created_unix_ms: i64,
    /// When the user last proved who they are.
    pub authenticated_unix_ms: i64,
    /// When it was last renewed.
    pub renewed_unix_ms: i64,
    /// Which of its refresh tokens is the newest, from 0.
    pub turn: u64,
    /// When it ends unless it is renewed.
    pub idle_ends_unix_ms: i64,
    /// When it ends, whatever happens.
    pub ends_unix_ms: i64,
    /// What the client said it is; for people.
    pub device: String,
    /// Where it was opened from; for people.
    pub address: String,
    /// The client's key, an uncompressed P-256 point, when it has shown one.
    pub key: Option<Vec<u8>>,
    /// How the user last proved who they are.
    pub factors: Factors,
    /// How often the user has proved anew who they are; older access tokens are void.
    pub generation: u64,
}

/// A session to open.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The new session, random.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// When; the user has just proved who they are.
    pub at_unix_ms: i64,
    /// When it ends unless it is renewed.
    pub idle_ends_unix_ms: i64,
    /// When it ends, whatever happens.
    pub ends_unix_ms: i64,
    /// What the client said it is.
    pub device: String,
    /// Where from.
    pub address: String,
    /// What its refresh tokens are bound to, beside themselves.
    pub device_hash: [u8; 32],
    /// The client's key, when it has shown one.
    pub key: Option<Vec<u8>>,
    /// How the user has just proved who they are.
    pub factors: Factors,
    /// How many sessions a user may have; the ones not renewed for longest make room.
    pub sessions_per_user_max: u32,
}

/// What became of a [`NewSession`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenSessionOutcome {
    /// It is there.
    Opened,
    /// No such user, or one who may not come in.
    UserMissing,
}

/// A turn as a request shows it.
#[derive(Debug, Clone)]
pub struct PresentedTurn {
    /// The turn that the refresh token names.
    pub number: u64,
    /// What the request shows of its device.
    pub device_hash: [u8; 32],
}

/// A refresh token was shown: whose turn it is decides.
#[derive(Debug, Clone)]
pub struct RotateRequest {
    /// The session it names.
    pub session: SessionId,
    /// The turn it names, and the device.
    pub presented: PresentedTurn,
    /// When.
    pub at_unix_ms: i64,
    /// For how long no newer turn begins for the same device, and the last one may be shown
    /// again, in milliseconds.
    pub grace_ms: i64,
    /// For how long it may lie idle from now on, in milliseconds.
    pub idle_ms: i64,
}

/// What became of a [`RotateRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RotateOutcome {
    /// The next turn has begun.
    Next(SessionRow),
    /// The newest or the last turn was shown just after the change, from the same device: nothing
    /// has changed.
    Same(SessionRow),
    /// An older turn was shown: somebody has a copy. The session has ended.
    Reused(SessionRow),
    /// There is no such session or turn, or it is over.
    Ended,
}

/// A user has proved anew, within a session, who they are.
#[derive(Debug, Clone)]
pub struct ReauthenticateRequest {
    /// The session.
    pub session: SessionId,
    /// The refresh token shown with it; without one the session's turn stays as it is.
    pub presented: Option<PresentedTurn>,
    /// When the request arrived.
    pub at_unix_ms: i64,
    /// When the proof was checked, which can wait: the refresh token may have lost its turn since
    /// the request arrived.
    pub checked_unix_ms: i64,
    /// How.
    pub factors: Factors,
    /// As in [`RotateRequest`].
    pub grace_ms: i64,
    /// As in [`RotateRequest`].
    pub idle_ms: i64,
}

/// The result of an [`ReauthenticateRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReauthenticateOutcome {
    /// It is noted: older access tokens of the session are void.
    Recorded(SessionRow),
    /// An older refresh token was shown with it: somebody has a copy. The session has ended.
    Reused(SessionRow),
    /// There is no such session, or it is over.
    Ended,
}

/// Which sessions of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionSelector {
    /// This one.
    One(SessionId),
    /// Every one.
    All,
    /// Every one but this.
    AllExcept(SessionId),
}

/// Something withdrawn before its time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Revocation {
    /// Who issued it.
    pub issuer: String,
    /// The id of its user here; empty for every user of the issuer.
    pub user: String,
    /// What it was.
    pub kind: RevocationKind,
    /// Its name.
    pub name: String,
    /// Until when it would have been good.
    pub until_unix_ms: i64,
}

/// A second factor to ask for from now on.
#[derive(Debug, Clone)]
pub struct NewTotp {
    /// The shared secret.
    pub secret: Secret<Vec<u8>>,
    /// The step of the code that proved it; no code of this step counts again.
    pub step: u64,
    /// Digests of the codes for when the device is lost.
    pub recovery: Vec<[u8; 32]>,
}

/// An invitation to register.
#[derive(Debug, Clone)]
pub struct NewInvitation {
    /// Digest of what the invited is given.
    pub hash: [u8; 32],
    /// Who invites; nobody when an operator does at the command line.
    pub by: Option<UserId>,
    /// When.
    pub at_unix_ms: i64,
    /// Until when it is good.
    pub ends_unix_ms: i64,
}

/// Something an operator has done beside the server, which the server is to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorAction {
    /// What it was about.
    pub kind: OperatorActionKind,
    /// Whom it was about, when it was somebody.
    pub user: Option<UserId>,
    /// What was done, and by whom, in words; nothing secret.
    pub detail: String,
    /// When.
    pub at_unix_ms: i64,
}

/// What an [`OperatorAction`] was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorActionKind {
    /// What a user may do.
    Roles,
    /// Whether a user may come in or speak.
    Status,
    /// A user's password or second factor.
    Factors,
    /// Sessions ended, tokens withdrawn.
    Session,
    /// A session opened, to make a token of.
    Opened,
    /// An invitation.
    Invitation,
    /// A login link for a user.
    LoginLink,
    /// Keys that sign or seal.
    Keys,
}

impl OperatorActionKind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Roles,
        Self::Status,
        Self::Factors,
        Self::Session,
        Self::Opened,
        Self::Invitation,
        Self::LoginLink,
        Self::Keys,
    ];

    /// The word it is stored as.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Roles => "roles",
            Self::Status => "standing",
            Self::Factors => "factors",
            Self::Session => "session",
            Self::Opened => "opened",
            Self::Invitation => "invitation",
            Self::LoginLink => "login_link",
            Self::Keys => "keys",
        }
    }
}

/// Everything that decides who may act.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Authority {
    /// All users.
    pub users: Vec<UserRow>,
    /// All sessions.
    pub sessions: Vec<SessionRow>,
    /// All revocations.
    pub revocations: Vec<Revocation>,
    /// The latest end of a revocation that was deleted, in milliseconds since 1970; 0 for none.
    pub revocations_ended_unix_ms: i64,
}
