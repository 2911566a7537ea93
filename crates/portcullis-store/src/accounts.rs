//! What every backend promises about people: users, sessions, what is withdrawn.
//! Never: a decision about who may do what, beyond checking again what a guard has seen.

use portcullis_model::{Secret, SessionId, UserId};

#[cfg(doc)]
use crate::error::StoreError;
use crate::health::monitor::StoreStatus;
use crate::rows::accounts::{
    AccountRow, Authority, ChangeUserOutcome, CredentialsRow, NewInvitation, NewSession, NewTotp,
    OpenSessionOutcome, ReauthenticateOutcome, ReauthenticateRequest, Revocation, RotateOutcome,
    RotateRequest, SessionRow, SessionSelector, UserChange,
};
use crate::rows::rooms::{CreateUserOutcome, NewUser};
use crate::store::StoreFuture;

/// Most users one listing gives.
pub const LIST_MAX: u32 = 1_000;

/// Users, their sessions and factors, and what was withdrawn before its time.
///
/// Order, atomicity, durability and delivery are as [`crate::Store`] promises; every change that
/// touches who may act is told to the feed, a session's end before the user it belongs to.
pub trait AccountStore: Send + Sync + 'static {
    /// Creates a user.
    ///
    /// Names of our own users are unique whatever their case. A foreign user (`issuer` and
    /// `subject`) is created once; after that only its name, and where `roles_follow` its roles,
    /// are brought up to date, and the answer is `Created` again. An invitation is used up in the
    /// same transaction, and only by a user who is new.
    fn create_user(&self, user: NewUser) -> StoreFuture<'_, CreateUserOutcome>;

    /// Finds what a log-in is checked against, by name, whatever its case.
    fn credentials(&self, username: &str) -> StoreFuture<'_, Option<CredentialsRow>>;

    /// The same by id, for a user who is signed in.
    fn credentials_of(&self, user: &UserId) -> StoreFuture<'_, Option<CredentialsRow>>;

    /// Finds a user by id, or one of our own by name.
    fn find_account(&self, id_or_name: &str) -> StoreFuture<'_, Option<AccountRow>>;

    /// Lists users in the order they came, at most `limit` (and never more than [`LIST_MAX`]).
    fn list_accounts(&self, skip: u64, limit: u32) -> StoreFuture<'_, Vec<AccountRow>>;

    /// Whether any administrator exists.
    fn has_admin(&self) -> StoreFuture<'_, bool>;

    /// Changes one user.
    ///
    /// Locking out, banning and revoking void every token issued before, and end all sessions; a
    /// new password ends sessions only, all but the one kept. Whoever administers last, being
    /// neither locked out nor banned, stays.
    fn change_user(&self, change: UserChange) -> StoreFuture<'_, ChangeUserOutcome>;

    /// Puts a dearer hash of the same password in the place of `old`, if that is still there.
    fn rehash(
        &self,
        user: UserId,
        old: Secret<String>,
        new: Secret<String>,
    ) -> StoreFuture<'_, bool>;

    /// Opens a session; those of the user that were not renewed for longest make room for it.
    ///
    /// The feed hears which ended before it hears of the new one.
    fn open_session(&self, session: NewSession) -> StoreFuture<'_, OpenSessionOutcome>;

    /// Lets the next turn of a session begin, or ends it when an old one is shown.
    ///
    /// Of all who show the same turn, however many at once, one begins the next; the others, from
    /// the same device and in time, are answered the very same. Not for who is locked out or
    /// banned.
    fn rotate_session(&self, rotate: RotateRequest) -> StoreFuture<'_, RotateOutcome>;

    /// Notes that a session's user has proved anew who they are, and begins the next turn.
    ///
    /// Older access tokens of the session are void from then on. A refresh token that is shown with
    /// the proof is judged as [`AccountStore::rotate_session`] does.
    fn reauthenticate_session(
        &self,
        proof: ReauthenticateRequest,
    ) -> StoreFuture<'_, ReauthenticateOutcome>;

    /// Ends sessions of a user, and of no other; gives which.
    fn end_sessions(&self, user: UserId, which: SessionSelector)
    -> StoreFuture<'_, Vec<SessionId>>;

    /// The sessions of a user that stand at that moment, the last renewed first.
    fn list_sessions(&self, user: &UserId, at_unix_ms: i64) -> StoreFuture<'_, Vec<SessionRow>>;

    /// Revokes a token or session of an issuer before its time. Once more, the later end counts.
    ///
    /// It is deleted a day after its end, and [`Authority::revocations_ended_unix_ms`] tells so.
    fn revoke(&self, revocation: Revocation) -> StoreFuture<'_, ()>;

    /// Asks for a second factor from now on, or no more; either way the other sessions end.
    /// False when there is no such user.
    fn set_totp(
        &self,
        user: UserId,
        totp: Option<NewTotp>,
        keep: Option<SessionId>,
    ) -> StoreFuture<'_, bool>;

    /// Uses a code's step up; true for one step once, and for no step before it again.
    fn use_totp_step(&self, user: UserId, step: u64) -> StoreFuture<'_, bool>;

    /// Uses a recovery code up, by its digest.
    fn use_recovery_code(&self, user: UserId, hash: [u8; 32]) -> StoreFuture<'_, bool>;

    /// How many recovery codes are left.
    fn recovery_codes_left(&self, user: &UserId) -> StoreFuture<'_, u32>;

    /// Whether the own user of this name has this recovery code, unused; by its digest.
    fn has_recovery_code(&self, username: &str, hash: [u8; 32]) -> StoreFuture<'_, bool>;

    /// Keeps an invitation, which makes one user. False when the inviter has 1,000 unused ones.
    fn invite(&self, invitation: NewInvitation) -> StoreFuture<'_, bool>;

    /// Whether an invitation makes a user at that moment: it is known, unused and has not ended.
    fn has_invitation(&self, hash: [u8; 32], at_unix_ms: i64) -> StoreFuture<'_, bool>;

    /// Notes that an operator made a login link for a user; a server that runs records it.
    fn record_login_link(&self, user: UserId) -> StoreFuture<'_, ()>;

    /// The numbers of roles an operator defines: a name keeps its number for ever, a new one gets
    /// a free one. `None`, and no new number at all, when there are not enough.
    fn assign_role_numbers(&self, names: Vec<String>) -> StoreFuture<'_, Option<Vec<u8>>>;

    /// Looks whether another program has changed who may act; if so the feed is told all of it.
    ///
    /// It writes nothing, needs no lock that another program may hold, and waits for no change.
    /// What the feed is told is complete: what is not in it is gone.
    ///
    /// Cheap as long as no other program has written; otherwise everything is read, while commits
    /// go on. The first call tells it all. [`StoreError::Busy`] while an earlier call still reads.
    fn recheck(&self) -> StoreFuture<'_, RecheckOutcome>;

    /// Removes sessions, revocations and invitations that are over, some at a time; the feed hears
    /// of each session. It may fail for as long as nothing can be written: they are over anyway.
    fn remove_ended(&self, now_unix_ms: i64) -> StoreFuture<'_, ()>;

    /// Whether the store can write, as it was seen last; waits for nothing.
    fn status(&self) -> StoreStatus;

    /// Everything that decides who may act, as of one moment.
    fn authority(&self) -> StoreFuture<'_, Authority>;
}

/// What a recheck has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecheckOutcome {
    /// Nobody else has changed anything.
    Unchanged,
    /// Somebody has, and the feed was told.
    Reported,
}
