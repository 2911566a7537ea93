//! All that decides who may act: read at the start, and again when somebody else has changed it.
//! Never: read again while nobody has.

use rusqlite::Connection;

use crate::change::Change;
use crate::error::StoreError;
use crate::rows_account::Authority;
use crate::sqlite_account::{USER, user_row};
use crate::sqlite_delete::deleted_rooms;
use crate::sqlite_revocation::{revocations, revocations_ended};
use crate::sqlite_session::{SESSION, session_row};
use crate::sqlite_writer::Writer;
use crate::store_account::Recheck;

impl Writer<'_> {
    /// Looks whether anybody else has changed anything; see [`crate::AccountStore::recheck`].
    pub(crate) fn recheck(
        &mut self,
        now_unix_ms: i64,
        changes: &mut Vec<Change>,
    ) -> Result<Recheck, StoreError> {
        let told = self.data_version;
        let (version, recheck) = self.account(changes, |tables| {
            tables.tidy_ended(now_unix_ms)?;
            // Of this connection's view: it changes when another connection has committed.
            let version =
                tables.connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
            if told == Some(version) {
                return Ok((version, Recheck::AsBefore));
            }
            let authority = authority(tables.connection)?;
            tables.changes.push(Change::Authority(Box::new(authority)));
            tables.take_operator_acts()?;
            Ok((version, Recheck::Told))
        })?;
        if recheck == Recheck::Told {
            self.reread_rooms(changes)?;
        }
        // Last: what could not be read has not been told.
        self.data_version = Some(version);
        Ok(recheck)
    }
}

impl Writer<'_> {
    /// Forgets what is cached of rooms and members, and tells the feed which rooms are deleted:
    /// somebody else can have done that.
    fn reread_rooms(&mut self, changes: &mut Vec<Change>) -> Result<(), StoreError> {
        self.cache.flush(self.connection)?;
        self.cache.clear();
        for room in deleted_rooms(self.connection)? {
            self.chores.room_deleted();
            changes.push(Change::RoomDeleted { room });
        }
        Ok(())
    }
}

/// Reads all that decides who may act; inside a transaction.
pub(crate) fn authority(connection: &Connection) -> Result<Authority, StoreError> {
    let mut authority = Authority::default();
    let mut select =
        connection.prepare(&format!("SELECT {USER} FROM users WHERE deleted_unix_ms = 0"))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        authority.users.push(user_row(row)?);
    }
    let mut select = connection.prepare(&format!(
        "SELECT {SESSION} FROM sessions JOIN users ON users.key = sessions.user"
    ))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        authority.sessions.push(session_row(row)?);
    }
    authority.revocations = revocations(connection)?;
    authority.revocations_ended_unix_ms = revocations_ended(connection)?;
    Ok(authority)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sqlite_fixture::{Deaf, ann};
    use crate::sqlite_schema::open_writer;
    use crate::sqlite_task::{Asked, Task};

    fn look(writer: &mut Writer<'_>, beside: Vec<Box<dyn Task>>) -> Result<Recheck, StoreError> {
        let (task, mut answer) = Asked::ask(|writer, changes| writer.recheck(0, changes));
        let mut batch = beside;
        batch.insert(0, task);
        writer.commit(&mut batch, &mut Deaf);
        answer.try_recv().unwrap()
    }

    #[test]
    fn a_look_fails_while_nobody_can_write_and_tells_all_after_that() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("busy.db");
        let connection = open_writer(&path).unwrap();
        let mut writer = Writer::new(&connection, None).unwrap();
        assert_eq!(look(&mut writer, vec![]).unwrap(), Recheck::Told);
        assert_eq!(look(&mut writer, vec![]).unwrap(), Recheck::AsBefore);

        connection.busy_timeout(Duration::ZERO).unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        for _ in 0..2 {
            assert!(matches!(look(&mut writer, vec![]), Err(StoreError::Database(_))));
        }
        other.execute_batch("ROLLBACK").unwrap();
        assert_eq!(look(&mut writer, vec![]).unwrap(), Recheck::Told);
        assert_eq!(look(&mut writer, vec![]).unwrap(), Recheck::AsBefore);
    }

    #[test]
    fn what_was_read_in_a_batch_that_fails_is_told_by_the_next_look() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lost.db");
        let connection = open_writer(&path).unwrap();
        let mut writer = Writer::new(&connection, None).unwrap();
        let (user, _) = Asked::ask(|writer, changes| {
            writer.account(changes, |tables| tables.create_user(ann()))
        });
        writer.commit(&mut vec![user], &mut Deaf);
        assert_eq!(look(&mut writer, vec![]).unwrap(), Recheck::Told);

        let other = Connection::open(&path).unwrap();
        other.execute_batch("UPDATE users SET disabled = 1").unwrap();
        let (failing, _) = Asked::ask(|writer, _| {
            writer.broken = Some(StoreError::Closed);
            Ok(())
        });
        assert!(look(&mut writer, vec![failing]).is_err());
        assert_eq!(look(&mut writer, vec![]).unwrap(), Recheck::Told);
    }
}
