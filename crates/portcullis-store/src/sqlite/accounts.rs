//! The embedded store's part about people: which queue each question takes.
//! Never: blocks a caller.

use portcullis_model::{Secret, SessionId, UserId};

use crate::accounts::{AccountStore, RecheckOutcome};
use crate::health::monitor::{StoreStatus, WriteKind};
use crate::rows::accounts::{
    AccountRow, Authority, ChangeUserOutcome, CredentialsRow, NewInvitation, NewSession, NewTotp,
    OpenSessionOutcome, ReauthenticateOutcome, ReauthenticateRequest, Revocation, RotateOutcome,
    RotateRequest, SessionRow, SessionSelector, UserChange, UserChangeKind,
};
use crate::rows::rooms::{CreateUserOutcome, NewUser};
use crate::sqlite::account_tables::factors::{
    has_invitation, has_recovery_code, recovery_codes_left,
};
use crate::sqlite::account_tables::sessions::list_sessions;
use crate::sqlite::account_tables::users::{self as account, Wanted};
use crate::sqlite::columns::has_admin;
use crate::sqlite::store::SqliteStore;
use crate::sqlite::writer::recheck::authority;
use crate::store::StoreFuture;

impl AccountStore for SqliteStore {
    fn create_user(&self, user: NewUser) -> StoreFuture<'_, CreateUserOutcome> {
        // Users of other issuers are created when they first log in.
        let kind = if user.issuer.is_some() { WriteKind::Login } else { WriteKind::Client };
        self.write(move |writer, changes| {
            writer.account_for(kind, changes, |tables| tables.create_user(user))
        })
    }

    fn credentials(&self, username: &str) -> StoreFuture<'_, Option<CredentialsRow>> {
        let (username, seal) = (username.to_owned(), self.seal());
        self.look_up(move |connection| {
            account::credentials(connection, seal.as_deref(), &Wanted::Name(&username))
        })
    }

    fn credentials_of(&self, user: &UserId) -> StoreFuture<'_, Option<CredentialsRow>> {
        let (user, seal) = (user.clone(), self.seal());
        self.look_up(move |connection| {
            account::credentials(connection, seal.as_deref(), &Wanted::Id(&user))
        })
    }

    fn find_account(&self, id_or_name: &str) -> StoreFuture<'_, Option<AccountRow>> {
        let wanted = id_or_name.to_owned();
        self.look_up(move |connection| account::find_account(connection, &wanted))
    }

    fn list_accounts(&self, skip: u64, limit: u32) -> StoreFuture<'_, Vec<AccountRow>> {
        self.look_up(move |connection| account::list_accounts(connection, skip, limit))
    }

    fn has_admin(&self) -> StoreFuture<'_, bool> {
        self.look_up(has_admin)
    }

    fn change_user(&self, change: UserChange) -> StoreFuture<'_, ChangeUserOutcome> {
        let kind = change_kind(&change.what);
        self.write(move |writer, changes| {
            writer.account_for(kind, changes, |tables| tables.change_user(&change))
        })
    }

    fn rehash(
        &self,
        user: UserId,
        old: Secret<String>,
        new: Secret<String>,
    ) -> StoreFuture<'_, bool> {
        self.write(move |writer, changes| {
            writer
                .account_for(WriteKind::Client, changes, |tables| tables.rehash(&user, &old, &new))
        })
    }

    fn open_session(&self, session: NewSession) -> StoreFuture<'_, OpenSessionOutcome> {
        self.write(move |writer, changes| {
            writer.account_for(WriteKind::Login, changes, |tables| tables.open_session(&session))
        })
    }

    fn rotate_session(&self, rotate: RotateRequest) -> StoreFuture<'_, RotateOutcome> {
        self.write(move |writer, changes| {
            writer.account_for(WriteKind::Login, changes, |tables| tables.rotate_session(&rotate))
        })
    }

    fn reauthenticate_session(
        &self,
        proof: ReauthenticateRequest,
    ) -> StoreFuture<'_, ReauthenticateOutcome> {
        self.write(move |writer, changes| {
            writer.account_for(WriteKind::Login, changes, |tables| {
                tables.reauthenticate_session(&proof)
            })
        })
    }

    fn end_sessions(
        &self,
        user: UserId,
        which: SessionSelector,
    ) -> StoreFuture<'_, Vec<SessionId>> {
        self.write(move |writer, changes| {
            writer.account_for(WriteKind::Removal, changes, |tables| {
                tables.end_sessions(&user, &which)
            })
        })
    }

    fn list_sessions(&self, user: &UserId, at_unix_ms: i64) -> StoreFuture<'_, Vec<SessionRow>> {
        let user = user.clone();
        self.look_up(move |connection| list_sessions(connection, &user, at_unix_ms))
    }

    fn revoke(&self, revocation: Revocation) -> StoreFuture<'_, ()> {
        self.write(|writer, changes| {
            writer.account_for(WriteKind::Removal, changes, |tables| tables.revoke(revocation))
        })
    }

    fn set_totp(
        &self,
        user: UserId,
        totp: Option<NewTotp>,
        keep: Option<SessionId>,
    ) -> StoreFuture<'_, bool> {
        self.write(move |writer, changes| {
            writer.account_for(WriteKind::Login, changes, |tables| {
                tables.set_totp(&user, totp.as_ref(), keep)
            })
        })
    }

    fn use_totp_step(&self, user: UserId, step: u64) -> StoreFuture<'_, bool> {
        self.write(move |writer, changes| {
            writer
                .account_for(WriteKind::Login, changes, |tables| tables.use_totp_step(&user, step))
        })
    }

    fn use_recovery_code(&self, user: UserId, hash: [u8; 32]) -> StoreFuture<'_, bool> {
        self.write(move |writer, changes| {
            writer.account_for(WriteKind::Login, changes, |tables| {
                tables.use_recovery_code(&user, &hash)
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
        self.write(move |writer, changes| {
            writer.account_for(WriteKind::Client, changes, |tables| tables.invite(&invitation))
        })
    }

    /// A link made in the server is recorded there.
    fn record_login_link(&self, _user: UserId) -> StoreFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn assign_role_numbers(&self, names: Vec<String>) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.write(move |writer, changes| {
            writer.account_for(WriteKind::Removal, changes, |tables| {
                tables.assign_role_numbers(&names)
            })
        })
    }

    fn recheck(&self) -> StoreFuture<'_, RecheckOutcome> {
        self.look()
    }

    fn remove_ended(&self, now_unix_ms: i64) -> StoreFuture<'_, ()> {
        self.write(move |writer, changes| {
            writer.account_for(WriteKind::Client, changes, |tables| tables.tidy_ended(now_unix_ms))
        })
    }

    fn status(&self) -> StoreStatus {
        self.health()
    }

    fn authority(&self) -> StoreFuture<'_, Authority> {
        self.look_up(|connection| {
            let moment = connection.unchecked_transaction()?;
            authority(&moment)
        })
    }
}

/// Whether a change of a user may use the reserve of a full disk: what takes authority away does,
/// and what protects the account.
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
