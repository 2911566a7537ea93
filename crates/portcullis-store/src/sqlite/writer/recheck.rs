//! All that decides who may act: read at the start, and again when somebody else has changed it.
//! Never: read again without a change; read by the thread that writes.

use std::collections::HashMap;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use portcullis_model::RoomId;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::accounts::RecheckOutcome;
use crate::changes::Change;
use crate::error::StoreError;
use crate::rows::accounts::{Authority, OperatorAction};
use crate::sqlite::account_tables::operator_actions::operator_acts;
use crate::sqlite::account_tables::revocations::{revocations, revocations_ended};
use crate::sqlite::account_tables::sessions::{SESSION, session_row};
use crate::sqlite::account_tables::users::{USER, user_row};
use crate::sqlite::operator::deletions::deleted_rooms;
use crate::sqlite::reader::Readers;
use crate::sqlite::writer::commit::Writer;
use crate::sqlite::writer::task::Turn;
use crate::store::CommitFeed;

/// Longest the writer waits until the reader has its snapshot; a reader begins in microseconds.
const PIN_MAX: Duration = Duration::from_millis(100);
/// Most changes of our own that are kept while the authority is read.
const OWN_MAX: usize = 65_536;

/// The authority that other connections changed, as far as the writer has read it.
#[derive(Debug, Default)]
pub(crate) struct AuthorityWatch {
    /// `PRAGMA data_version` when the feed last got the changes of other connections.
    told: Option<i64>,
    reading: Option<Reading>,
    /// Operators' acts up to this number were reported and can be removed; 0 for none.
    acts_told: i64,
    /// Whether they were removed by the batch at hand.
    acts_removed: bool,
    /// Whether removing them failed; the next look tries again.
    acts_failed: bool,
}

/// A reader is at work, on a snapshot of some moment.
#[derive(Debug, Default)]
struct Reading {
    /// The writer's own changes since that moment.
    own: Vec<Change>,
}

/// What a reader found in its snapshot.
struct Found {
    authority: Authority,
    acts: Vec<(i64, OperatorAction)>,
    /// Rooms that are marked as deleted; another connection can have done that.
    deleted_rooms: Vec<RoomId>,
}

/// The way of the answer of one look.
pub(crate) struct Look {
    /// The thread that reads.
    pub(crate) reader: Readers,
    /// The way back to the writer.
    pub(crate) turns: SyncSender<Turn>,
    /// Wakes the writer, which may wait for a change.
    pub(crate) wake: Box<dyn Fn() + Send>,
    /// The caller.
    pub(crate) reply: oneshot::Sender<Result<RecheckOutcome, StoreError>>,
}

impl AuthorityWatch {
    /// Takes in what the writer has committed.
    pub(crate) fn committed(&mut self, changes: &[Change]) {
        if std::mem::take(&mut self.acts_removed) {
            // The table is empty up to there, and its numbers may begin anew.
            self.acts_told = 0;
        }
        if let Some(reading) = &mut self.reading {
            let about_people = changes.iter().filter(|change| is_authority(change));
            reading.own.extend(about_people.take(OWN_MAX + 1 - reading.own.len()).cloned());
        }
    }

    /// Takes in that the batch was rolled back.
    pub(crate) fn rolled_back(&mut self) {
        self.acts_failed |= std::mem::take(&mut self.acts_removed);
    }

    /// Whether acts wait to be removed.
    pub(crate) fn has_told_acts(&self) -> bool {
        self.acts_told > 0 && !self.acts_failed
    }

    /// Removes the acts that were reported; inside a transaction.
    pub(crate) fn remove_told(&mut self, connection: &Connection) -> Result<(), StoreError> {
        if self.has_told_acts() {
            self.acts_removed = true;
            connection
                .prepare_cached("DELETE FROM operator_acts WHERE number <= ?1")?
                .execute([self.acts_told])?;
        }
        Ok(())
    }
}

impl Writer<'_> {
    /// Looks whether another connection has changed anything; see [`crate::AccountStore::recheck`].
    ///
    /// Runs between two transactions, and needs no lock: a reader reads what was committed.
    pub(crate) fn recheck(&mut self, look: Look) {
        self.authority.acts_failed = false;
        // Of this connection's view: it changes when another connection has committed.
        let version = self.connection.pragma_query_value(None, "data_version", |row| row.get(0));
        let version: i64 = match version {
            Ok(version) => version,
            Err(error) => return answer(look.reply, Err(error.into())),
        };
        if self.authority.told == Some(version) {
            return answer(look.reply, Ok(RecheckOutcome::Unchanged));
        }
        // What is cached of rooms and members may be what the other connection changed.
        self.cache.clear();
        if self.authority.reading.is_some() {
            return answer(look.reply, Err(StoreError::Busy));
        }
        self.authority.reading = Some(Reading::default());
        let (told_up_to, Look { reader, turns, wake, reply }) = (self.authority.acts_told, look);
        let (pinned, is_pinned) = sync_channel(1);
        let asked = reader.run(move |connection| {
            let found = find(connection, told_up_to, &pinned);
            let turn: Turn = Box::new(move |writer, feed| {
                answer(reply, writer.tell(found, version, feed));
            });
            // Fails when the writer is gone, which drops the reply.
            let _ = turns.send(turn);
            wake();
        });
        match asked {
            // From here on every change of our own is newer than the snapshot.
            Ok(()) => drop(is_pinned.recv_timeout(PIN_MAX)),
            Err(error) => {
                self.authority.reading = None;
                tracing::warn!(%error, "the authority cannot be read now");
            }
        }
    }

    /// Tells the feed what a reader found, brought up to date with our own changes since.
    fn tell(
        &mut self,
        found: Result<Found, StoreError>,
        version: i64,
        feed: &mut dyn CommitFeed,
    ) -> Result<RecheckOutcome, StoreError> {
        let own = self.authority.reading.take().unwrap_or_default().own;
        let Found { mut authority, acts, deleted_rooms } = found?;
        if own.len() > OWN_MAX {
            return Err(StoreError::Busy);
        }
        bring_up_to_date(&mut authority, own);
        let mut changes = vec![Change::Authority(Box::new(authority))];
        for (number, act) in acts {
            self.authority.acts_told = self.authority.acts_told.max(number);
            changes.push(Change::Operator(act));
        }
        for room in deleted_rooms {
            self.chores.room_deleted();
            self.cache.forget_room(&room);
            changes.push(Change::RoomDeleted { room });
        }
        feed.committed(&changes);
        self.authority.told = Some(version);
        Ok(RecheckOutcome::Reported)
    }
}

fn answer(
    reply: oneshot::Sender<Result<RecheckOutcome, StoreError>>,
    outcome: Result<RecheckOutcome, StoreError>,
) {
    // A caller that stopped waiting asks again.
    let _ = reply.send(outcome);
}

/// Reads the authority and the unreported acts of operators, as of one moment.
fn find(
    connection: &Connection,
    acts_told: i64,
    pinned: &SyncSender<()>,
) -> Result<Found, StoreError> {
    let moment = connection.unchecked_transaction()?;
    // The first statement fixes the moment.
    let acts = operator_acts(&moment, acts_told)?;
    let _ = pinned.send(());
    let deleted_rooms = deleted_rooms(&moment)?;
    Ok(Found { authority: authority(&moment)?, acts, deleted_rooms })
}

fn is_authority(change: &Change) -> bool {
    match change {
        Change::User(_) | Change::Session(_) | Change::SessionEnded { .. } | Change::Revoked(_) => {
            true
        }
        Change::Authority(_)
        | Change::Operator(_)
        | Change::Invited { .. }
        | Change::Barred { .. }
        | Change::RoomCreated { .. }
        | Change::Joined { .. }
        | Change::Left { .. }
        | Change::RoomDeleted { .. }
        | Change::Message { .. }
        | Change::Resumed { .. } => false,
    }
}

/// Applies later changes, so that nothing in force is undone by what was read before it.
fn bring_up_to_date(authority: &mut Authority, own: Vec<Change>) {
    if own.is_empty() {
        return;
    }
    let mut users: HashMap<_, _> =
        authority.users.drain(..).map(|user| (user.id.clone(), user)).collect();
    let mut sessions: HashMap<_, _> =
        authority.sessions.drain(..).map(|session| (session.id.clone(), session)).collect();
    for change in own {
        match change {
            Change::User(user) => drop(users.insert(user.id.clone(), user)),
            Change::Session(session) => drop(sessions.insert(session.id.clone(), session)),
            Change::SessionEnded { session, .. } => drop(sessions.remove(&session)),
            Change::Revoked(revocation) => authority.revocations.push(revocation),
            Change::Authority(_)
            | Change::Operator(_)
            | Change::Invited { .. }
            | Change::Barred { .. }
            | Change::RoomCreated { .. }
            | Change::Joined { .. }
            | Change::Left { .. }
            | Change::RoomDeleted { .. }
            | Change::Message { .. }
            | Change::Resumed { .. } => {}
        }
    }
    authority.users = users.into_values().collect();
    authority.sessions = sessions.into_values().collect();
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
    use super::*;
    use crate::rows::rooms::UserRow;
    use crate::sqlite::database::migrations::open_writer;
    use crate::sqlite::fixture::{Deaf, ann, commit, healthy};
    use crate::sqlite::writer::task::{Asked, Task};

    /// Hears the names of users in what it is told of the authority.
    #[derive(Default)]
    struct Names(Vec<Vec<String>>);

    impl CommitFeed for Names {
        fn committed(&mut self, changes: &[Change]) {
            for change in changes {
                if let Change::Authority(authority) = change {
                    let names = authority.users.iter().map(|user| user.username.to_string());
                    self.0.push(names.collect());
                }
            }
        }
    }

    struct Place {
        directory: tempfile::TempDir,
        connection: Connection,
    }

    impl Place {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let connection = open_writer(&directory.path().join("look.db")).unwrap();
            Self { directory, connection }
        }

        fn beside(&self) -> Connection {
            Connection::open(self.directory.path().join("look.db")).unwrap()
        }

        /// One look; `meanwhile` runs when the snapshot is taken, before it is told.
        fn look(
            &self,
            writer: &mut Writer<'_>,
            feed: &mut dyn CommitFeed,
            meanwhile: impl FnOnce(&mut Writer<'_>),
        ) -> Result<RecheckOutcome, StoreError> {
            let path = self.directory.path().join("look.db");
            let reader = Readers::start(&path, "test", 1, 4, &std::sync::Arc::default()).unwrap();
            let (turns, inbox) = sync_channel(4);
            let (reply, mut answer) = oneshot::channel();
            writer.recheck(Look { reader, turns, wake: Box::new(|| ()), reply });
            if let Ok(answer) = answer.try_recv() {
                return answer;
            }
            meanwhile(writer);
            let turn = inbox.recv().unwrap();
            turn(writer, feed);
            answer.try_recv().unwrap()
        }
    }

    fn make_user(writer: &mut Writer<'_>) {
        let (user, _) = Asked::ask(|writer, changes| {
            writer.account(changes, |tables| tables.create_user(ann()))
        });
        let mut batch: Vec<Box<dyn Task>> = vec![user];
        commit(writer, &mut batch, &mut Deaf);
    }

    #[test]
    fn look_answers_while_another_program_holds_the_lock() {
        let place = Place::new();
        let mut writer = Writer::new(&place.connection, None, healthy()).unwrap();
        make_user(&mut writer);
        let other = place.beside();
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let mut look = || place.look(&mut writer, &mut Deaf, |_| ());
        assert_eq!(look().unwrap(), RecheckOutcome::Reported);
        assert_eq!(look().unwrap(), RecheckOutcome::Unchanged);
        other.execute_batch("UPDATE users SET disabled = 1; COMMIT").unwrap();
        assert_eq!(look().unwrap(), RecheckOutcome::Reported);
        assert_eq!(look().unwrap(), RecheckOutcome::Unchanged);
    }

    #[test]
    fn look_writes_nothing() {
        let place = Place::new();
        let mut writer = Writer::new(&place.connection, None, healthy()).unwrap();
        make_user(&mut writer);
        let written = place.connection.total_changes();
        place.beside().execute_batch("UPDATE users SET disabled = 1").unwrap();
        let told = place.look(&mut writer, &mut Deaf, |_| ()).unwrap();
        assert_eq!((told, place.connection.total_changes()), (RecheckOutcome::Reported, written));
    }

    #[test]
    fn commit_during_a_look_is_not_undone_by_what_the_look_has_read() {
        let place = Place::new();
        let mut writer = Writer::new(&place.connection, None, healthy()).unwrap();
        let mut feed = Names::default();
        let told = place.look(&mut writer, &mut feed, make_user).unwrap();
        assert_eq!((told, feed.0), (RecheckOutcome::Reported, vec![vec![String::from("Ann")]]));
    }

    #[test]
    fn act_of_an_operator_is_told_once_and_removed_when_the_disk_takes_it() {
        let place = Place::new();
        let mut writer = Writer::new(&place.connection, None, healthy()).unwrap();
        let act = "INSERT INTO operator_acts (kind, detail, at_unix_ms) VALUES ('keys', 'x', 1)";
        place.beside().execute_batch(act).unwrap();
        #[derive(Default)]
        struct Acts(usize);
        impl CommitFeed for Acts {
            fn committed(&mut self, changes: &[Change]) {
                self.0 += changes.iter().filter(|c| matches!(c, Change::Operator(_))).count();
            }
        }
        let mut acts = Acts::default();
        let count = |writer: &Writer<'_>| -> i64 {
            let statement = "SELECT count(*) FROM operator_acts";
            writer.connection.query_row(statement, [], |row| row.get(0)).unwrap()
        };
        place.look(&mut writer, &mut acts, |_| ()).unwrap();
        assert_eq!((acts.0, count(&writer)), (1, 1));
        // The removal fails once; nothing is told again.
        writer.fault_at_commit = true;
        commit(&mut writer, &mut Vec::new(), &mut Deaf);
        place.beside().execute_batch("UPDATE marks SET mids_merged = 0").unwrap();
        place.look(&mut writer, &mut acts, |_| ()).unwrap();
        commit(&mut writer, &mut Vec::new(), &mut Deaf);
        assert_eq!((acts.0, count(&writer)), (1, 0));
        // The next one has the number of the first.
        place.beside().execute_batch(act).unwrap();
        place.look(&mut writer, &mut acts, |_| ()).unwrap();
        assert_eq!(acts.0, 2);
    }

    #[test]
    fn later_changes_replace_what_was_read() {
        let place = Place::new();
        let mut writer = Writer::new(&place.connection, None, healthy()).unwrap();
        make_user(&mut writer);
        let mut read = authority(&place.connection).unwrap();
        let banned = UserRow { banned_until_unix_ms: 9, ..read.users[0].clone() };
        bring_up_to_date(&mut read, vec![Change::User(banned.clone())]);
        assert_eq!(read.users, [banned]);
    }
}
