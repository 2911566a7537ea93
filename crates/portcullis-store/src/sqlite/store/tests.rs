//! Tests of the embedded store: its queues, its files, its threads.
//! Never: a state between two commits.

use std::sync::mpsc::{Receiver, sync_channel};

use super::*;
use crate::accounts::AccountStore;
use crate::health::monitor::Health;
use crate::messages::MessageStore;
use crate::rooms::RoomStore;
use crate::rows::messages::AppendOutcome;
use crate::sqlite::fixture::{SilentFeed, ann, lobby, message};

/// Signals that a commit has arrived, then waits until it can continue.
struct Gate {
    reached: SyncSender<()>,
    pass: Receiver<()>,
}

impl CommitFeed for Gate {
    fn committed(&mut self, _changes: &[Change]) {
        let _ = self.reached.send(());
        let _ = self.pass.recv();
    }
}

async fn furnish(store: &SqliteStore) {
    store.create_user(ann()).await.unwrap();
    store.create_room(lobby()).await.unwrap();
}

#[tokio::test]
async fn full_queue_rejects_at_once_and_completes_accepted_changes() {
    let directory = tempfile::tempdir().unwrap();
    let (reached, at_gate) = sync_channel(8);
    let (open_gate, pass) = sync_channel(8);
    let options = SqliteOptions { queue_max: 2, ..SqliteOptions::default() };
    let feed = Box::new(Gate { reached, pass });
    let store = SqliteStore::open(&directory.path().join("q.db"), options, feed).unwrap();
    let user = store.create_user(ann());
    at_gate.recv().unwrap(); // the writer is busy, its queue empty
    let room = store.create_room(lobby());
    let first = store.append(message(1, 0));
    let rejected = store.append(message(2, 0));
    assert!(matches!(rejected.await, Err(StoreError::Busy)));
    drop(open_gate);
    user.await.unwrap();
    room.await.unwrap();
    assert!(matches!(first.await, Ok(AppendOutcome::Stored { seq: 1, .. })));
    store.close().await.unwrap();
}

#[tokio::test]
async fn second_store_is_rejected_and_files_are_private() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("one.db");
    let open = || SqliteStore::open(&path, SqliteOptions::default(), Box::new(SilentFeed));
    let store = open().unwrap();
    assert!(matches!(open(), Err(StoreError::InUse(_))));
    furnish(&store).await;
    #[cfg(unix)]
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&entry.metadata().unwrap().permissions());
        assert_eq!(mode & 0o077, 0, "{:?}", entry.path());
    }
    store.close().await.unwrap();
    store.close().await.unwrap();
    assert!(open().is_ok());
    let nowhere = directory.path().join("missing").join("one.db");
    let missing = SqliteStore::open(&nowhere, SqliteOptions::default(), Box::new(SilentFeed));
    assert!(matches!(missing, Err(StoreError::File { .. })));
}

/// A killed process leaves the content of its files at that moment.
#[tokio::test]
async fn confirmed_change_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("live.db");
    let store = SqliteStore::open(&path, SqliteOptions::default(), Box::new(SilentFeed)).unwrap();
    furnish(&store).await;
    for number in 0..5 {
        store.append(message(number, 0)).await.unwrap();
    }
    for suffix in ["", "-wal"] {
        let from = directory.path().join(format!("live.db{suffix}"));
        std::fs::copy(from, directory.path().join(format!("found.db{suffix}"))).unwrap();
    }
    let found = directory.path().join("found.db");
    let again = SqliteStore::open(&found, SqliteOptions::default(), Box::new(SilentFeed)).unwrap();
    let stored = again.append(message(9, 0)).await.unwrap();
    assert!(matches!(stored, AppendOutcome::Stored { seq: 6, .. }), "{stored:?}");
    let repeated = again.append(message(4, 0)).await.unwrap();
    assert!(matches!(repeated, AppendOutcome::Repeated { seq: 5, .. }), "{repeated:?}");
}

#[tokio::test]
async fn reader_that_panics_is_reported_and_its_callers_get_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fault.db");
    let store = SqliteStore::open(&path, SqliteOptions::default(), Box::new(SilentFeed)).unwrap();
    assert!(store.health().readers_run);
    for _ in 0..2 {
        let looked = store.look_up(|_| -> Result<(), StoreError> { panic!("planned") }).await;
        assert!(matches!(looked, Err(StoreError::ReaderEnded)), "{looked:?}");
        assert!(!store.health().readers_run);
    }
    assert!(store.health().writer_runs);
    store.close().await.unwrap();
    let closed = store.last_seq(lobby().id).await;
    assert!(matches!(closed, Err(StoreError::Closed)), "{closed:?}");
}

#[tokio::test]
async fn moved_database_rejects_changes_until_it_is_restored() {
    for suffix in ["", "-wal"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("here.db");
        let store =
            SqliteStore::open(&path, SqliteOptions::default(), Box::new(SilentFeed)).unwrap();
        furnish(&store).await;
        let (name, away) =
            (directory.path().join(format!("here.db{suffix}")), directory.path().join("away"));
        std::fs::rename(&name, &away).unwrap();
        let sent = store.append(message(1, 0)).await;
        assert!(matches!(sent, Err(StoreError::Unwritable(Health::Moved))), "{sent:?}");
        // Also changes that are always tried: they would be lost.
        let removed = store.leave_room(lobby().id, ann().id).await;
        assert!(matches!(removed, Err(StoreError::Unwritable(Health::Moved))), "{removed:?}");
        assert_eq!(store.health().health, Health::Moved);
        assert_eq!(store.last_seq(lobby().id).await.unwrap(), Some(0), "reads go on");
        std::fs::rename(&away, &name).unwrap();
        let sent = store.append(message(1, 0)).await;
        assert!(matches!(sent, Ok(AppendOutcome::Stored { seq: 1, .. })), "{suffix}: {sent:?}");
        store.close().await.unwrap();
    }
}
