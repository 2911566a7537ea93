//! The log as a whole: files on a disk with faults, read back line by line.
//! Never: a sleep; tests wait until the writer is idle.

mod basics; // numbers, restarts, modes
mod chain; // every line follows from the one before, whatever happens
mod full; // a full disk
mod outside; // files that another program renames, deletes or truncates
mod rotation; // closed files
mod slow; // a disk or a reader that hangs
mod small_disk; // a real file system of 8 MiB

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use portcullis_model::{Code, Now, UserId};
use serde_json::Value;

use crate::audit::Audit;
use crate::files::disk::{Disk, Space};
use crate::options::AuditOptions;
use crate::record::fields::{Outcome, Record};

/// A disk with faults: little free space, errors, writes and syncs that hang.
#[derive(Debug)]
pub(crate) struct FaultyDisk {
    room: AtomicI64,
    broken: AtomicBool,
    /// Whether the next write takes half of its bytes, and then breaks the disk.
    tears: AtomicBool,
    /// Whether files cannot be truncated.
    grows_only: AtomicBool,
    hangs: Mutex<HangState>,
    changed: Condvar,
}

#[derive(Debug, Default, Clone, Copy)]
struct HangState {
    writes: bool,
    syncs: bool,
    waiting: usize,
}

impl FaultyDisk {
    pub(crate) fn with_room(bytes: i64) -> Arc<Self> {
        let hangs = Mutex::default();
        Arc::new(Self {
            room: AtomicI64::new(bytes),
            broken: AtomicBool::new(false),
            tears: AtomicBool::new(false),
            grows_only: AtomicBool::new(false),
            hangs,
            changed: Condvar::new(),
        })
    }

    fn set_room(&self, bytes: i64) {
        self.room.store(bytes, Ordering::Relaxed);
    }

    fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::Relaxed);
    }

    /// The next write takes half of its bytes; then all writes fail.
    fn tear_next_write(&self) {
        self.tears.store(true, Ordering::Relaxed);
    }

    fn set_grows_only(&self, grows_only: bool) {
        self.grows_only.store(grows_only, Ordering::Relaxed);
    }

    fn set_hangs(&self, writes: bool, syncs: bool) {
        let mut hangs = self.hangs.lock().unwrap();
        (hangs.writes, hangs.syncs) = (writes, syncs);
        self.changed.notify_all();
    }

    /// Waits until a call hangs.
    fn wait_hanging(&self) {
        let is_running = |hangs: &mut HangState| hangs.waiting == 0;
        drop(self.changed.wait_while(self.hangs.lock().unwrap(), is_running).unwrap());
    }

    /// Waits while the operation hangs.
    fn wait_while_hanging(&self, hangs: impl Fn(&HangState) -> bool) {
        let mut state = self.hangs.lock().unwrap();
        if !hangs(&state) {
            return;
        }
        state.waiting += 1;
        self.changed.notify_all();
        state = self.changed.wait_while(state, |state| hangs(state)).unwrap();
        state.waiting -= 1;
    }

    fn take(&self, bytes: u64) -> io::Result<usize> {
        let room = self.room.load(Ordering::Relaxed).max(0);
        let taken = room.min(bytes as i64);
        if taken == 0 && bytes > 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room.fetch_sub(taken, Ordering::Relaxed);
        Ok(taken as usize)
    }
}

impl Disk for FaultyDisk {
    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        self.wait_while_hanging(|hangs| hangs.writes);
        if self.broken.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let mut taken = self.take(bytes.len() as u64)?;
        if self.tears.swap(false, Ordering::Relaxed) {
            self.set_broken(true);
            taken = taken.div_ceil(2);
        }
        file.write_all(&bytes[..taken])?;
        Ok(taken)
    }

    fn sync(&self, _file: &File) -> io::Result<()> {
        self.wait_while_hanging(|hangs| hangs.syncs);
        Ok(())
    }

    fn allocate(&self, file: &File, length: u64) -> io::Result<()> {
        let missing = length - file.metadata()?.len();
        if self.room.load(Ordering::Relaxed) < missing as i64 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.take(missing)?;
        file.set_len(length)
    }

    fn shrink(&self, file: &File, length: u64) -> io::Result<()> {
        if self.grows_only.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let released = file.metadata()?.len() - length;
        self.room.fetch_add(released as i64, Ordering::Relaxed);
        file.set_len(length)
    }

    fn space(&self, _folder: &Path) -> io::Result<Space> {
        let free = self.room.load(Ordering::Relaxed).max(0) as u64;
        Ok(Space { total: 1 << 30, free })
    }
}

/// A log in a temporary folder.
pub(crate) struct Log {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) disk: Arc<FaultyDisk>,
    pub(crate) audit: Audit,
}

/// Options with a small reserve and without compression.
pub(crate) fn options(folder: &Path) -> AuditOptions {
    AuditOptions {
        file: Some(folder.join("security.log")),
        compress: false,
        reserve_bytes: 1024 * 1024,
        ..AuditOptions::default()
    }
}

impl Log {
    pub(crate) fn open(change: impl FnOnce(&mut AuditOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = FaultyDisk::with_room(1 << 40);
        let mut options = options(folder.path());
        change(&mut options);
        let audit = Audit::open_on(options, None, Arc::<FaultyDisk>::clone(&disk)).unwrap();
        Self { folder, disk, audit }
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        all_lines(self.folder.path())
    }

    /// Closes the log, and returns every line of every file.
    pub(crate) fn close(self) -> Vec<Line> {
        self.audit.close();
        self.lines()
    }

    /// A tick after the disk and the writer have finished their work.
    pub(crate) fn tick(&self, now: Now) {
        if !self.disk.hangs.lock().unwrap().syncs {
            self.audit.wait_synced();
        }
        self.audit.tick(now);
        self.audit.wait_idle();
    }
}

/// The fields of a line that the tests read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) sequence: u64,
    pub(crate) code: String,
    pub(crate) reason: String,
    pub(crate) suppressed: u64,
}

/// The lines of all files of the log, sorted by number; each file must end with a whole line.
pub(crate) fn all_lines(folder: &Path) -> Vec<Line> {
    let mut lines = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("security")
            && ![".reserve", ".torn", ".lock", ".clock"].iter().any(|end| name.ends_with(end))
        {
            lines.extend(lines_of(&path));
        }
    }
    lines.sort_by_key(|line| line.sequence);
    lines
}

pub(crate) fn lines_of(path: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{} is torn", path.display());
    text.lines().map(line).collect()
}

pub(crate) fn line(text: &str) -> Line {
    let read: Value = serde_json::from_str(text).unwrap();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Line {
        sequence: read["event"]["sequence"].as_u64().unwrap_or(0),
        code: word(&read["event"]["code"]),
        reason: word(&read["event"]["reason"]),
        suppressed: word(&read["labels"]["suppressed"]).parse().unwrap_or(0),
    }
}

/// Fails unless the numbers start at 1, without a gap or a duplicate.
pub(crate) fn assert_unbroken(lines: &[Line]) {
    let numbers: Vec<_> = lines.iter().map(|line| line.sequence).collect();
    let expect: Vec<_> = (1..).take(lines.len()).collect();
    assert_eq!(numbers, expect);
}

pub(crate) fn count(lines: &[Line], code: Code) -> usize {
    lines.iter().filter(|line| line.code == code.name()).count()
}

/// The reasons of all lines of a code.
pub(crate) fn reasons(lines: &[Line], code: Code) -> Vec<&str> {
    lines.iter().filter(|line| line.code == code.name()).map(|line| &*line.reason).collect()
}

pub(crate) fn at(monotonic_ms: u64) -> Now {
    Now { monotonic_ms, unix_ms: 1_785_585_600_000 + monotonic_ms as i64 }
}

/// An operation of an administrator.
pub(crate) fn operation() -> Record {
    Record { outcome: Outcome::Success, ..Record::new(Code::AuthzAdmin) }
}

/// A rejected request of an unauthenticated client.
pub(crate) fn rejection(client: u32) -> Record {
    Record {
        outcome: Outcome::Failure,
        rule: "origin",
        client: Some(std::net::Ipv4Addr::from(client).into()),
        ..Record::new(Code::MaliciousCsrf)
    }
}

/// A routine event of a signed-in user.
pub(crate) fn event_of_user() -> Record {
    Record {
        outcome: Outcome::Success,
        user: UserId::parse("u1").ok(),
        ..Record::new(Code::WsConnected)
    }
}
