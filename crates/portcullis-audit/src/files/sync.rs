//! The thread that waits for the disk: syncs files, compresses and removes closed ones.
//! Never: makes the writer wait.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_model::{Code, Now, Severity};

use crate::files::compress::compress;
use crate::files::disk::Disk;
use crate::files::segment::{Naming, Reason, Segment, removals};
use crate::queue::Queue;
use crate::record::fields::{Outcome, Record};
use crate::record::group::Lane;

/// Between two syncs: ten a second at most.
const PAUSE: Duration = Duration::from_millis(100);
/// Files that wait to be synced for the last time; the system syncs those beyond.
const CLOSED_MAX: usize = 8;
/// A file is compressed when its size and so much more is free.
const FREE_BYTES: u64 = 16 * 1024 * 1024;

/// What is kept of closed files.
#[derive(Debug)]
pub(crate) struct Keeping {
    pub(crate) naming: Naming,
    pub(crate) days: u32,
    /// Bytes of all closed files.
    pub(crate) room_bytes: u64,
    pub(crate) compress: bool,
}

/// The thread, as the writer sees it.
#[derive(Debug, Clone)]
pub(crate) struct Syncer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    work: Mutex<Work>,
    wake: Condvar,
    changed: Condvar,
    stop: AtomicBool,
    loaded: AtomicBool,
    queue: Arc<Queue>,
    disk: Arc<dyn Disk>,
    keeping: Keeping,
}

#[derive(Debug, Default)]
struct Work {
    file: Option<Arc<File>>,
    closed: Vec<Arc<File>>,
    tidy: Option<Now>,
    /// When the sync that is under way began.
    since_ms: Option<u64>,
    failed: bool,
    ended: bool,
}

impl Syncer {
    pub(crate) fn start(
        queue: Arc<Queue>,
        disk: Arc<dyn Disk>,
        keeping: Keeping,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            work: Mutex::default(),
            wake: Condvar::new(),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
            loaded: AtomicBool::new(false),
            queue,
            disk,
            keeping,
        });
        let thread = Arc::clone(&shared);
        std::thread::Builder::new().name(String::from("audit-sync")).spawn(move || thread.run())?;
        Ok(Self { shared })
    }

    /// Asks for a sync of the file that is written to.
    pub(crate) fn sync(&self, file: Arc<File>) {
        self.shared.lock().file = Some(file);
        self.shared.wake.notify_all();
    }

    /// Asks for the last sync of a file that is closed.
    pub(crate) fn sync_closed(&self, file: Arc<File>) {
        let mut work = self.shared.lock();
        if work.closed.len() < CLOSED_MAX {
            work.closed.push(file);
        }
        drop(work);
        self.shared.wake.notify_all();
    }

    /// Requests to remove expired files and to compress the rest.
    pub(crate) fn tidy(&self, now: Now) {
        self.shared.lock().tidy = Some(now);
        self.shared.wake.notify_all();
    }

    /// While the server is overloaded nothing is compressed.
    pub(crate) fn set_loaded(&self, loaded: bool) {
        self.shared.loaded.store(loaded, Ordering::Relaxed);
    }

    /// For how long the sync under way lasts, in milliseconds.
    pub(crate) fn lasts_ms(&self, now: Now) -> u64 {
        let since_ms = self.shared.lock().since_ms;
        since_ms.map_or(0, |since_ms| now.monotonic_ms.saturating_sub(since_ms))
    }

    /// Whether a sync failed since the last call.
    pub(crate) fn take_failed(&self) -> bool {
        std::mem::take(&mut self.shared.lock().failed)
    }

    /// Waits until every sync asked for is done.
    #[cfg(test)]
    pub(crate) fn wait_synced(&self) {
        let works = |work: &mut Work| {
            work.file.is_some() || !work.closed.is_empty() || work.since_ms.is_some()
        };
        drop(self.shared.changed.wait_while(self.shared.lock(), works));
    }

    /// Ends the thread after its last sync.
    pub(crate) fn stop(&self) {
        let _work = self.shared.lock();
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.wake.notify_all();
    }

    /// Waits until the thread has ended, but not longer than `patience`; whether it has.
    pub(crate) fn wait_ended(&self, patience: Duration) -> bool {
        let runs = |work: &mut Work| !work.ended;
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), patience, runs);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Shared {
    fn run(&self) {
        loop {
            let (files, tidy) = self.take();
            if files.is_empty() && tidy.is_none() {
                break;
            }
            for file in files {
                let synced = self.disk.sync(&file);
                let mut work = self.lock();
                work.since_ms = None;
                self.changed.notify_all();
                if let Err(error) = synced {
                    // Pipes and devices cannot be synced.
                    let counts = error.kind() != std::io::ErrorKind::InvalidInput;
                    work.failed |= counts;
                    tracing::debug!(%error, "a sync of the security log failed");
                }
            }
            if let Some(now) = tidy {
                self.tidy(now);
            }
            let work = self.lock();
            let runs = |_: &mut Work| !self.stop.load(Ordering::Relaxed);
            drop(self.wake.wait_timeout_while(work, PAUSE, runs));
        }
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Waits for work; nothing when there is none and never will be.
    fn take(&self) -> (Vec<Arc<File>>, Option<Now>) {
        let mut work = self.lock();
        loop {
            let mut files = std::mem::take(&mut work.closed);
            files.extend(work.file.take());
            let tidy = work.tidy.take().filter(|_| !self.stop.load(Ordering::Relaxed));
            if !files.is_empty() {
                work.since_ms = Some(self.queue.now().monotonic_ms);
            }
            if !files.is_empty() || tidy.is_some() || self.stop.load(Ordering::Relaxed) {
                return (files, tidy);
            }
            work = self.wake.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn tidy(&self, now: Now) {
        let Keeping { naming, days, room_bytes, compress } = &self.keeping;
        let segments = match naming.list() {
            Ok(segments) => segments,
            Err(error) => {
                tracing::warn!(%error, "the folder of the security log cannot be read");
                return;
            }
        };
        let removals = removals(&segments, now.unix_ms, *days, *room_bytes);
        for (segment, reason) in &removals {
            match std::fs::remove_file(&segment.path) {
                Ok(()) => {
                    self.queue.push(removed(segment, *reason), Lane::Reserved, now);
                }
                Err(error) => {
                    let path = segment.path.display();
                    tracing::warn!(%error, %path, "an old security log cannot be removed");
                }
            }
        }
        let kept = segments.iter().skip(removals.len());
        for segment in kept.filter(|segment| *compress && !segment.compressed) {
            if !self.go_on() || !self.has_room(segment.bytes) {
                return;
            }
            if let Err(error) = self::compress(&segment.path, || self.go_on()) {
                let path = segment.path.display();
                tracing::warn!(%error, %path, "an old security log cannot be compressed");
            }
        }
    }

    fn go_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed) && !self.loaded.load(Ordering::Relaxed)
    }

    fn has_room(&self, bytes: u64) -> bool {
        let space = self.disk.space(&self.keeping.naming.folder);
        space.is_ok_and(|space| space.free >= bytes.saturating_add(FREE_BYTES))
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn removed(segment: &Segment, reason: Reason) -> Record {
    let name = segment.path.file_name().map(|name| name.to_string_lossy().into_owned());
    let mut record = Record::new(Code::LogRemoved);
    record.outcome = Outcome::Success;
    record.rule = "retention";
    record.reason = reason.name();
    if reason == Reason::Space {
        record.severity = Severity::Warning;
    }
    record.detail = Some(format!(
        "{}: {} bytes, from line {}, closed {}",
        name.unwrap_or_default(),
        segment.bytes,
        segment.first,
        segment.closed
    ));
    record
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::path::Path;

    use super::*;
    use crate::files::disk::SystemDisk;
    use crate::queue::LaneLimits;

    fn shared(folder: &Path, room_bytes: u64, compress: bool) -> Shared {
        let limits = LaneLimits { reserved: 99, user: 0, unauthenticated: 0 };
        let naming = Naming::of(&folder.join("security.log"));
        Shared {
            work: Mutex::default(),
            wake: Condvar::new(),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
            loaded: AtomicBool::new(false),
            queue: Arc::new(Queue::new(limits)),
            disk: Arc::new(SystemDisk),
            keeping: Keeping { naming, days: 90, room_bytes, compress },
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = folder.read_dir().unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Closed a hundred, twenty and ten days before the time it is.
    const CLOSED: [&str; 3] = [
        "security-20260423T120000Z-1.log",
        "security-20260712T120000Z-500.log",
        "security-20260722T120000Z-900.log",
    ];
    const NOW: Now = Now { monotonic_ms: 0, unix_ms: 1_785_585_600_000 };

    // T-372
    #[test]
    fn t372_old_files_go_by_age_and_space_and_leave_a_record() {
        let folder = tempfile::tempdir().unwrap();
        for name in CLOSED {
            std::fs::write(folder.path().join(name), vec![b'x'; 1_000]).unwrap();
        }
        std::fs::write(folder.path().join("security.log"), "x").unwrap();
        std::fs::write(folder.path().join("security-notes.log"), vec![b'x'; 9_000]).unwrap();
        let shared = shared(folder.path(), 1_500, false);
        shared.tidy(NOW);
        assert_eq!(names(folder.path()), [CLOSED[2], "security-notes.log", "security.log"]);
        let entries = shared.queue.wait().entries;
        let told: Vec<_> = entries
            .iter()
            .map(|entry| (entry.record.code, entry.record.reason, entry.record.severity))
            .collect();
        assert_eq!(
            told,
            [
                (Code::LogRemoved, "age", Severity::Info),
                (Code::LogRemoved, "space", Severity::Warning)
            ]
        );
        let detail = entries[1].record.detail.as_deref().unwrap();
        assert!(detail.starts_with("security-20260712T120000Z-500.log: 1000 bytes, from line 500"));
    }

    #[test]
    fn closed_files_are_compressed_while_the_load_is_normal() {
        let folder = tempfile::tempdir().unwrap();
        let text = "{\"event\":{\"sequence\":1}}\n".repeat(20_000);
        std::fs::write(folder.path().join(CLOSED[2]), &text).unwrap();
        std::fs::write(folder.path().join("security.log"), "x").unwrap();
        let shared = shared(folder.path(), 1 << 30, true);
        shared.loaded.store(true, Ordering::Relaxed);
        shared.tidy(NOW);
        assert_eq!(names(folder.path()), [CLOSED[2], "security.log"]);
        shared.loaded.store(false, Ordering::Relaxed);
        shared.tidy(NOW);
        let compressed = format!("{}.gz", CLOSED[2]);
        assert_eq!(names(folder.path()), [&*compressed, "security.log"]);
        let file = File::open(folder.path().join(compressed)).unwrap();
        let mut read = String::new();
        flate2::read::GzDecoder::new(file).read_to_string(&mut read).unwrap();
        assert_eq!(read, text);
    }

    #[test]
    fn interrupted_compression_leaves_the_plain_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CLOSED[0]);
        std::fs::write(&path, vec![b'x'; 1_000_000]).unwrap();
        let steps = std::cell::Cell::new(0);
        let go_on = || steps.replace(steps.get() + 1) < 2;
        assert!(!compress(&path, go_on).unwrap());
        assert_eq!(names(folder.path()), [CLOSED[0]]);
    }
}
