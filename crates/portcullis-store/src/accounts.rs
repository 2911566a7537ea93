//! The contract of every backend for accounts: users, sessions, factors, revocations.
//! Never: a decision about access; it only repeats checks that a guard has made.

use portcullis_model::{Secret, SessionId, UserId};

use crate::changes::ChangeStore;
use crate::future::StoreFuture;
#[cfg(doc)]
use crate::rows::access_snapshot::AccessSnapshot;
use crate::rows::access_snapshot::Revocation;
use crate::rows::factors::{InvitationId, InvitationRow, NewInvitation, NewTotp};
use crate::rows::sessions::{
    NewSession, OpenSessionOutcome, ReauthenticateOutcome, ReauthenticateRequest, RotateOutcome,
    RotateRequest, SessionRow, SessionSelector,
};
use crate::rows::users::{
    AccountRow, ChangeUserOutcome, CreateUserOutcome, CredentialsRow, NewUser, UserChange,
};

/// Most users or rooms in one listing.
pub const LIST_MAX: u32 = 1_000;

/// Users, their sessions and factors, and revocations.
///
/// [`crate::Store`] states order, atomicity, durability and delivery. The feed receives every
/// change of authority. It receives the end of a session before the change of its user.
pub trait AccountStore: ChangeStore {
    /// Creates a user.
    ///
    /// Names of local users are unique, regardless of case. A foreign user (`issuer` and
    /// `subject`) is created once. After that only its name is updated, and its roles when
    /// `roles_issued_unix_ms` says that a newer token gives them; the outcome is `Created` again.
    /// An invitation is used up in the same transaction, and only by a new user.
    fn create_user(&self, user: NewUser) -> StoreFuture<'_, CreateUserOutcome>;

    /// Finds the credentials of a local user by name, regardless of case.
    fn credentials(&self, username: &str) -> StoreFuture<'_, Option<CredentialsRow>>;

    /// Finds the credentials of a local user by id.
    fn credentials_of(&self, user: &UserId) -> StoreFuture<'_, Option<CredentialsRow>>;

    /// Finds a user by id, or a local user by name.
    fn find_account(&self, id_or_name: &str) -> StoreFuture<'_, Option<AccountRow>>;

    /// Lists at most `limit` users (never more than [`LIST_MAX`]), the oldest account first.
    fn list_accounts(&self, skip: u64, limit: u32) -> StoreFuture<'_, Vec<AccountRow>>;

    /// Whether any administrator exists.
    fn has_admin(&self) -> StoreFuture<'_, bool>;

    /// Changes one user.
    ///
    /// Disabling, banning and revoking void every token issued before, and end all sessions. A
    /// new password ends all sessions except the one to keep. The last administrator who is
    /// neither disabled nor banned cannot lose that role.
    fn change_user(&self, change: UserChange) -> StoreFuture<'_, ChangeUserOutcome>;

    /// Replaces the hash `old` by a more expensive hash of the same password, if it is unchanged.
    fn rehash(
        &self,
        user: UserId,
        old: Secret<String>,
        new: Secret<String>,
    ) -> StoreFuture<'_, bool>;

    /// Opens a session. It may end the least recently renewed sessions of the user.
    ///
    /// The feed receives the ends before the new session.
    fn open_session(&self, session: NewSession) -> StoreFuture<'_, OpenSessionOutcome>;

    /// Starts the next turn of a session, or ends the session if an old turn is presented.
    ///
    /// Of several requests that present the same turn, one starts the next turn. The others, if
    /// they come from the same device and in time, get the same result. Disabled and banned users
    /// get no turn.
    fn rotate_session(&self, rotate: RotateRequest) -> StoreFuture<'_, RotateOutcome>;

    /// Records that a session's user authenticated again, and starts the next generation.
    ///
    /// Access tokens of earlier generations are void from then on. A refresh token that is
    /// presented with the proof is checked as in [`AccountStore::rotate_session`].
    fn reauthenticate_session(
        &self,
        proof: ReauthenticateRequest,
    ) -> StoreFuture<'_, ReauthenticateOutcome>;

    /// Ends sessions of a user, and of no other user; returns their ids.
    fn end_sessions(&self, user: UserId, which: SessionSelector)
    -> StoreFuture<'_, Vec<SessionId>>;

    /// The sessions of a user that are valid at that moment, the last renewed first.
    fn list_sessions(&self, user: &UserId, at_unix_ms: i64) -> StoreFuture<'_, Vec<SessionRow>>;

    /// Revokes a token or session of an issuer. If it is revoked twice, the later end counts.
    ///
    /// It is deleted a day after its end, and then
    /// [`AccessSnapshot::revocations_ended_unix_ms`] says so.
    fn revoke(&self, revocation: Revocation) -> StoreFuture<'_, ()>;

    /// Adds or removes the second factor of a user; both end the other sessions.
    ///
    /// `false` if the user does not exist.
    fn set_totp(
        &self,
        user: UserId,
        totp: Option<NewTotp>,
        keep: Option<SessionId>,
    ) -> StoreFuture<'_, bool>;

    /// Uses up the time step of a code; `true` once for each step, and never for an earlier step.
    fn use_totp_step(&self, user: UserId, step: u64) -> StoreFuture<'_, bool>;

    /// Uses up a recovery code, by its digest.
    fn use_recovery_code(&self, user: UserId, hash: [u8; 32]) -> StoreFuture<'_, bool>;

    /// The number of unused recovery codes.
    fn recovery_codes_left(&self, user: &UserId) -> StoreFuture<'_, u32>;

    /// Whether the local user of this name has this recovery code, unused; by its digest.
    fn has_recovery_code(&self, username: &str, hash: [u8; 32]) -> StoreFuture<'_, bool>;

    /// Stores an invitation for one new user; `false` if the inviter has 1,000 unused ones.
    fn invite(&self, invitation: NewInvitation) -> StoreFuture<'_, bool>;

    /// Whether an invitation is valid at that moment: it exists, is unused and has not expired.
    fn has_invitation(&self, hash: [u8; 32], at_unix_ms: i64) -> StoreFuture<'_, bool>;

    /// Lists at most [`LIST_MAX`] invitations that have not expired, also used ones, newest first.
    fn list_invitations(&self, at_unix_ms: i64) -> StoreFuture<'_, Vec<InvitationRow>>;

    /// Removes an unused invitation; `false` if there is none with this id.
    fn revoke_invitation(&self, id: InvitationId) -> StoreFuture<'_, bool>;

    /// Records that an operator made a login link for a user, for a running server to report.
    fn record_login_link(&self, user: UserId) -> StoreFuture<'_, ()>;

    /// Assigns numbers to the roles that an operator defines.
    ///
    /// A name keeps its number for ever, and a new name gets a free one. `None`, without any new
    /// number, if there are not enough.
    fn assign_role_numbers(&self, names: Vec<String>) -> StoreFuture<'_, Option<Vec<u8>>>;

    /// Removes expired sessions, revocations and invitations, a bounded number for each call.
    ///
    /// The feed receives the end of each session. The call may fail while nothing can be written;
    /// the rows have expired in any case.
    fn remove_ended(&self, now_unix_ms: i64) -> StoreFuture<'_, ()>;
}
