//! Tests of rechecks: changes of another connection.
//! Never: the thread of the writer; each step is a call.

use super::*;
use crate::rows::users::UserRow;
use crate::sqlite::database::connection::open_writer;
use crate::sqlite::fixture::{SilentFeed, ann, commit, healthy};
use crate::sqlite::writer::task::{ChangeTask, Task};

/// Records the user names of each authority that the feed reports.
#[derive(Default)]
struct UserNames(Vec<Vec<String>>);

impl CommitFeed for UserNames {
    fn committed(&mut self, changes: &[Change]) {
        for change in changes {
            if let Change::AccessSnapshot(authority) = change {
                let names = authority.users.iter().map(|user| user.username.to_string());
                self.0.push(names.collect());
            }
        }
    }
}

struct RecheckFixture {
    directory: tempfile::TempDir,
    connection: Connection,
}

impl RecheckFixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let connection = open_writer(&directory.path().join("recheck.db")).unwrap();
        Self { directory, connection }
    }

    fn second_connection(&self) -> Connection {
        Connection::open(self.directory.path().join("recheck.db")).unwrap()
    }

    /// One recheck; `meanwhile` runs after the snapshot is taken, before it is reported.
    fn recheck(
        &self,
        writer: &mut Writer<'_>,
        feed: &mut dyn CommitFeed,
        meanwhile: impl FnOnce(&mut Writer<'_>),
    ) -> Result<RecheckOutcome, StoreError> {
        let path = self.directory.path().join("recheck.db");
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
    let fixture = RecheckFixture::new();
    let mut writer = Writer::new(&fixture.connection, None, healthy()).unwrap();
    make_user(&mut writer);
    let other = fixture.second_connection();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut recheck = || fixture.recheck(&mut writer, &mut SilentFeed, |_| ());
    assert_eq!(recheck().unwrap(), RecheckOutcome::Reported);
    assert_eq!(recheck().unwrap(), RecheckOutcome::Unchanged);
    other.execute_batch("UPDATE users SET disabled = 1; COMMIT").unwrap();
    assert_eq!(recheck().unwrap(), RecheckOutcome::Reported);
    assert_eq!(recheck().unwrap(), RecheckOutcome::Unchanged);
}

#[test]
fn recheck_writes_nothing() {
    let fixture = RecheckFixture::new();
    let mut writer = Writer::new(&fixture.connection, None, healthy()).unwrap();
    make_user(&mut writer);
    let written = fixture.connection.total_changes();
    fixture.second_connection().execute_batch("UPDATE users SET disabled = 1").unwrap();
    let outcome = fixture.recheck(&mut writer, &mut SilentFeed, |_| ()).unwrap();
    assert_eq!((outcome, fixture.connection.total_changes()), (RecheckOutcome::Reported, written));
}

#[test]
fn commit_during_a_recheck_is_not_undone_by_the_snapshot() {
    let fixture = RecheckFixture::new();
    let mut writer = Writer::new(&fixture.connection, None, healthy()).unwrap();
    let mut feed = UserNames::default();
    let outcome = fixture.recheck(&mut writer, &mut feed, make_user).unwrap();
    assert_eq!((outcome, feed.0), (RecheckOutcome::Reported, vec![vec![String::from("Ann")]]));
}

#[test]
fn operator_action_is_reported_once_and_removed_later() {
    let fixture = RecheckFixture::new();
    let mut writer = Writer::new(&fixture.connection, None, healthy()).unwrap();
    let insert = "INSERT INTO operator_acts (kind, detail, at_unix_ms) VALUES ('keys', 'x', 1)";
    fixture.second_connection().execute_batch(insert).unwrap();
    #[derive(Default)]
    struct ActionCounter(usize);
    impl CommitFeed for ActionCounter {
        fn committed(&mut self, changes: &[Change]) {
            self.0 += changes.iter().filter(|c| matches!(c, Change::Operator(_))).count();
        }
    }
    let mut actions = ActionCounter::default();
    let count = |writer: &Writer<'_>| -> i64 {
        let statement = "SELECT count(*) FROM operator_acts";
        writer.state.connection.query_row(statement, [], |row| row.get(0)).unwrap()
    };
    fixture.recheck(&mut writer, &mut actions, |_| ()).unwrap();
    assert_eq!((actions.0, count(&writer)), (1, 1));
    // The removal fails once; no action is reported again.
    writer.planned.before_commit = true;
    commit(&mut writer, &mut Vec::new(), &mut SilentFeed);
    fixture.second_connection().execute_batch("UPDATE marks SET mids_merged = 0").unwrap();
    fixture.recheck(&mut writer, &mut actions, |_| ()).unwrap();
    commit(&mut writer, &mut Vec::new(), &mut SilentFeed);
    assert_eq!((actions.0, count(&writer)), (1, 0));
    // The next action has the number of the first one.
    fixture.second_connection().execute_batch(insert).unwrap();
    fixture.recheck(&mut writer, &mut actions, |_| ()).unwrap();
    assert_eq!(actions.0, 2);
}

#[test]
fn later_changes_replace_the_snapshot() {
    let fixture = RecheckFixture::new();
    let mut writer = Writer::new(&fixture.connection, None, healthy()).unwrap();
    make_user(&mut writer);
    let mut read = read_access_snapshot(&fixture.connection).unwrap();
    let banned = UserRow { banned_until_unix_ms: 9, ..read.users[0].clone() };
    apply_own_changes(&mut read, vec![Change::User(banned.clone())]);
    assert_eq!(read.users, [banned]);
}

#[test]
fn later_changes_of_blocks_replace_the_snapshot() {
    let block = |prefix: &str, until_unix_ms| BlockRow {
        prefix: String::from(prefix),
        scope: portcullis_model::BlockScope::All,
        reason: String::from("a flood"),
        by: String::from("root"),
        created_unix_ms: 0,
        until_unix_ms,
    };
    let blocks = vec![block("192.0.2.1/32", 5), block("192.0.2.2/32", 5), block("192.0.2.3/32", 5)];
    let mut read = AccessSnapshot { blocks, ..AccessSnapshot::default() };
    let longer = block("192.0.2.3/32", 9);
    let own = vec![
        Change::Unblocked { prefix: String::from("192.0.2.1/32") },
        Change::BlockEnded(block("192.0.2.2/32", 5)),
        Change::Blocked(longer.clone()),
    ];
    apply_own_changes(&mut read, own);
    assert_eq!(read.blocks, [longer]);
}
