//! Accounts of the embedded store: which queue each call uses.
//! Never: a call that blocks its caller.

use portcullis_model::{Secret, SessionId, UserId};

use crate::accounts::AccountStore;
use crate::future::StoreFuture;
use crate::health::monitor::WriteKind;
use crate::rows::access_snapshot::Revocation;
use crate::rows::factors::{InvitationId, InvitationRow, NewInvitation, NewTotp};
use crate::rows::sessions::{
    NewSession, OpenSessionOutcome, ReauthenticateOutcome, ReauthenticateRequest, RotateOutcome,
    RotateRequest, SessionRow, SessionSelector,
};
use crate::rows::users::{
    AccountRow, ChangeUserOutcome, CreateUserOutcome, CredentialsRow, NewUser, UserChange,
    UserChangeKind,
};
use crate::sqlite::account_tables::factors::{has_recovery_code, recovery_codes_left};
use crate::sqlite::account_tables::invitations::{has_invitation, list_invitations};
use crate::sqlite::account_tables::sessions::list_sessions;
use crate::sqlite::account_tables::users::{self, UserSelector, has_admin};
use crate::sqlite::store::SqliteStore;

impl AccountStore for SqliteStore {
    fn create_user(&self, user: NewUser) -> StoreFuture<'_, CreateUserOutcome> {
        // Users of other issuers are created when they first log in.
        let kind = if user.issuer.is_some() { WriteKind::Login } else { WriteKind::Client };
        self.write(move |state, changes| {
            state.change_account(kind, changes, |accounts| accounts.create_user(user))
        })
    }

    fn credentials(&self, username: &str) -> StoreFuture<'_, Option<CredentialsRow>> {
        let (username, seal) = (username.to_owned(), self.seal());
        self.look_up(move |connection| {
            users::credentials(connection, seal.as_deref(), &UserSelector::Name(&username))
        })
    }

    fn credentials_of(&self, user: &UserId) -> StoreFuture<'_, Option<CredentialsRow>> {
        let (user, seal) = (user.clone(), self.seal());
        self.look_up(move |connection| {
            users::credentials(connection, seal.as_deref(), &UserSelector::Id(&user))
        })
    }

    fn find_account(&self, id_or_name: &str) -> StoreFuture<'_, Option<AccountRow>> {
        let id_or_name = id_or_name.to_owned();
        self.look_up(move |connection| users::find_account(connection, &id_or_name))
    }

    fn list_accounts(&self, skip: u64, limit: u32) -> StoreFuture<'_, Vec<AccountRow>> {
        self.look_up(move |connection| users::list_accounts(connection, skip, limit))
    }

    fn has_admin(&self) -> StoreFuture<'_, bool> {
        self.look_up(has_admin)
    }

    fn change_user(&self, change: UserChange) -> StoreFuture<'_, ChangeUserOutcome> {
        let kind = change_kind(&change.what);
        self.write(move |state, changes| {
            state.change_account(kind, changes, |accounts| accounts.change_user(&change))
        })
    }

    fn rehash(
        &self,
        user: UserId,
        old: Secret<String>,
        new: Secret<String>,
    ) -> StoreFuture<'_, bool> {
        self.write(move |state, changes| {
            state.change_account(WriteKind::Client, changes, |accounts| {
                accounts.rehash(&user, &old, &new)
            })
        })
    }

    fn open_session(&self, session: NewSession) -> StoreFuture<'_, OpenSessionOutcome> {
        self.write(move |state, changes| {
            state.change_account(WriteKind::Login, changes, |accounts| {
                accounts.open_session(&session)
            })
        })
    }

    fn rotate_session(&self, rotate: RotateRequest) -> StoreFuture<'_, RotateOutcome> {
        self.write(move |state, changes| {
            state.change_account(WriteKind::Login, changes, |accounts| {
                accounts.rotate_session(&rotate)
            })
        })
    }

    fn reauthenticate_session(
        &self,
        proof: ReauthenticateRequest,
    ) -> StoreFuture<'_, ReauthenticateOutcome> {
        self.write(move |state, changes| {
            state.change_account(WriteKind::Login, changes, |accounts| {
                accounts.reauthenticate_session(&proof)
            })
        })
    }

    fn end_sessions(
        &self,
        user: UserId,
        which: SessionSelector,
    ) -> StoreFuture<'_, Vec<SessionId>> {
        self.write(move |state, changes| {
            state.change_account(WriteKind::Removal, changes, |accounts| {
                accounts.end_sessions(&user, &which)
            })
        })
    }

    fn list_sessions(&self, user: &UserId, at_unix_ms: i64) -> StoreFuture<'_, Vec<SessionRow>> {
        let user = user.clone();
        self.look_up(move |connection| list_sessions(connection, &user, at_unix_ms))
    }

    fn revoke(&self, revocation: Revocation) -> StoreFuture<'_, ()> {
        self.write(|state, changes| {
            state
                .change_account(WriteKind::Removal, changes, |accounts| accounts.revoke(revocation))
        })
    }

    fn set_totp(
        &self,
        user: UserId,
        totp: Option<NewTotp>,
        keep: Option<SessionId>,
    ) -> StoreFuture<'_, bool> {
        self.write(move |state, changes| {
            state.change_account(WriteKind::Login, changes, |accounts| {
                accounts.set_totp(&user, totp.as_ref(), keep)
            })
        })
    }

    fn use_totp_step(&self, user: UserId, step: u64) -> StoreFuture<'_, bool> {
        self.write(move |state, changes| {
            state.change_account(WriteKind::Login, changes, |accounts| {
                accounts.use_totp_step(&user, step)
            })
        })
    }

    fn use_recovery_code(&self, user: UserId, hash: [u8; 32]) -> StoreFuture<'_, bool> {
        self.write(move |state, changes| {
            state.change_account(WriteKind::Login, changes, |accounts| {
                accounts.use_recovery_code(&user, &hash)
            })
        })
    }

    fn recovery_codes_left(&self, user: &UserId) -> StoreFuture<'_, u32> {
        let user = user.clone();
        self.look_up(move |connection| recovery_codes_left(connection, &user))
    }

    fn has_recovery_code(&self, username: &str, hash: [u8; 32]) -> StoreFuture<'_, bool> {
        let username = username.to_owned();
        self.look_up(move |connection| has_recovery_code(connection, &username, &hash))
    }

    fn has_invitation(&self, hash: [u8; 32], at_unix_ms: i64) -> StoreFuture<'_, bool> {
        self.look_up(move |connection| has_invitation(connection, &hash, at_unix_ms))
    }

    fn invite(&self, invitation: NewInvitation) -> StoreFuture<'_, bool> {
        self.write(move |state, changes| {
            state
                .change_account(WriteKind::Client, changes, |accounts| accounts.invite(&invitation))
        })
    }

    fn list_invitations(&self, at_unix_ms: i64) -> StoreFuture<'_, Vec<InvitationRow>> {
        self.look_up(move |connection| list_invitations(connection, at_unix_ms))
    }

    fn revoke_invitation(&self, id: InvitationId) -> StoreFuture<'_, bool> {
        self.write(move |state, changes| {
            state.change_account(WriteKind::Removal, changes, |accounts| {
                accounts.revoke_invitation(id)
            })
        })
    }

    /// The server records the links that it makes itself.
    fn record_login_link(&self, _user: UserId) -> StoreFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn assign_role_numbers(&self, names: Vec<String>) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.write(move |state, changes| {
            state.change_account(WriteKind::Removal, changes, |accounts| {
                accounts.assign_role_numbers(&names)
            })
        })
    }

    fn remove_ended(&self, now_unix_ms: i64) -> StoreFuture<'_, ()> {
        self.write(move |state, changes| {
            state.change_account(WriteKind::Client, changes, |accounts| {
                accounts.remove_ended(now_unix_ms)
            })
        })
    }
}

/// The kind of a change. Changes that remove authority or protect the account may use the reserve
/// of a full disk.
fn change_kind(what: &UserChangeKind) -> WriteKind {
    match what {
        UserChangeKind::Roles(_)
        | UserChangeKind::Disabled(_)
        | UserChangeKind::Banned { .. }
        | UserChangeKind::Muted { .. }
        | UserChangeKind::RevokeAll
        | UserChangeKind::Password { .. } => WriteKind::Removal,
        UserChangeKind::Username(_) => WriteKind::Client,
    }
}
