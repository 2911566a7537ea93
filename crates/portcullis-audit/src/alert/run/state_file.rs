//! The state file: read at the start, written by a thread of its own.
//! Never: more than one write a second, or half a file.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The largest file that is read.
const BYTES_MAX: u64 = 16 * 1024 * 1024;
/// At most one write in this time.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// The state to write; the newest one replaces a state that was not written yet.
#[derive(Debug, Default)]
struct Slot {
    state: Option<String>,
    is_writing: bool,
    is_closed: bool,
}

/// The file and the thread that writes it.
#[derive(Debug, Clone)]
pub(crate) struct StateFile {
    slot: Arc<(Mutex<Slot>, Condvar)>,
}

impl StateFile {
    /// Starts the thread.
    pub(crate) fn start(path: PathBuf) -> io::Result<Self> {
        let slot: Arc<(Mutex<Slot>, Condvar)> = Arc::default();
        let of_thread = Arc::clone(&slot);
        let thread = std::thread::Builder::new().name(String::from("alert-state"));
        thread.spawn(move || run(&of_thread, &path))?;
        Ok(Self { slot })
    }

    /// Writes a state soon.
    pub(crate) fn save(&self, state: String) {
        lock(&self.slot.0).state = Some(state);
        self.slot.1.notify_all();
    }

    /// Writes what waits and ends the thread; waits for it for a limited time.
    pub(crate) fn close(&self, timeout: Duration) {
        let mut slot = lock(&self.slot.0);
        slot.is_closed = true;
        self.slot.1.notify_all();
        let waits = |slot: &mut Slot| slot.state.is_some() || slot.is_writing;
        let waited = self.slot.1.wait_timeout_while(slot, timeout, waits);
        let (_slot, result) = waited.unwrap_or_else(PoisonError::into_inner);
        if result.timed_out() {
            tracing::error!("the state of alerts is not written: the disk hangs");
        }
    }
}

fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run((slot, wake): &(Mutex<Slot>, Condvar), path: &Path) {
    loop {
        let waits = |slot: &mut Slot| slot.state.is_none() && !slot.is_closed;
        let waited = wake.wait_while(lock(slot), waits);
        let mut found = waited.unwrap_or_else(PoisonError::into_inner);
        let Some(state) = found.state.take() else { return };
        found.is_writing = true;
        drop(found);
        if let Err(error) = write(path, &state) {
            tracing::error!(%error, path = %path.display(), "the state of alerts is not written");
        }
        let mut found = lock(slot);
        found.is_writing = false;
        wake.notify_all();
        let open = |slot: &mut Slot| !slot.is_closed;
        drop(wake.wait_timeout_while(found, WRITE_EVERY, open));
    }
}

/// Writes the file beside, syncs it and renames it: a reader sees the old state or the new one.
fn write(path: &Path, state: &str) -> io::Result<()> {
    let beside = beside(path, "new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&beside)?;
    file.write_all(state.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// Reads the file; `None` when there is none.
pub(crate) fn read(path: &Path) -> io::Result<Option<String>> {
    let length = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if length > BYTES_MAX {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    fs::read_to_string(path).map(Some)
}

/// Renames a file that cannot be used, in the place of one that was set aside earlier.
pub(crate) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = beside(path, "broken");
    fs::rename(path, &aside)?;
    Ok(aside)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}
