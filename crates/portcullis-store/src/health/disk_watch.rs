//! Watches the disk for the writer: the space on it, and how writes went.
//! Never: a write of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_model::Moment;

use crate::error::StoreError;
use crate::health::file_watch::FileWatch;
use crate::health::monitor::{Health, HealthCell, HealthMonitor, WriteFault};
use crate::health::reserve_file::ReserveFile;

/// Between two looks at the space on the disk, in milliseconds.
const SPACE_EVERY_MS: u64 = 1_000;

/// The space left on the database's disk, in bytes; `None` where the system does not say.
pub(crate) type Space = Box<dyn FnMut() -> Option<u64> + Send>;

/// Whether the disk can be written to, as the writer sees it.
pub(crate) struct DiskWatch {
    pub(crate) monitor: HealthMonitor,
    cell: Arc<HealthCell>,
    space: Space,
    reserve: Option<ReserveFile>,
    files: Option<FileWatch>,
    started: Moment,
    looked_ms: Option<u64>,
    /// How far a test has put the clock forward.
    #[cfg(test)]
    pub(crate) ahead_ms: u64,
}

impl DiskWatch {
    /// Starts healthy.
    pub(crate) fn new(min_free_bytes: u64, space: Space, cell: Arc<HealthCell>) -> Self {
        let monitor = HealthMonitor::new(min_free_bytes);
        Self {
            monitor,
            cell,
            space,
            reserve: None,
            files: None,
            started: Moment::now(),
            looked_ms: None,
            #[cfg(test)]
            ahead_ms: 0,
        }
    }

    /// Watches the disk of a file, and has looked at it once.
    pub(crate) fn of_file(path: &Path, reserve: Option<u64>, cell: Arc<HealthCell>) -> Self {
        let reserve_bytes = reserve.unwrap_or_else(|| default_reserve(path));
        let mut disk = Self::new(reserve_bytes, space_of(path), cell);
        let mut name = path.as_os_str().to_owned();
        name.push(".reserve");
        disk.reserve = Some(ReserveFile::new(PathBuf::from(name), reserve_bytes));
        disk.files = Some(FileWatch::new(path));
        disk.look();
        disk
    }

    fn now_ms(&self) -> u64 {
        let elapsed = Moment::now().since(self.started);
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        #[cfg(test)]
        let elapsed_ms = elapsed_ms + self.ahead_ms;
        elapsed_ms
    }

    /// Looks at the space, at most once a second; gives the state before and after.
    pub(crate) fn look(&mut self) -> (Health, Health) {
        let now_ms = self.now_ms();
        let before = self.monitor.state();
        if self.looked_ms.is_none_or(|looked_ms| now_ms >= looked_ms + SPACE_EVERY_MS) {
            self.looked_ms = Some(now_ms);
            let free_bytes = (self.space)();
            self.monitor.space(free_bytes, now_ms);
            self.look_at_files();
            self.keep_reserve();
            self.cell.publish(self.monitor.state(), free_bytes);
        }
        (before, self.monitor.state())
    }

    /// Holds the reserve while the disk is well, and gives it up when nothing else is left.
    fn keep_reserve(&mut self) {
        let Some(reserve) = &mut self.reserve else { return };
        match self.monitor.state() {
            Health::Ok => reserve.hold(),
            Health::Full if reserve.is_needed(self.monitor.free_bytes()) => reserve.release(),
            Health::Full | Health::Failing => reserve.rest(),
            Health::Corrupt | Health::Moved => {}
        }
    }

    fn look_at_files(&mut self) {
        let Some(files) = &mut self.files else { return };
        let missing = files.missing();
        if self.monitor.state() != Health::Moved
            && let Some(path) = missing
        {
            let path = path.display();
            tracing::error!(%path, "a file of the database was moved or removed: put it back");
        }
        self.monitor.moved(missing.is_some());
    }

    /// Looks whether a file of the database was moved or removed: a write would be lost.
    pub(crate) fn has_moved(&mut self) -> bool {
        self.look_at_files();
        let state = self.monitor.state();
        self.cell.publish(state, self.monitor.free_bytes());
        state == Health::Moved
    }

    /// Takes in how a batch went that wrote something.
    pub(crate) fn batch(&mut self, failure: Option<&StoreError>) {
        match failure.map(StoreError::write_fault) {
            None => self.monitor.written(),
            Some(Some(fault)) => {
                // A failed call without space means a full disk, so the space is read first.
                let (free_bytes, now_ms) = ((self.space)(), self.now_ms());
                self.monitor.space(free_bytes, now_ms);
                self.monitor.failed(fault);
                self.keep_reserve();
                // The system may report space that this process cannot take, as with a quota.
                match (fault, &mut self.reserve) {
                    (WriteFault::Full | WriteFault::Failed, Some(reserve)) => reserve.release(),
                    (WriteFault::Damaged, _) | (_, None) => {}
                }
            }
            Some(None) => return,
        }
        self.cell.publish(self.monitor.state(), self.monitor.free_bytes());
    }

    /// Whether it is time to try a write although the last one failed.
    pub(crate) fn wants_trial(&self) -> bool {
        self.monitor.wants_trial(self.now_ms())
    }
}

/// The default reserve, in bytes, and the share of a small disk that it is at most.
const RESERVE_BYTES: u64 = 256 * 1024 * 1024;
const RESERVE_DIVISOR: u64 = 8;

/// The reserve that is kept free where the operator has not said: 256 MiB, or an eighth of a disk
/// that has less than 2 GiB.
fn default_reserve(path: &Path) -> u64 {
    let size = rustix::fs::statvfs(folder(path)).ok();
    let size_bytes = size.map(|fs| fs.f_blocks.saturating_mul(fs.f_frsize));
    size_bytes.map_or(RESERVE_BYTES, |size| (size / RESERVE_DIVISOR).min(RESERVE_BYTES))
}

/// Reads the space that this process may use on the disk of a file.
fn space_of(path: &Path) -> Space {
    let folder = folder(path).to_path_buf();
    Box::new(move || {
        let fs = rustix::fs::statvfs(&folder).ok()?;
        Some(fs.f_bavail.saturating_mul(fs.f_frsize))
    })
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
