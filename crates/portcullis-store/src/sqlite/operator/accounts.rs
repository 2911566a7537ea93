//! Accounts and changes, as an operator's command sees them.
//! Never: a feed; the server finds the changes by its recheck.

use std::future::ready;

use portcullis_model::{Secret, SessionId, UserId};

use crate::accounts::AccountStore;
use crate::changes::{ChangeStore, RecheckOutcome};
use crate::error::StoreError;
use crate::future::StoreFuture;
use crate::health::monitor::Health;
use crate::health::status::StoreStatus;
use crate::rows::access_snapshot::{AccessSnapshot, Revocation};
use crate::rows::factors::{InvitationId, InvitationRow, NewInvitation, NewTotp};
use crate::rows::operator::OperatorActionKind;
use crate::rows::sessions::{
    NewSession, OpenSessionOutcome, ReauthenticateOutcome, ReauthenticateRequest, RotateOutcome,
    RotateRequest, SessionRow, SessionSelector,
};
use crate::rows::users::{
    AccountRow, ChangeUserOutcome, CreateUserOutcome, CredentialsRow, NewUser, UserChange,
};
use crate::sqlite::account_tables::access_snapshot::read_access_snapshot;
use crate::sqlite::account_tables::factors::{has_recovery_code, recovery_codes_left};
use crate::sqlite::account_tables::invitations::{has_invitation, list_invitations};
use crate::sqlite::account_tables::operator_actions::ActionNote;
use crate::sqlite::account_tables::sessions::list_sessions;
use crate::sqlite::account_tables::users::{self, UserSelector, has_admin};
use crate::sqlite::operator::store::SqliteOperatorStore;

pub(super) fn completed<'a, A: Send + 'a>(result: Result<A, StoreError>) -> StoreFuture<'a, A> {
    Box::pin(ready(result))
}

impl ChangeStore for SqliteOperatorStore {
    /// There is no feed here.
    fn recheck(&self) -> StoreFuture<'_, RecheckOutcome> {
        completed(Ok(RecheckOutcome::Unchanged))
    }

    fn access_snapshot(&self) -> StoreFuture<'_, AccessSnapshot> {
        let mut connection = self.connection();
        completed(
            connection
                .transaction()
                .map_err(StoreError::from)
                .and_then(|snapshot| read_access_snapshot(&snapshot)),
        )
    }

    /// The server watches the disk; here every call reports its own error.
    fn status(&self) -> StoreStatus {
        StoreStatus { health: Health::Ok, free_bytes: None, writer_runs: true, readers_run: true }
    }
}

impl AccountStore for SqliteOperatorStore {
    fn create_user(&self, user: NewUser) -> StoreFuture<'_, CreateUserOutcome> {
        let id = user.id.clone();
        let note = |outcome: &CreateUserOutcome| match outcome {
            CreateUserOutcome::Created => {
                Some(ActionNote::of_user(OperatorActionKind::Status, id, "account created"))
            }
            CreateUserOutcome::NameTaken
            | CreateUserOutcome::Deleted
            | CreateUserOutcome::SetupUsed
            | CreateUserOutcome::InvitationInvalid => None,
        };
        completed(self.write(|accounts| accounts.create_user(user), note))
    }

    fn credentials(&self, username: &str) -> StoreFuture<'_, Option<CredentialsRow>> {
        let connection = self.connection();
        completed(users::credentials(&connection, self.seal(), &UserSelector::Name(username)))
    }

    fn credentials_of(&self, user: &UserId) -> StoreFuture<'_, Option<CredentialsRow>> {
        let connection = self.connection();
        completed(users::credentials(&connection, self.seal(), &UserSelector::Id(user)))
    }

    fn find_account(&self, id_or_name: &str) -> StoreFuture<'_, Option<AccountRow>> {
        completed(users::find_account(&self.connection(), id_or_name))
    }

    fn list_accounts(&self, skip: u64, limit: u32) -> StoreFuture<'_, Vec<AccountRow>> {
        completed(users::list_accounts(&self.connection(), skip, limit))
    }

    fn has_admin(&self) -> StoreFuture<'_, bool> {
        completed(has_admin(&self.connection()))
    }

    fn change_user(&self, change: UserChange) -> StoreFuture<'_, ChangeUserOutcome> {
        let note = |outcome: &ChangeUserOutcome| match outcome {
            ChangeUserOutcome::Changed(_) => Some(ActionNote::of_change(&change, self.roles())),
            ChangeUserOutcome::Missing
            | ChangeUserOutcome::NameTaken
            | ChangeUserOutcome::LastAdmin => None,
        };
        completed(self.write(|accounts| accounts.change_user(&change), note))
    }

    fn rehash(
        &self,
        user: UserId,
        old: Secret<String>,
        new: Secret<String>,
    ) -> StoreFuture<'_, bool> {
        completed(self.write(|accounts| accounts.rehash(&user, &old, &new), |_| None))
    }

    fn open_session(&self, session: NewSession) -> StoreFuture<'_, OpenSessionOutcome> {
        let note = |outcome: &OpenSessionOutcome| match outcome {
            OpenSessionOutcome::Opened => {
                let user = session.user.clone();
                Some(ActionNote::of_user(OperatorActionKind::Opened, user, "session opened"))
            }
            OpenSessionOutcome::UserMissing => None,
        };
        completed(self.write(|accounts| accounts.open_session(&session), note))
    }

    fn rotate_session(&self, rotate: RotateRequest) -> StoreFuture<'_, RotateOutcome> {
        completed(self.write(|accounts| accounts.rotate_session(&rotate), |_| None))
    }

    fn reauthenticate_session(
        &self,
        proof: ReauthenticateRequest,
    ) -> StoreFuture<'_, ReauthenticateOutcome> {
        completed(self.write(|accounts| accounts.reauthenticate_session(&proof), |_| None))
    }

    fn end_sessions(
        &self,
        user: UserId,
        which: SessionSelector,
    ) -> StoreFuture<'_, Vec<SessionId>> {
        let note = |ended: &Vec<SessionId>| {
            let what = format!("{} sessions ended", ended.len());
            (!ended.is_empty())
                .then(|| ActionNote::of_user(OperatorActionKind::Session, user.clone(), what))
        };
        completed(self.write(|accounts| accounts.end_sessions(&user, &which), note))
    }

    fn list_sessions(&self, user: &UserId, at_unix_ms: i64) -> StoreFuture<'_, Vec<SessionRow>> {
        completed(list_sessions(&self.connection(), user, at_unix_ms))
    }

    fn revoke(&self, revocation: Revocation) -> StoreFuture<'_, ()> {
        let what = format!("a token or session of {} revoked", revocation.issuer);
        let note = |(): &()| Some(ActionNote::general(OperatorActionKind::Session, what));
        completed(self.write(|accounts| accounts.revoke(revocation), note))
    }

    fn set_totp(
        &self,
        user: UserId,
        totp: Option<NewTotp>,
        keep: Option<SessionId>,
    ) -> StoreFuture<'_, bool> {
        let what = if totp.is_some() { "second factor added" } else { "second factor removed" };
        let note = |found: &bool| {
            found.then(|| ActionNote::of_user(OperatorActionKind::Factors, user.clone(), what))
        };
        completed(self.write(|accounts| accounts.set_totp(&user, totp.as_ref(), keep), note))
    }

    fn use_totp_step(&self, user: UserId, step: u64) -> StoreFuture<'_, bool> {
        completed(self.write(|accounts| accounts.use_totp_step(&user, step), |_| None))
    }

    fn use_recovery_code(&self, user: UserId, hash: [u8; 32]) -> StoreFuture<'_, bool> {
        completed(self.write(|accounts| accounts.use_recovery_code(&user, &hash), |_| None))
    }

    fn recovery_codes_left(&self, user: &UserId) -> StoreFuture<'_, u32> {
        completed(recovery_codes_left(&self.connection(), user))
    }

    fn has_recovery_code(&self, username: &str, hash: [u8; 32]) -> StoreFuture<'_, bool> {
        completed(has_recovery_code(&self.connection(), username, &hash))
    }

    fn has_invitation(&self, hash: [u8; 32], at_unix_ms: i64) -> StoreFuture<'_, bool> {
        completed(has_invitation(&self.connection(), &hash, at_unix_ms))
    }

    fn invite(&self, invitation: NewInvitation) -> StoreFuture<'_, bool> {
        let note = |kept: &bool| {
            kept.then(|| ActionNote::general(OperatorActionKind::Invitation, "invited"))
        };
        completed(self.write(|accounts| accounts.invite(&invitation), note))
    }

    fn list_invitations(&self, at_unix_ms: i64) -> StoreFuture<'_, Vec<InvitationRow>> {
        completed(list_invitations(&self.connection(), at_unix_ms))
    }

    fn revoke_invitation(&self, id: InvitationId) -> StoreFuture<'_, bool> {
        let note = |found: &bool| {
            let text = "invitation revoked";
            found.then(|| ActionNote::general(OperatorActionKind::Invitation, text))
        };
        completed(self.write(|accounts| accounts.revoke_invitation(id), note))
    }

    fn record_login_link(&self, user: UserId) -> StoreFuture<'_, ()> {
        let note = |(): &()| {
            Some(ActionNote::of_user(OperatorActionKind::LoginLink, user, "login link made"))
        };
        completed(self.write(|_| Ok(()), note))
    }

    fn assign_role_numbers(&self, names: Vec<String>) -> StoreFuture<'_, Option<Vec<u8>>> {
        completed(self.write(|accounts| accounts.assign_role_numbers(&names), |_| None))
    }

    /// The server removes them.
    fn remove_ended(&self, _now_unix_ms: i64) -> StoreFuture<'_, ()> {
        completed(Ok(()))
    }
}
