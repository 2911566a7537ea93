//! Tests of rechecks: what another connection has changed.
//! Never: the thread of the writer; each step is a call.

use super::*;
use crate::rows::users::UserRow;
use crate::sqlite::database::connection::open_writer;
use crate::sqlite::fixture::{SilentFeed, ann, commit, healthy};
use crate::sqlite::writer::task::{ChangeTask, Task};

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
        let (interludes, inbox) = sync_channel(4);
        let (reply, mut answer) = oneshot::channel();
        writer.recheck(RecheckRequest { reader, interludes, wake: Box::new(|| ()), reply });
        if let Ok(answer) = answer.try_recv() {
            return answer;
        }
        meanwhile(writer);
        let interlude = inbox.recv().unwrap();
        interlude(writer, feed);
        answer.try_recv().unwrap()
    }
}

fn make_user(writer: &mut Writer<'_>) {
    let (user, _) = ChangeTask::of(|state, changes| {
        state.in_account_transaction(changes, |accounts| accounts.create_user(ann()))
    });
    let mut batch: Vec<Box<dyn Task>> = vec![user];
    commit(writer, &mut batch, &mut SilentFeed);
}

#[test]
fn recheck_works_while_another_program_holds_the_lock() {
    let place = Place::new();
    let mut writer = Writer::new(&place.connection, None, healthy()).unwrap();
    make_user(&mut writer);
    let other = place.beside();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut look = || place.look(&mut writer, &mut SilentFeed, |_| ());
    assert_eq!(look().unwrap(), RecheckOutcome::Reported);
    assert_eq!(look().unwrap(), RecheckOutcome::Unchanged);
    other.execute_batch("UPDATE users SET disabled = 1; COMMIT").unwrap();
    assert_eq!(look().unwrap(), RecheckOutcome::Reported);
    assert_eq!(look().unwrap(), RecheckOutcome::Unchanged);
}

#[test]
fn recheck_writes_nothing() {
    let place = Place::new();
    let mut writer = Writer::new(&place.connection, None, healthy()).unwrap();
    make_user(&mut writer);
    let written = place.connection.total_changes();
    place.beside().execute_batch("UPDATE users SET disabled = 1").unwrap();
    let told = place.look(&mut writer, &mut SilentFeed, |_| ()).unwrap();
    assert_eq!((told, place.connection.total_changes()), (RecheckOutcome::Reported, written));
}

#[test]
fn commit_during_a_recheck_is_not_undone_by_the_snapshot() {
    let place = Place::new();
    let mut writer = Writer::new(&place.connection, None, healthy()).unwrap();
    let mut feed = Names::default();
    let told = place.look(&mut writer, &mut feed, make_user).unwrap();
    assert_eq!((told, feed.0), (RecheckOutcome::Reported, vec![vec![String::from("Ann")]]));
}

#[test]
fn operator_action_is_reported_once_and_removed_later() {
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
        writer.state.connection.query_row(statement, [], |row| row.get(0)).unwrap()
    };
    place.look(&mut writer, &mut acts, |_| ()).unwrap();
    assert_eq!((acts.0, count(&writer)), (1, 1));
    // The removal fails once; nothing is told again.
    writer.planned.before_commit = true;
    commit(&mut writer, &mut Vec::new(), &mut SilentFeed);
    place.beside().execute_batch("UPDATE marks SET mids_merged = 0").unwrap();
    place.look(&mut writer, &mut acts, |_| ()).unwrap();
    commit(&mut writer, &mut Vec::new(), &mut SilentFeed);
    assert_eq!((acts.0, count(&writer)), (1, 0));
    // The next one has the number of the first.
    place.beside().execute_batch(act).unwrap();
    place.look(&mut writer, &mut acts, |_| ()).unwrap();
    assert_eq!(acts.0, 2);
}

#[test]
fn later_changes_replace_the_snapshot() {
    let place = Place::new();
    let mut writer = Writer::new(&place.connection, None, healthy()).unwrap();
    make_user(&mut writer);
    let mut read = read_authority(&place.connection).unwrap();
    let banned = UserRow { banned_until_unix_ms: 9, ..read.users[0].clone() };
    apply_own_changes(&mut read, vec![Change::User(banned.clone())]);
    assert_eq!(read.users, [banned]);
}
