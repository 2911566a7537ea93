//! Users, inside the writer.
//! Never: a password in the clear; only its hash comes here.

use std::sync::Arc;

use portcullis_model::Roles;
use rusqlite::OptionalExtension;

use crate::error::StoreError;
use crate::rows::{Change, CreateUser, NewUser, UserRow};
use crate::sqlite_query::{fold, has_admin, user_id};
use crate::sqlite_writer::Writer;

impl Writer<'_> {
    /// Creates a user; see [`crate::Store::create_user`].
    pub(crate) fn create_user(
        &mut self,
        user: NewUser,
        changes: &mut Vec<Change>,
    ) -> Result<CreateUser, StoreError> {
        if user.setup && has_admin(self.connection)? {
            return Ok(CreateUser::SetupUsed);
        }
        if let (Some(issuer), Some(subject)) = (&user.issuer, &user.subject)
            && let Some(known) = self.foreign(issuer, subject, &user.username)?
        {
            changes.push(Change::User(known));
            return Ok(CreateUser::Created);
        }
        if !self.insert_user(&user)? {
            return Ok(CreateUser::NameTaken);
        }
        changes.push(Change::User(UserRow {
            id: user.id,
            username: user.username,
            roles: user.roles,
            disabled: false,
            valid_after_unix_ms: 0,
        }));
        Ok(CreateUser::Created)
    }

    /// Writes the row; `false` when the name is taken.
    fn insert_user(&self, user: &NewUser) -> Result<bool, StoreError> {
        let folded = user.issuer.is_none().then(|| fold(&user.username));
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO users
             (id, username, folded, password_phc, issuer, subject, roles, created_unix_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (folded) DO NOTHING",
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
        ))?;
        Ok(written == 1)
    }

    /// Finds a foreign user and brings its name up to date.
    fn foreign(
        &self,
        issuer: &str,
        subject: &str,
        username: &Arc<str>,
    ) -> Result<Option<UserRow>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT key, id, username, roles, disabled, valid_after_unix_ms FROM users
             WHERE issuer = ?1 AND subject = ?2",
        )?;
        let found = select.query_row((issuer, subject), |row| {
            let key: i64 = row.get(0)?;
            let id: String = row.get(1)?;
            let stored: Arc<str> = row.get(2)?;
            Ok((key, id, stored, row.get(3)?, row.get(4)?, row.get(5)?))
        });
        let Some((key, id, stored, roles, disabled, valid_after_unix_ms)) = found.optional()?
        else {
            return Ok(None);
        };
        if stored != *username {
            self.connection
                .prepare_cached("UPDATE users SET username = ?2 WHERE key = ?1")?
                .execute((key, username))?;
        }
        Ok(Some(UserRow {
            id: user_id(&id)?,
            username: Arc::clone(username),
            roles: Roles::from_bits(roles),
            disabled,
            valid_after_unix_ms,
        }))
    }
}
