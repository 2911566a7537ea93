//! The thread that syncs the log's files, and applies the retention rules.
//! Never: makes the writer wait.

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_model::Now;

use crate::chain::files::{ChainFiles, ChainUpdate};
use crate::files::disk::Disk;
use crate::files::retention::Retention;
use crate::queue::Queue;

/// Pause between two syncs: at most ten per second.
const PAUSE: Duration = Duration::from_millis(100);
/// Closed files that can wait for their last sync; the system syncs further ones later.
const CLOSED_MAX: usize = 8;

/// A handle of the sync thread, for the writer.
#[derive(Debug, Clone)]
pub(crate) struct Syncer {
    shared: Arc<SyncThread>,
}

#[derive(Debug)]
struct SyncThread {
    work: Mutex<SyncWork>,
    wake: Condvar,
    changed: Condvar,
    stop: AtomicBool,
    overloaded: AtomicBool,
    queue: Arc<Queue>,
    disk: Arc<dyn Disk>,
    retention: Retention,
    chain: Option<ChainFiles>,
    /// The epoch of the state that was stored last, plus one.
    stored_epoch: AtomicU64,
}

#[derive(Debug, Default)]
struct SyncWork {
    file: Option<Arc<File>>,
    closed: Vec<Arc<File>>,
    retention: Option<Now>,
    /// The state of the chain that is to be stored.
    chain: Option<ChainUpdate>,
    chain_failed: bool,
    /// Whether the retention rules are being applied.
    applying: bool,
    /// Whether the state is being stored.
    storing: bool,
    /// Whether the thread has seen that it is stopped.
    stopping: bool,
    /// The start time of the current sync.
    since_ms: Option<u64>,
    failed: bool,
    ended: bool,
}

impl Syncer {
    /// Starts the thread.
    pub(crate) fn start(
        queue: Arc<Queue>,
        disk: Arc<dyn Disk>,
        retention: Retention,
        chain: Option<ChainFiles>,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(SyncThread::new(queue, disk, retention, chain));
        let thread = Arc::clone(&shared);
        std::thread::Builder::new().name(String::from("audit-sync")).spawn(move || thread.run())?;
        Ok(Self { shared })
    }

    /// Requests a sync of the open file.
    pub(crate) fn sync(&self, file: Arc<File>) {
        self.shared.lock().file = Some(file);
        self.shared.wake.notify_all();
    }

    /// Requests to store the state of the chain.
    pub(crate) fn store_chain(&self, update: ChainUpdate) {
        let mut work = self.shared.lock();
        work.chain = Some(update.after(work.chain.take()));
        drop(work);
        self.shared.wake.notify_all();
    }

    /// The state of the chain was stored at the start.
    pub(crate) fn set_stored_epoch(&self, epoch: u64) {
        self.shared.stored_epoch.store(epoch + 1, Ordering::Release);
    }

    /// Whether the state of the chain was stored in this epoch.
    pub(crate) fn has_stored_epoch(&self, epoch: u64) -> bool {
        self.shared.stored_epoch.load(Ordering::Acquire) > epoch
    }

    /// Requests the last sync of a closed file.
    pub(crate) fn sync_closed(&self, file: Arc<File>) {
        let mut work = self.shared.lock();
        if work.closed.len() < CLOSED_MAX {
            work.closed.push(file);
        }
        drop(work);
        self.shared.wake.notify_all();
    }

    /// Requests to remove expired files and to compress the others.
    pub(crate) fn apply_retention(&self, now: Now) {
        self.shared.lock().retention = Some(now);
        self.shared.wake.notify_all();
    }

    /// While the server is overloaded, no file is compressed.
    pub(crate) fn set_overloaded(&self, overloaded: bool) {
        self.shared.overloaded.store(overloaded, Ordering::Relaxed);
    }

    /// The duration of the current sync so far, in milliseconds.
    pub(crate) fn elapsed_ms(&self, now: Now) -> u64 {
        let since_ms = self.shared.lock().since_ms;
        since_ms.map_or(0, |since_ms| now.monotonic_ms.saturating_sub(since_ms))
    }

    /// Whether a sync failed since the last call.
    pub(crate) fn take_failed(&self) -> bool {
        std::mem::take(&mut self.shared.lock().failed)
    }

    /// Waits until every requested sync has finished.
    #[cfg(test)]
    pub(crate) fn wait_synced(&self) {
        let is_busy = |work: &mut SyncWork| {
            work.file.is_some()
                || !work.closed.is_empty()
                || work.since_ms.is_some()
                || work.storing
                || (work.chain.is_some() && !work.chain_failed)
        };
        drop(self.shared.changed.wait_while(self.shared.lock(), is_busy));
    }

    /// Waits until the retention rules were applied.
    #[cfg(test)]
    pub(crate) fn wait_retention(&self) {
        let is_busy = |work: &mut SyncWork| work.retention.is_some() || work.applying;
        drop(self.shared.changed.wait_while(self.shared.lock(), is_busy));
    }

    /// Ends the thread after its last sync.
    pub(crate) fn stop(&self) {
        let _work = self.shared.lock();
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.wake.notify_all();
    }

    /// Waits until the thread has ended; `false` after the timeout.
    pub(crate) fn wait_ended(&self, timeout: Duration) -> bool {
        let is_running = |work: &mut SyncWork| !work.ended;
        let work = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(work, timeout, is_running);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl SyncThread {
    fn new(
        queue: Arc<Queue>,
        disk: Arc<dyn Disk>,
        retention: Retention,
        chain: Option<ChainFiles>,
    ) -> Self {
        Self {
            work: Mutex::default(),
            wake: Condvar::new(),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
            overloaded: AtomicBool::new(false),
            queue,
            disk,
            retention,
            chain,
            stored_epoch: AtomicU64::new(0),
        }
    }

    fn run(&self) {
        loop {
            let (files, retention, chain) = self.wait();
            if files.is_empty() && retention.is_none() && chain.is_none() {
                break;
            }
            let mut is_synced = true;
            for file in files {
                is_synced &= self.sync(&file);
            }
            // After its lines: a note must not state lines that a power loss can take.
            if let Some(update) = chain {
                self.store(update, is_synced);
            }
            if let Some(now) = retention {
                self.apply_retention(now);
            }
            let is_running = |_: &mut SyncWork| !self.is_stopped();
            drop(self.wake.wait_timeout_while(self.lock(), PAUSE, is_running));
        }
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Waits for work; returns none when the thread is stopped.
    fn wait(&self) -> (Vec<Arc<File>>, Option<Now>, Option<ChainUpdate>) {
        let mut work = self.lock();
        loop {
            let mut files = std::mem::take(&mut work.closed);
            files.extend(work.file.take());
            let retention = work.retention.take().filter(|_| !self.is_stopped());
            work.applying = retention.is_some();
            if !files.is_empty() {
                work.since_ms = Some(self.queue.now().monotonic_ms);
            }
            // A state that could not be stored is tried again with the next work, and at the end.
            let is_last =
                self.is_stopped() && !std::mem::replace(&mut work.stopping, self.is_stopped());
            let may_store = !work.chain_failed || !files.is_empty() || is_last;
            let update = if may_store { work.chain.take() } else { None };
            work.storing = update.is_some();
            if !files.is_empty() || retention.is_some() || update.is_some() || self.is_stopped() {
                return (files, retention, update);
            }
            work = self.wake.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Stores the state of the chain, if the lines that it states are on the disk.
    fn store(&self, update: ChainUpdate, is_synced: bool) {
        let Some(files) = &self.chain else { return };
        // A sync that failed is reported by the writer.
        let stored = is_synced.then(|| files.write(&update));
        let mut work = self.lock();
        work.storing = false;
        let failed_before = std::mem::replace(&mut work.chain_failed, true);
        match stored {
            Some(Ok(())) => {
                work.chain_failed = false;
                self.stored_epoch.store(update.epoch + 1, Ordering::Release);
            }
            failure => {
                if let Some(Err(error)) = failure
                    && !failed_before
                {
                    let path = files.state_path().display();
                    tracing::error!(%error, %path, "the state of the log cannot be stored");
                }
                let newer = work.chain.take();
                work.chain = Some(match newer {
                    Some(newer) => newer.after(Some(update)),
                    None => update,
                });
            }
        }
        self.changed.notify_all();
    }

    /// Syncs a file; `false` when the disk did not confirm it.
    fn sync(&self, file: &File) -> bool {
        let synced = self.disk.sync(file);
        let mut work = self.lock();
        work.since_ms = None;
        self.changed.notify_all();
        let Err(error) = synced else { return true };
        // Pipes and devices cannot be synced.
        let is_fault = error.kind() != std::io::ErrorKind::InvalidInput;
        work.failed |= is_fault;
        tracing::debug!(%error, "a sync of the security log failed");
        !is_fault
    }

    fn apply_retention(&self, now: Now) {
        let may_compress = || !self.is_stopped() && !self.overloaded.load(Ordering::Relaxed);
        self.retention.apply(&*self.disk, &self.queue, now, may_compress);
        self.lock().applying = false;
        self.changed.notify_all();
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, SyncWork> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::files::disk::SystemDisk;
    use crate::files::retention::tests::{CLOSED, NOW, names, queue, retention};

    fn thread(retention: Retention) -> SyncThread {
        SyncThread::new(Arc::new(queue()), Arc::new(SystemDisk), retention, None)
    }

    #[test]
    fn closed_files_are_compressed_while_the_load_is_normal() {
        let folder = tempfile::tempdir().unwrap();
        let text = "{\"event\":{\"sequence\":1}}\n".repeat(20_000);
        std::fs::write(folder.path().join(CLOSED[2]), &text).unwrap();
        std::fs::write(folder.path().join("security.log"), "x").unwrap();
        let thread = thread(retention(folder.path(), 1 << 30, true));
        thread.overloaded.store(true, Ordering::Relaxed);
        thread.apply_retention(NOW);
        assert_eq!(names(folder.path()), [CLOSED[2], "security.log"]);
        thread.overloaded.store(false, Ordering::Relaxed);
        thread.apply_retention(NOW);
        let compressed = format!("{}.gz", CLOSED[2]);
        assert_eq!(names(folder.path()), [&*compressed, "security.log"]);
        let file = File::open(folder.path().join(compressed)).unwrap();
        let mut read = String::new();
        flate2::read::GzDecoder::new(file).read_to_string(&mut read).unwrap();
        assert_eq!(read, text);
    }
}
