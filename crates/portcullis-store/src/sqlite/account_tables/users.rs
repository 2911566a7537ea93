//! Creates, finds and lists users.
//! Never: a password in the clear; the store only gets its hash.

use std::sync::Arc;

use portcullis_model::{Roles, Secret, UserId};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::accounts::LIST_MAX;
use crate::changes::Change;
use crate::error::StoreError;
use crate::field_seal::FieldSeal;
use crate::rows::users::{AccountRow, CreateUserOutcome, CredentialsRow, NewUser, UserRow};
use crate::sqlite::account_tables::invitations::has_invitation;
use crate::sqlite::account_tables::transaction::AccountTransaction;
use crate::sqlite::columns::{fold, text, user_id};
use crate::sqlite::sealed_fields::open_totp;

/// The columns of a [`UserRow`].
pub(super) const USER: &str = "id, username, roles, disabled, valid_after_unix_ms,
    banned_until_unix_ms, muted_until_unix_ms, totp IS NOT NULL, issuer IS NOT NULL,
    roles_after_unix_ms";

/// Reads a [`UserRow`] from the columns of [`USER`].
pub(super) fn user_row(row: &Row<'_>) -> Result<UserRow, StoreError> {
    Ok(UserRow {
        id: user_id(text(row, 0)?)?,
        username: row.get(1)?,
        roles: Roles::from_bits(row.get(2)?),
        disabled: row.get(3)?,
        valid_after_unix_ms: row.get(4)?,
        banned_until_unix_ms: row.get(5)?,
        muted_until_unix_ms: row.get(6)?,
        has_totp: row.get(7)?,
        foreign: row.get(8)?,
        roles_after_unix_ms: row.get(9)?,
    })
}

impl AccountTransaction<'_> {
    /// Creates a user; see [`crate::AccountStore::create_user`].
    pub(crate) fn create_user(&mut self, user: NewUser) -> Result<CreateUserOutcome, StoreError> {
        if user.setup && has_admin(self.connection)? {
            return Ok(CreateUserOutcome::SetupUsed);
        }
        if let (Some(issuer), Some(subject)) = (&user.issuer, &user.subject)
            && let Some(key) = self.find_foreign(issuer, subject)?
        {
            self.update_foreign(key, &user)?;
            self.report_user(key)?;
            return Ok(CreateUserOutcome::Created);
        }
        if self.is_deleted(&user.id)? {
            return Ok(CreateUserOutcome::Deleted);
        }
        // Checked first: a client without an invitation does not learn which names are taken.
        // Used up last: the invitation stays valid if the name is taken.
        if let Some(invitation) = &user.invitation
            && !has_invitation(self.connection, invitation, user.created_unix_ms)?
        {
            return Ok(CreateUserOutcome::InvitationInvalid);
        }
        let Some(key) = self.insert_user(&user)? else {
            return Ok(CreateUserOutcome::NameTaken);
        };
        if let Some(invitation) = &user.invitation {
            self.use_invitation(invitation, key)?;
        }
        self.report_user(key)?;
        Ok(CreateUserOutcome::Created)
    }

    /// Inserts the row; `None` if the name is taken.
    fn insert_user(&self, user: &NewUser) -> Result<Option<i64>, StoreError> {
        let folded = user.issuer.is_none().then(|| fold(&user.username));
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO users
             (id, username, folded, password_phc, issuer, subject, roles, created_unix_ms,
              valid_after_unix_ms, roles_after_unix_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, (SELECT valid_after_unix_ms FROM marks), ?9)
             ON CONFLICT (folded) DO NOTHING",
        )?;
        let written = insert.execute((
            user.id.as_str(),
            &user.username,
            folded,
            user.password_phc.as_ref().map(|phc| phc.expose().as_str()),
            user.issuer.as_deref(),
            user.subject.as_deref(),
            user.roles.bits(),
            user.created_unix_ms,
            user.roles_issued_unix_ms.unwrap_or(0),
        ))?;
        Ok((written == 1).then(|| self.connection.last_insert_rowid()))
    }

    fn find_foreign(&self, issuer: &str, subject: &str) -> Result<Option<i64>, StoreError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT key FROM users WHERE issuer = ?1 AND subject = ?2")?;
        Ok(select.query_row((issuer, subject), |row| row.get(0)).optional()?)
    }

    fn update_foreign(&self, key: i64, user: &NewUser) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE users SET username = ?2 WHERE key = ?1 AND username <> ?2
                 AND muted_until_unix_ms <= ?3",
            )?
            .execute((key, &user.username, user.created_unix_ms))?;
        if let Some(issued_unix_ms) = user.roles_issued_unix_ms {
            self.connection
                .prepare_cached(
                    "UPDATE users SET roles = ?2, roles_after_unix_ms = ?3
                     WHERE key = ?1 AND roles <> ?2 AND roles_after_unix_ms <= ?3",
                )?
                .execute((key, user.roles.bits(), issued_unix_ms))?;
        }
        Ok(())
    }

    /// Reads a user, and reports the row to the feed.
    pub(super) fn report_user(&mut self, key: i64) -> Result<UserRow, StoreError> {
        let statement = format!("SELECT {USER} FROM users WHERE key = ?1");
        let mut select = self.connection.prepare_cached(&statement)?;
        let mut rows = select.query([key])?;
        let Some(row) = rows.next()? else { return Err(StoreError::Corrupt("user")) };
        let user = user_row(row)?;
        self.changes.push(Change::User(user.clone()));
        Ok(user)
    }

    /// Replaces a hash; see [`crate::AccountStore::rehash`].
    pub(crate) fn rehash(
        &mut self,
        user: &UserId,
        old: &Secret<String>,
        new: &Secret<String>,
    ) -> Result<bool, StoreError> {
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE users SET password_phc = ?3 WHERE id = ?1 AND password_phc = ?2",
            )?
            .execute((user.as_str(), old.expose(), new.expose()))?;
        Ok(changed == 1)
    }

    /// Whether a user with this id was deleted.
    fn is_deleted(&self, user: &UserId) -> Result<bool, StoreError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT 1 FROM users WHERE id = ?1 AND deleted_unix_ms <> 0")?;
        Ok(select.exists([user.as_str()])?)
    }
}

/// Whether any administrator exists.
pub(crate) fn has_admin(connection: &Connection) -> Result<bool, StoreError> {
    let mut select = connection.prepare_cached("SELECT 1 FROM users WHERE roles & 1 LIMIT 1")?;
    Ok(select.exists([])?)
}

/// Selects the user whose credentials are read.
pub(crate) enum UserSelector<'a> {
    Name(&'a str),
    Id(&'a UserId),
}

/// Finds the credentials of a local user.
pub(crate) fn credentials(
    connection: &Connection,
    seal: Option<&dyn FieldSeal>,
    selector: &UserSelector<'_>,
) -> Result<Option<CredentialsRow>, StoreError> {
    let (condition, value) = match selector {
        UserSelector::Name(name) => ("folded = ?1", fold(name)),
        UserSelector::Id(id) => ("id = ?1", id.to_string()),
    };
    let statement = format!(
        "SELECT id, username, password_phc, roles, disabled, banned_until_unix_ms,
             valid_after_unix_ms, created_unix_ms, totp, totp_sealed
         FROM users WHERE {condition} AND password_phc IS NOT NULL"
    );
    let mut select = connection.prepare_cached(&statement)?;
    let mut rows = select.query([value])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let id = user_id(text(row, 0)?)?;
    let (totp, sealed): (Option<Vec<u8>>, bool) = (row.get(8)?, row.get(9)?);
    let totp = totp.map(|stored| open_totp(seal, id.as_str(), (stored, sealed))).transpose()?;
    Ok(Some(CredentialsRow {
        username: row.get(1)?,
        password_phc: Secret::new(row.get(2)?),
        roles: Roles::from_bits(row.get(3)?),
        disabled: row.get(4)?,
        banned_until_unix_ms: row.get(5)?,
        valid_after_unix_ms: row.get(6)?,
        totp,
        created_unix_ms: row.get(7)?,
        id,
    }))
}

/// The columns of an [`AccountRow`].
const ACCOUNT: &str = "id, username, roles, disabled, banned_until_unix_ms, muted_until_unix_ms,
    totp IS NOT NULL, issuer, created_unix_ms, changed_unix_ms, last_login_unix_ms";

fn account_row(row: &Row<'_>) -> Result<AccountRow, StoreError> {
    Ok(AccountRow {
        id: user_id(text(row, 0)?)?,
        username: row.get::<_, Arc<str>>(1)?,
        roles: Roles::from_bits(row.get(2)?),
        disabled: row.get(3)?,
        banned_until_unix_ms: row.get(4)?,
        muted_until_unix_ms: row.get(5)?,
        has_totp: row.get(6)?,
        issuer: row.get(7)?,
        created_unix_ms: row.get(8)?,
        changed_unix_ms: row.get(9)?,
        last_login_unix_ms: Some(row.get(10)?).filter(|unix_ms| *unix_ms != 0),
    })
}

/// Finds a user; see [`crate::AccountStore::find_account`].
pub(crate) fn find_account(
    connection: &Connection,
    id_or_name: &str,
) -> Result<Option<AccountRow>, StoreError> {
    let statement = format!(
        "SELECT {ACCOUNT} FROM users WHERE (id = ?1 OR folded = ?2) AND deleted_unix_ms = 0
         ORDER BY id = ?1 DESC LIMIT 1"
    );
    let mut select = connection.prepare_cached(&statement)?;
    let mut rows = select.query((id_or_name, fold(id_or_name)))?;
    rows.next()?.map(account_row).transpose()
}

/// Lists users; see [`crate::AccountStore::list_accounts`].
pub(crate) fn list_accounts(
    connection: &Connection,
    skip: u64,
    limit: u32,
) -> Result<Vec<AccountRow>, StoreError> {
    let statement = format!(
        "SELECT {ACCOUNT} FROM users WHERE deleted_unix_ms = 0 ORDER BY key LIMIT ?1 OFFSET ?2"
    );
    let mut select = connection.prepare_cached(&statement)?;
    let skip = i64::try_from(skip).unwrap_or(i64::MAX);
    let mut rows = select.query((limit.min(LIST_MAX), skip))?;
    let mut accounts = Vec::new();
    while let Some(row) = rows.next()? {
        accounts.push(account_row(row)?);
    }
    Ok(accounts)
}
