//! The tables about people, opened beside a running server: for the command line.
//! Never: messages or idempotency keys, of which the server's writer keeps its own picture.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_model::{RoleTable, Secret, SessionId, UserId};
use rusqlite::{Connection, TransactionBehavior};

use crate::accounts::{AccountStore, RecheckOutcome};
use crate::error::StoreError;
use crate::field_seal::FieldSeal;
use crate::health::monitor::{Health, StoreStatus};
use crate::rows::accounts::{
    AccountRow, Authority, ChangeUserOutcome, CredentialsRow, NewInvitation, NewSession, NewTotp,
    OpenSessionOutcome, OperatorActionKind, ReauthenticateOutcome, ReauthenticateRequest,
    Revocation, RotateOutcome, RotateRequest, SessionRow, SessionSelector, UserChange,
};
use crate::rows::rooms::{CreateUserOutcome, NewUser};
use crate::sqlite::account_tables::factors::{
    has_invitation, has_recovery_code, recovery_codes_left,
};
use crate::sqlite::account_tables::operator_actions::{Done, changed};
use crate::sqlite::account_tables::sessions::list_sessions;
use crate::sqlite::account_tables::users::{self as account, AccountTables, Wanted};
use crate::sqlite::columns::has_admin;
use crate::sqlite::database::migrations::open_beside;
use crate::sqlite::operator::reseal::{Cursor, ResealProgress, reseal};
use crate::sqlite::writer::recheck::authority;
use crate::store::StoreFuture;

/// A second hand on the database of a server, which may run or not.
///
/// A running server notices each change within the time of its recheck, and records it; one that
/// is stopped records it at its next start. Every call waits for the database, for 5 s at most.
pub struct SqliteOperatorStore {
    by: String,
    roles: RoleTable,
    pub(crate) connection: Mutex<Connection>,
    seal: Option<Arc<dyn FieldSeal>>,
    resealed: Mutex<Cursor>,
}

impl std::fmt::Debug for SqliteOperatorStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SqliteOperatorStore").finish_non_exhaustive()
    }
}

impl SqliteOperatorStore {
    /// Opens the database of a server that has been started at least once; `by` is who does it, for
    /// the records.
    ///
    /// # Errors
    /// `SchemaOlder` or `SchemaNewer` unless it is of this version, `Database` when there is none.
    pub fn open(
        path: &Path,
        seal: Option<Arc<dyn FieldSeal>>,
        by: &str,
    ) -> Result<Self, StoreError> {
        let connection = Mutex::new(open_beside(path)?);
        Ok(Self {
            by: String::from(by),
            roles: RoleTable::default(),
            connection,
            seal,
            resealed: Mutex::new(Cursor::START),
        })
    }

    /// Names roles in what is recorded; without it, by those built in.
    #[must_use]
    pub fn with_roles(self, roles: RoleTable) -> Self {
        Self { roles, ..self }
    }

    /// Leaves a record of something done to files that belong to the database, such as keys.
    ///
    /// # Errors
    /// `Database` when it cannot be written.
    pub fn note(&self, kind: OperatorActionKind, what: &str) -> Result<(), StoreError> {
        self.write(|_| Ok(()), |()| Some((kind, None, String::from(what))))
    }

    /// Whether anything here is sealed, so that it needs its keys; also when that cannot be told.
    ///
    /// Looks through all messages when nothing is.
    #[must_use]
    pub fn holds_sealed(&self) -> bool {
        let statement = "SELECT EXISTS (SELECT 1 FROM users WHERE totp_sealed)
            OR EXISTS (SELECT 1 FROM messages WHERE sealed IS NOT NULL)";
        self.connection.lock().query_row(statement, [], |row| row.get(0)).unwrap_or(true)
    }

    /// Looks at up to `portion` values, and never more than 1,000, and seals what lies in the clear
    /// or under an older key; a short transaction.
    ///
    /// Each call goes on where the last one ended; after one that leaves nothing, from the start.
    /// What a running server stores meanwhile is sealed with the keys that server has.
    /// Copies the server once left on unused pages of the file go with a `VACUUM` only.
    ///
    /// # Errors
    /// `Unsealable` when something cannot be opened: nothing of the portion is changed.
    pub fn reseal(&self, portion: u32) -> Result<ResealProgress, StoreError> {
        let nothing = || StoreError::Unsealable { record: String::from("without a seal nothing") };
        let seal = self.seal.as_deref().ok_or_else(nothing)?;
        let mut connection = self.connection.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut cursor = *self.resealed.lock();
        let resealed = reseal(&transaction, seal, &mut cursor, portion)?;
        transaction.commit()?;
        *self.resealed.lock() = if resealed.left == 0 { Cursor::START } else { cursor };
        Ok(resealed)
    }

    /// Writes the file anew, so that nothing is left in it of what was sealed, changed or removed.
    ///
    /// For a server that is stopped: a running one cannot write meanwhile, and its changes fail
    /// when that takes over 5 s. Needs as much space again as the database has.
    ///
    /// # Errors
    /// `Database` when somebody else writes for over 5 s, or there is no space.
    pub fn compact(&self) -> Result<(), StoreError> {
        // Pages that were split keep copies of what moved, and only a new file has none.
        self.connection.lock().execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")?;
        Ok(())
    }

    /// Changes something and, if anything was changed, keeps what it was with the change.
    pub(crate) fn write<A>(
        &self,
        act: impl FnOnce(&mut AccountTables<'_>) -> Result<A, StoreError>,
        done: impl FnOnce(&A) -> Option<Done>,
    ) -> Result<A, StoreError> {
        let mut connection = self.connection.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Nobody is told here: the server finds out by itself.
        let mut changes = Vec::new();
        let mut tables = AccountTables {
            connection: &transaction,
            seal: self.seal.as_deref(),
            changes: &mut changes,
        };
        let answer = act(&mut tables)?;
        if let Some(done) = done(&answer) {
            tables.keep_operator_act(&done, &self.by)?;
        }
        transaction.commit()?;
        Ok(answer)
    }
}

fn ready<'a, A: Send + 'a>(answer: Result<A, StoreError>) -> StoreFuture<'a, A> {
    Box::pin(std::future::ready(answer))
}

impl AccountStore for SqliteOperatorStore {
    fn create_user(&self, user: NewUser) -> StoreFuture<'_, CreateUserOutcome> {
        let id = user.id.clone();
        let made = |outcome: &CreateUserOutcome| match outcome {
            CreateUserOutcome::Created => {
                Some((OperatorActionKind::Status, Some(id), String::from("account created")))
            }
            CreateUserOutcome::NameTaken
            | CreateUserOutcome::Deleted
            | CreateUserOutcome::SetupUsed
            | CreateUserOutcome::InvitationInvalid => None,
        };
        ready(self.write(|tables| tables.create_user(user), made))
    }

    fn credentials(&self, username: &str) -> StoreFuture<'_, Option<CredentialsRow>> {
        let connection = self.connection.lock();
        ready(account::credentials(&connection, self.seal.as_deref(), &Wanted::Name(username)))
    }

    fn credentials_of(&self, user: &UserId) -> StoreFuture<'_, Option<CredentialsRow>> {
        let connection = self.connection.lock();
        ready(account::credentials(&connection, self.seal.as_deref(), &Wanted::Id(user)))
    }

    fn find_account(&self, id_or_name: &str) -> StoreFuture<'_, Option<AccountRow>> {
        ready(account::find_account(&self.connection.lock(), id_or_name))
    }

    fn list_accounts(&self, skip: u64, limit: u32) -> StoreFuture<'_, Vec<AccountRow>> {
        ready(account::list_accounts(&self.connection.lock(), skip, limit))
    }

    fn has_admin(&self) -> StoreFuture<'_, bool> {
        ready(has_admin(&self.connection.lock()))
    }

    fn change_user(&self, change: UserChange) -> StoreFuture<'_, ChangeUserOutcome> {
        let done = |outcome: &ChangeUserOutcome| match outcome {
            ChangeUserOutcome::Changed(_) => Some(changed(&change, &self.roles)),
            ChangeUserOutcome::Missing
            | ChangeUserOutcome::NameTaken
            | ChangeUserOutcome::LastAdmin => None,
        };
        ready(self.write(|tables| tables.change_user(&change), done))
    }

    fn rehash(
        &self,
        user: UserId,
        old: Secret<String>,
        new: Secret<String>,
    ) -> StoreFuture<'_, bool> {
        ready(self.write(|tables| tables.rehash(&user, &old, &new), |_| None))
    }

    fn open_session(&self, session: NewSession) -> StoreFuture<'_, OpenSessionOutcome> {
        let opened = |outcome: &OpenSessionOutcome| match outcome {
            OpenSessionOutcome::Opened => {
                let what = String::from("session opened");
                Some((OperatorActionKind::Opened, Some(session.user.clone()), what))
            }
            OpenSessionOutcome::UserMissing => None,
        };
        ready(self.write(|tables| tables.open_session(&session), opened))
    }

    fn rotate_session(&self, rotate: RotateRequest) -> StoreFuture<'_, RotateOutcome> {
        ready(self.write(|tables| tables.rotate_session(&rotate), |_| None))
    }

    fn reauthenticate_session(
        &self,
        proof: ReauthenticateRequest,
    ) -> StoreFuture<'_, ReauthenticateOutcome> {
        ready(self.write(|tables| tables.reauthenticate_session(&proof), |_| None))
    }

    fn end_sessions(
        &self,
        user: UserId,
        which: SessionSelector,
    ) -> StoreFuture<'_, Vec<SessionId>> {
        let ended = |ended: &Vec<SessionId>| {
            let what = format!("{} sessions ended", ended.len());
            (!ended.is_empty()).then(|| (OperatorActionKind::Session, Some(user.clone()), what))
        };
        ready(self.write(|tables| tables.end_sessions(&user, &which), ended))
    }

    fn list_sessions(&self, user: &UserId, at_unix_ms: i64) -> StoreFuture<'_, Vec<SessionRow>> {
        ready(list_sessions(&self.connection.lock(), user, at_unix_ms))
    }

    fn revoke(&self, revocation: Revocation) -> StoreFuture<'_, ()> {
        let what = format!("a token or session of {} withdrawn", revocation.issuer);
        let done = |(): &()| Some((OperatorActionKind::Session, None, what));
        ready(self.write(|tables| tables.revoke(revocation), done))
    }

    fn set_totp(
        &self,
        user: UserId,
        totp: Option<NewTotp>,
        keep: Option<SessionId>,
    ) -> StoreFuture<'_, bool> {
        let what = if totp.is_some() { "second factor added" } else { "second factor removed" };
        let done = |found: &bool| {
            found.then(|| (OperatorActionKind::Factors, Some(user.clone()), String::from(what)))
        };
        ready(self.write(|tables| tables.set_totp(&user, totp.as_ref(), keep), done))
    }

    fn use_totp_step(&self, user: UserId, step: u64) -> StoreFuture<'_, bool> {
        ready(self.write(|tables| tables.use_totp_step(&user, step), |_| None))
    }

    fn use_recovery_code(&self, user: UserId, hash: [u8; 32]) -> StoreFuture<'_, bool> {
        ready(self.write(|tables| tables.use_recovery_code(&user, &hash), |_| None))
    }

    fn recovery_codes_left(&self, user: &UserId) -> StoreFuture<'_, u32> {
        ready(recovery_codes_left(&self.connection.lock(), user))
    }

    fn has_recovery_code(&self, username: &str, hash: [u8; 32]) -> StoreFuture<'_, bool> {
        ready(has_recovery_code(&self.connection.lock(), username, &hash))
    }

    fn has_invitation(&self, hash: [u8; 32], at_unix_ms: i64) -> StoreFuture<'_, bool> {
        ready(has_invitation(&self.connection.lock(), &hash, at_unix_ms))
    }

    fn invite(&self, invitation: NewInvitation) -> StoreFuture<'_, bool> {
        let done = |kept: &bool| {
            kept.then(|| (OperatorActionKind::Invitation, None, String::from("invited")))
        };
        ready(self.write(|tables| tables.invite(&invitation), done))
    }

    fn record_login_link(&self, user: UserId) -> StoreFuture<'_, ()> {
        let what = String::from("login link made");
        let done = |(): &()| Some((OperatorActionKind::LoginLink, Some(user), what));
        ready(self.write(|_| Ok(()), done))
    }

    fn assign_role_numbers(&self, names: Vec<String>) -> StoreFuture<'_, Option<Vec<u8>>> {
        ready(self.write(|tables| tables.assign_role_numbers(&names), |_| None))
    }

    /// No feed listens here.
    fn recheck(&self) -> StoreFuture<'_, RecheckOutcome> {
        ready(Ok(RecheckOutcome::Unchanged))
    }

    /// Left to the server.
    fn remove_ended(&self, _now_unix_ms: i64) -> StoreFuture<'_, ()> {
        ready(Ok(()))
    }

    /// The server watches the disk; here every call finds out by itself.
    fn status(&self) -> StoreStatus {
        StoreStatus { health: Health::Ok, free_bytes: None, writer_runs: true, readers_run: true }
    }

    fn authority(&self) -> StoreFuture<'_, Authority> {
        let mut connection = self.connection.lock();
        ready(
            connection
                .transaction()
                .map_err(StoreError::from)
                .and_then(|moment| authority(&moment)),
        )
    }
}
