//! Watches the disk for the writer: free space, and the results of writes.
//! Never: a write of its own, except of the reserve.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_model::Moment;

use crate::error::StoreError;
use crate::health::file_watch::FileWatch;
use crate::health::monitor::{Health, HealthMonitor, WriteFault};
use crate::health::reserve_file::ReserveFile;
use crate::health::status::HealthCell;

/// The interval between two samples of the free space, in milliseconds.
const SAMPLE_EVERY_MS: u64 = 1_000;

/// Reads the free space of the database's disk in bytes; `None` if the system does not report it.
pub(crate) type FreeSpace = Box<dyn FnMut() -> Option<u64> + Send>;

/// The disk of the database, as the writer sees it.
pub(crate) struct DiskWatch {
    pub(crate) monitor: HealthMonitor,
    cell: Arc<HealthCell>,
    free_space: FreeSpace,
    reserve: Option<ReserveFile>,
    files: Option<FileWatch>,
    started: Moment,
    sampled_ms: Option<u64>,
    /// How far a test has moved the clock forward.
    #[cfg(test)]
    pub(crate) ahead_ms: u64,
}

impl DiskWatch {
    /// Starts healthy.
    pub(crate) fn new(min_free_bytes: u64, free_space: FreeSpace, cell: Arc<HealthCell>) -> Self {
        let monitor = HealthMonitor::new(min_free_bytes);
        Self {
            monitor,
            cell,
            free_space,
            reserve: None,
            files: None,
            started: Moment::now(),
            sampled_ms: None,
            #[cfg(test)]
            ahead_ms: 0,
        }
    }

    /// Watches the disk of a database and its files, and takes the first sample.
    ///
    /// `reserve` is the space to keep free; `None` is the default.
    pub(crate) fn of_database(
        path: &Path,
        files: FileWatch,
        reserve: Option<u64>,
        cell: Arc<HealthCell>,
    ) -> Self {
        let reserve_bytes = reserve.unwrap_or_else(|| default_reserve(path));
        let mut disk = Self::new(reserve_bytes, free_space_of(path), cell);
        let mut name = path.as_os_str().to_owned();
        name.push(".reserve");
        disk.reserve = Some(ReserveFile::new(PathBuf::from(name), reserve_bytes));
        disk.files = Some(files);
        disk.check();
        disk
    }

    fn now_ms(&self) -> u64 {
        let elapsed = Moment::now().since(self.started);
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        #[cfg(test)]
        let elapsed_ms = elapsed_ms + self.ahead_ms;
        elapsed_ms
    }

    /// Samples the free space, at most once a second; returns the state before and after.
    pub(crate) fn check(&mut self) -> (Health, Health) {
        let now_ms = self.now_ms();
        let before = self.monitor.state();
        if self.sampled_ms.is_none_or(|sampled_ms| now_ms >= sampled_ms + SAMPLE_EVERY_MS) {
            self.sampled_ms = Some(now_ms);
            let free_bytes = (self.free_space)();
            self.monitor.record_space(free_bytes, now_ms);
            self.check_files();
            self.update_reserve();
            self.cell.publish(self.monitor.state(), free_bytes);
        }
        (before, self.monitor.state())
    }

    /// Holds the reserve while the disk is healthy, and releases it when no other space is left.
    fn update_reserve(&mut self) {
        let Some(reserve) = &mut self.reserve else { return };
        match self.monitor.state() {
            Health::Ok => reserve.hold(),
            Health::Full if reserve.is_needed(self.monitor.free_bytes()) => reserve.release(),
            Health::Full | Health::Failing => reserve.allow_retry(),
            Health::Corrupt | Health::Moved => {}
        }
    }

    fn check_files(&mut self) {
        let Some(files) = &mut self.files else { return };
        let missing = files.missing();
        if self.monitor.state() != Health::Moved
            && let Some(path) = missing
        {
            let path = path.display();
            tracing::error!(%path, "a file of the database was moved or removed: restore it");
        }
        self.monitor.set_moved(missing.is_some());
    }

    /// Checks whether a file of the database was moved or removed: a write would be lost.
    pub(crate) fn has_moved(&mut self) -> bool {
        self.check_files();
        let state = self.monitor.state();
        self.cell.publish(state, self.monitor.free_bytes());
        state == Health::Moved
    }

    /// Records the result of a batch that wrote something.
    pub(crate) fn record_batch(&mut self, failure: Option<&StoreError>) {
        match failure.map(StoreError::write_fault) {
            None => self.monitor.record_write(),
            Some(Some(fault)) => {
                // A failed call without space means a full disk, so the space is sampled first.
                let (free_bytes, now_ms) = ((self.free_space)(), self.now_ms());
                self.monitor.record_space(free_bytes, now_ms);
                self.monitor.record_failure(fault);
                self.update_reserve();
                // The system may report space that this process cannot use, as with a quota.
                match (fault, &mut self.reserve) {
                    (WriteFault::Full | WriteFault::Failed, Some(reserve)) => reserve.release(),
                    (WriteFault::Damaged, _) | (_, None) => {}
                }
            }
            Some(None) => return,
        }
        self.cell.publish(self.monitor.state(), self.monitor.free_bytes());
    }

    /// Whether a write should be tried although the last one failed.
    pub(crate) fn is_retry_due(&self) -> bool {
        self.monitor.is_retry_due(self.now_ms())
    }
}

/// The default reserve, in bytes, and the share of a small disk that it is at most.
const RESERVE_BYTES: u64 = 256 * 1024 * 1024;
const RESERVE_DIVISOR: u64 = 8;

/// The default for the space to keep free: 256 MiB, or an eighth of a disk below 2 GiB.
fn default_reserve(path: &Path) -> u64 {
    let size = rustix::fs::statvfs(folder(path)).ok();
    let size_bytes = size.map(|fs| fs.f_blocks.saturating_mul(fs.f_frsize));
    size_bytes.map_or(RESERVE_BYTES, |size| (size / RESERVE_DIVISOR).min(RESERVE_BYTES))
}

/// Reads the space that this process may use on the disk of a file.
fn free_space_of(path: &Path) -> FreeSpace {
    let folder = folder(path).to_path_buf();
    Box::new(move || {
        let fs = rustix::fs::statvfs(&folder).ok()?;
        Some(fs.f_bavail.saturating_mul(fs.f_frsize))
    })
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
