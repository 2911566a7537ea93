//! Copies the database for `portcullis backup`, and measures the age of the newest backup.
//! Never: a file outside of the data directory; the command copies further.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use portcullis_audit::parse_utc;
use portcullis_model::{Clock, Denial};
use portcullis_server::{Builder, Reply, random_id};
use portcullis_store::{CopyProgress, CopyState, Store, StoreError};
use rustix::fs::statvfs;
use serde::Deserialize;
use serde_json::json;

use crate::config::{Settings, StorageSettings};
use crate::start::files::output_files::{BACKUP_STAGING, LAST_BACKUP};

/// The file of the copy, in its directory.
pub(crate) const COPY_NAME: &str = "portcullis.db";
/// The reserve of the disk unless it is configured, and the share of a small disk that it is.
const RESERVE_BYTES: u64 = 256 * MIB;
const RESERVE_DIVISOR: u64 = 8;
const MIB: u64 = 1024 * 1024;

/// Time after the last request for the state of a copy until another one may replace it: its
/// command was killed.
const UNUSED_MS: u64 = 3_000;
/// Time after the last request until a copy is discarded: its command was killed, and the next
/// backup may be a day away.
const ABANDONED_MS: u64 = 60_000;
/// Time between two checks for such a copy.
const ABANDONED_CHECK_MS: u64 = 10_000;
/// How long a new copy waits for the one before.
const WAIT_MAX: Duration = Duration::from_secs(4);
/// Time between two checks of the copy before.
const AGAIN: Duration = Duration::from_millis(200);

/// An operation of a backup.
type BackupOperation = fn(&BackupDesk, &str) -> Result<Reply, Denial>;

/// The payload of an operation.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    /// The id of the copy, which `backup/start` returns.
    #[serde(default)]
    id: String,
}

/// The copy of the database that a command has requested.
struct BackupDesk {
    store: Arc<dyn Store>,
    storage: StorageSettings,
    clock: Arc<dyn Clock>,
    current: Mutex<Option<RequestedCopy>>,
}

/// A copy, in a directory of its own, so that no command touches that of another one.
struct RequestedCopy {
    id: String,
    progress: Arc<CopyProgress>,
    /// When its command requested the state for the last time.
    requested_ms: u64,
}

/// Installs the operations of backups on the private listener, and the metric.
///
/// Removes what a server that was killed has left of a copy.
pub(crate) fn install(
    builder: &mut Builder,
    settings: &Settings,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
) {
    let storage = settings.storage.clone();
    measure_age(builder, storage.data.join(LAST_BACKUP), Arc::clone(clock));
    let staging = storage.data.join(BACKUP_STAGING);
    if let Err(error) = remove_staging(&staging) {
        let staging = staging.display();
        tracing::warn!(%error, "{staging} of an earlier backup cannot be removed: delete it");
    }
    let store = Arc::clone(store);
    let clock = Arc::clone(clock);
    let desk = Arc::new(BackupDesk { store, storage, clock, current: Mutex::default() });
    let routes: [(&str, BackupOperation); 3] = [
        ("backup/start", |desk, _| desk.start()),
        ("backup/status", BackupDesk::status),
        ("backup/discard", BackupDesk::discard),
    ];
    for (path, operation) in routes {
        let desk = Arc::clone(&desk);
        builder.private_route(String::from(path), move |_services, body| {
            let desk = Arc::clone(&desk);
            async move {
                let id = copy_id(&body)?;
                let operated = tokio::task::spawn_blocking(move || operation(&desk, &id)).await;
                operated.unwrap_or(Err(Denial::Internal("backup")))
            }
        });
    }
    builder.every("backup", ABANDONED_CHECK_MS, move |_services| {
        let desk = Arc::clone(&desk);
        async move {
            let checked = tokio::task::spawn_blocking(move || desk.discard_abandoned()).await;
            if let Err(error) = checked {
                tracing::error!(%error, "the check for copies of killed backups ended");
            }
        }
    });
}

fn measure_age(builder: &mut Builder, note: PathBuf, clock: Arc<dyn Clock>) {
    let help = "Seconds since the newest backup; -1 when none is noted";
    builder.measure("backup_age_seconds", help, move || age_s(&note, clock.now().unix_ms));
}

/// The age of the newest backup in seconds; -1 without a valid note.
fn age_s(note: &Path, now_unix_ms: i64) -> i64 {
    let text = std::fs::read_to_string(note).unwrap_or_default();
    let at_unix_ms = text.lines().next().and_then(|line| parse_utc(line.trim()));
    at_unix_ms.map_or(-1, |at| now_unix_ms.saturating_sub(at).max(0) / 1_000)
}

/// Reads the id of a copy; empty if the payload has none.
fn copy_id(body: &Bytes) -> Result<String, Denial> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    let request: Result<Request, _> = serde_json::from_slice(body);
    request
        .map(|request| request.id)
        .map_err(|error| Denial::app("payload_invalid", error.to_string()))
}

impl BackupDesk {
    fn start(&self) -> Result<Reply, Denial> {
        let mut current = self.unused()?;
        self.check_space()?;
        let unusable = |error: std::io::Error| {
            let why = format!("cannot use {BACKUP_STAGING} in the data directory: {error}");
            Denial::app("backup_failed", why)
        };
        if let Some(former) = current.take() {
            former.progress.cancel();
        }
        self.clear_staging().map_err(unusable)?;
        let id = random_id::<8>()?;
        let folder = self.staging().join(&id);
        let created = DirBuilder::new().mode(0o700).recursive(true).create(&folder);
        created.map_err(unusable)?;
        let started = self.store.start_copy(&folder.join(COPY_NAME));
        let progress = started.map_err(|error| match error {
            StoreError::Busy => running(),
            error => failed(&error),
        })?;
        let reply = Reply::fields(&json!({ "id": id }));
        *current = Some(RequestedCopy { id, progress, requested_ms: self.now_ms() });
        Ok(reply)
    }

    /// Waits a moment until no command uses a copy.
    fn unused(&self) -> Result<MutexGuard<'_, Option<RequestedCopy>>, Denial> {
        let mut waited = Duration::ZERO;
        loop {
            let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            if current.as_ref().is_none_or(|copy| !self.is_used(copy)) {
                return Ok(current);
            }
            drop(current);
            if waited >= WAIT_MAX {
                return Err(running());
            }
            thread::sleep(AGAIN);
            waited += AGAIN;
        }
    }

    /// Whether a command waits for the copy, or is moving it.
    fn is_used(&self, copy: &RequestedCopy) -> bool {
        match copy.progress.state() {
            CopyState::Running | CopyState::Complete => {
                self.now_ms().saturating_sub(copy.requested_ms) < UNUSED_MS
            }
            CopyState::Failed(_) => false,
        }
    }

    fn status(&self, id: &str) -> Result<Reply, Denial> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let copy = current.as_mut().filter(|copy| copy.id == id).ok_or_else(missing)?;
        copy.requested_ms = self.now_ms();
        let (copied, total) = copy.progress.pages();
        let state = match copy.progress.state() {
            CopyState::Running => "running",
            CopyState::Complete => "complete",
            CopyState::Failed(error) => return Err(failed(&error)),
        };
        Ok(Reply::fields(&json!({ "state": state, "copied_pages": copied, "pages": total })))
    }

    /// Ends the copy, if it still runs, and removes it.
    fn discard(&self, id: &str) -> Result<Reply, Denial> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_none_or(|copy| copy.id != id) {
            return Err(missing());
        }
        self.remove(&mut current).map_err(|error| {
            let why = format!("cannot remove {BACKUP_STAGING} in the data directory: {error}");
            Denial::app("backup_failed", why)
        })?;
        Ok(Reply::ok())
    }

    /// Discards a copy whose command no longer requests its state.
    fn discard_abandoned(&self) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = self.now_ms();
        let is_abandoned =
            |copy: &RequestedCopy| now_ms.saturating_sub(copy.requested_ms) >= ABANDONED_MS;
        if !current.as_ref().is_some_and(is_abandoned) {
            return;
        }
        match self.remove(&mut current) {
            Ok(()) => tracing::info!("the copy of a backup that ended early is removed"),
            Err(error) => {
                let path = self.staging();
                let path = path.display();
                tracing::warn!(%error, %path, "cannot remove the copy of a backup: delete it");
            }
        }
    }

    /// Ends the copy, if it still runs, and removes its files.
    fn remove(&self, current: &mut Option<RequestedCopy>) -> std::io::Result<()> {
        if let Some(copy) = current.as_ref() {
            copy.progress.cancel();
        }
        // A copy that cannot be removed is tried again.
        self.clear_staging()?;
        *current = None;
        Ok(())
    }

    /// Removes the staging directory. The step of a cancelled copy can still create a file in it.
    fn clear_staging(&self) -> std::io::Result<()> {
        let mut waited = Duration::ZERO;
        loop {
            let removed = remove_staging(&self.staging());
            let is_used = |error: &std::io::Error| error.kind() == ErrorKind::DirectoryNotEmpty;
            if waited >= WAIT_MAX || !removed.as_ref().is_err_and(is_used) {
                return removed;
            }
            thread::sleep(AGAIN);
            waited += AGAIN;
        }
    }

    fn staging(&self) -> PathBuf {
        self.storage.data.join(BACKUP_STAGING)
    }

    fn now_ms(&self) -> u64 {
        self.clock.now().monotonic_ms
    }

    /// Rejects a copy that would use up the space of the server itself.
    fn check_space(&self) -> Result<(), Denial> {
        let Ok(disk) = statvfs(&self.storage.data) else { return Ok(()) };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let total = disk.f_blocks.saturating_mul(disk.f_frsize);
        let usual = RESERVE_BYTES.min(total / RESERVE_DIVISOR);
        let reserve = self.storage.min_free_bytes.unwrap_or(usual);
        let need = database_bytes(&self.storage.database).saturating_add(reserve);
        if free >= need {
            return Ok(());
        }
        let (free, need) = (free / MIB, need.div_ceil(MIB));
        let why = format!(
            "the disk of the data directory has {free} MiB free, and the copy and store.min_free \
             need {need} MiB: free space on it"
        );
        Err(Denial::app("backup_no_space", why))
    }
}

/// The size of the database with its log. The files are not opened: see `inspect` of the store.
fn database_bytes(database: &Path) -> u64 {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |facts| facts.len());
    size(database).saturating_add(size(Path::new(&log)))
}

fn running() -> Denial {
    let why = "another backup copies the database: wait until it has ended";
    Denial::app("backup_running", why)
}

fn missing() -> Denial {
    let why = "there is no copy with this id: it was discarded, or never started";
    Denial::app("backup_missing", why)
}

fn failed(error: &StoreError) -> Denial {
    Denial::app("backup_failed", format!("the copy of the database failed: {error}"))
}

/// Removes the directory of a copy; the data directory is private, so it is not of another user.
fn remove_staging(staging: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(staging) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use portcullis_model::Now;
    use portcullis_store::{Change, CommitFeed, SqliteOptions, SqliteStore};

    use super::*;

    struct SetClock(AtomicU64);

    impl Clock for SetClock {
        fn now(&self) -> Now {
            Now { monotonic_ms: self.0.load(Ordering::Relaxed), unix_ms: 0 }
        }
    }

    struct SilentFeed;

    impl CommitFeed for SilentFeed {
        fn committed(&mut self, _changes: &[Change]) {}
    }

    fn desk(data: &Path, clock: &Arc<SetClock>) -> BackupDesk {
        let database = data.join(COPY_NAME);
        let options = SqliteOptions::default();
        let store = SqliteStore::open(&database, options, Box::new(SilentFeed)).unwrap();
        let storage = StorageSettings {
            data: data.to_path_buf(),
            database,
            seal_messages: false,
            min_free_bytes: Some(0),
            doctor: Default::default(),
        };
        let clock: Arc<dyn Clock> = Arc::<SetClock>::clone(clock);
        BackupDesk { store: Arc::new(store), storage, clock, current: Mutex::default() }
    }

    #[test]
    fn copy_is_discarded_a_minute_after_its_command_was_killed() {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(SetClock(AtomicU64::new(1_000)));
        let desk = desk(directory.path(), &clock);
        desk.discard_abandoned();
        desk.start().unwrap();
        let id = desk.current.lock().unwrap().as_ref().unwrap().id.clone();
        let staging = directory.path().join(BACKUP_STAGING);
        // A command that requests the state keeps its copy, however long it takes.
        for now_ms in [30_000, 60_999, 120_000, 179_999] {
            clock.0.store(now_ms, Ordering::Relaxed);
            desk.discard_abandoned();
            assert!(staging.join(&id).exists(), "{now_ms}");
            desk.status(&id).unwrap();
        }
        clock.0.store(239_998, Ordering::Relaxed);
        desk.discard_abandoned();
        assert!(staging.join(&id).exists());
        clock.0.store(239_999, Ordering::Relaxed);
        desk.discard_abandoned();
        assert!(!staging.exists());
        assert!(desk.status(&id).is_err() && desk.discard(&id).is_err());
    }

    #[test]
    fn copy_of_a_killed_command_gives_way_to_the_next_backup() {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(SetClock(AtomicU64::new(1_000)));
        let desk = desk(directory.path(), &clock);
        for round in 0..50 {
            clock.0.store(1_000 + round * UNUSED_MS, Ordering::Relaxed);
            let former =
                desk.current.lock().unwrap().as_ref().map(|copy| Arc::clone(&copy.progress));
            desk.start().unwrap();
            assert!(former.is_none_or(|former| !matches!(former.state(), CopyState::Running)));
        }
        // Another user of the store copies.
        let id = desk.current.lock().unwrap().as_ref().unwrap().id.clone();
        desk.discard(&id).unwrap();
        let _copy = desk.store.start_copy(&directory.path().join("other")).unwrap();
        // That copy can have ended already.
        if let Err(error) = desk.start() {
            assert_eq!(error.as_app().unwrap().code(), "backup_running");
        }
    }

    #[test]
    fn age_of_a_backup_is_read_from_its_note() {
        let directory = tempfile::tempdir().unwrap();
        let note = directory.path().join(LAST_BACKUP);
        let now = parse_utc("2026-11-29T22:00:00Z").unwrap();
        assert_eq!(age_s(&note, now), -1);
        for (text, expect) in [
            ("2026-11-29T21:00:00Z\n", 3_600),
            ("2026-11-29T22:00:01Z\n", 0),
            ("yesterday", -1),
            ("", -1),
        ] {
            std::fs::write(&note, text).unwrap();
            assert_eq!(age_s(&note, now), expect, "{text:?}");
        }
    }
}
