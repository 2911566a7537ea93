//! Whether the wall clock is trusted to say that files are old: not soon after it was set ahead.
//! Never: a file that is kept for good; after some hours the clock counts as right.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use portcullis_model::{FileFormat, FormatMatch, Now};

use crate::files::path::with_suffix;

/// The file is written so often while the clock is not trusted, and once an hour otherwise.
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
/// A clock that is ahead by more than this, against the monotonic clock, was set.
const STEP_MS: i64 = HOUR_MS;
/// A clock that is ahead by more than this at a start may be wrong, or the server was off.
const OFF_MS: i64 = 48 * HOUR_MS;
/// The time in which an operator can set a wrong clock right.
const HOLD_MS: u64 = 6 * HOUR_MS.unsigned_abs();
/// The first line of the file.
const FORMAT: FileFormat = FileFormat::new("portcullis-clock ", 1);
/// Digits of each number in the file, whose length never changes.
const DIGITS: usize = 20;
/// Longest file.
const FILE_MAX_BYTES: u64 = 256;

/// The file beside a log with the time at which the server ran last.
#[must_use]
pub fn clock_path(log: &Path) -> PathBuf {
    with_suffix(log, ".clock")
}

/// The wall clock, as the log has seen it, also before the last start.
#[derive(Debug)]
pub(crate) struct ClockTrust {
    /// The file with what is known over restarts: `security.log.clock`.
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The wall clock minus the monotonic clock, as long as it was not set ahead.
    difference_ms: Option<i64>,
    /// The running time for which the clock is not trusted yet.
    held_ms: u64,
    /// The monotonic time of the last call.
    called_ms: u64,
    /// The monotonic time from which the file is written again.
    store_from_ms: u64,
}

/// The content of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct StoredClock {
    /// The wall clock when the file was written.
    seen_unix_ms: i64,
    held_ms: u64,
}

impl ClockTrust {
    /// The clock of a log; its file is stored beside the open one.
    pub(crate) fn new(log: &Path) -> Self {
        Self { path: clock_path(log), state: Mutex::default() }
    }

    /// Whether files can be removed, and personal parts erased, for their age now.
    ///
    /// At the first start of all the only sign of a wrong clock is that files are overdue; later
    /// starts compare the clock with the stored time. Call it once a minute.
    pub(crate) fn is_trusted(&self, now: Now, is_overdue: bool) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let monotonic_ms = i64::try_from(now.monotonic_ms).unwrap_or(i64::MAX);
        let difference_ms = now.unix_ms.saturating_sub(monotonic_ms);
        let was_set = if let Some(before_ms) = state.difference_ms {
            let passed_ms = now.monotonic_ms.saturating_sub(state.called_ms);
            state.held_ms = state.held_ms.saturating_sub(passed_ms);
            difference_ms.saturating_sub(before_ms) > STEP_MS
        } else if let Some(stored) = read(&self.path) {
            state.held_ms = stored.held_ms.min(HOLD_MS);
            now.unix_ms.saturating_sub(stored.seen_unix_ms) > OFF_MS
        } else {
            is_overdue
        };
        state.called_ms = now.monotonic_ms;
        // Small steps add up; a clock that was set back is measured from there.
        let is_new =
            was_set || state.difference_ms.is_none_or(|before_ms| difference_ms < before_ms);
        if is_new {
            state.difference_ms = Some(difference_ms);
        }
        if was_set {
            state.held_ms = HOLD_MS;
            tracing::warn!(
                "the clock may be wrong, or the server was off for days, as between an old backup \
                 and its restore: old files and personal parts of the security log are kept for \
                 six hours more"
            );
        }
        if is_new || now.monotonic_ms >= state.store_from_ms {
            let every_ms = if state.held_ms > 0 { MINUTE_MS } else { HOUR_MS.unsigned_abs() };
            state.store_from_ms = now.monotonic_ms.saturating_add(every_ms);
            self.store(StoredClock { seen_unix_ms: now.unix_ms, held_ms: state.held_ms });
        }
        state.held_ms == 0
    }

    /// Writes the file. Without it, the next start holds as the first one does.
    fn store(&self, stored: StoredClock) {
        if let Err(error) = write(&self.path, stored) {
            let path = self.path.display();
            tracing::warn!(%error, %path, "the time of the security log cannot be stored");
        }
    }
}

/// Reads the file; `None` without one, or if it holds something else, which is replaced.
fn read(path: &Path) -> Option<StoredClock> {
    let mut text = String::new();
    let file = File::open(path).ok()?;
    let read = file.take(FILE_MAX_BYTES).read_to_string(&mut text).ok();
    let stored = read.and_then(|_| parse(&text));
    if stored.is_none() {
        let path = path.display();
        tracing::warn!(
            %path,
            "the time of the security log is of another version, or damaged: a new one replaces it"
        );
    }
    stored
}

fn parse(text: &str) -> Option<StoredClock> {
    let mut lines = text.lines();
    if FORMAT.compare(lines.next()?) != FormatMatch::Known {
        return None;
    }
    let seen_unix_ms = lines.next()?.strip_prefix("seen ")?.parse().ok()?;
    let held_ms = lines.next()?.strip_prefix("held ")?.parse().ok()?;
    Some(StoredClock { seen_unix_ms, held_ms })
}

/// Writes the file at once and in the same length, which succeeds on a full disk.
fn write(path: &Path, StoredClock { seen_unix_ms, held_ms }: StoredClock) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let text = format!("{FORMAT}\nseen {seen_unix_ms:0DIGITS$}\nheld {held_ms:0DIGITS$}\n");
    file.write_all_at(text.as_bytes(), 0)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const DAY_MS: i64 = 24 * HOUR_MS;

    fn at(minute: u64, ahead_ms: i64) -> Now {
        let monotonic_ms = minute * MINUTE_MS;
        let unix_ms = 1_785_585_600_000 + i64::try_from(monotonic_ms).unwrap() + ahead_ms;
        Now { monotonic_ms, unix_ms }
    }

    /// A start of the server with the log of a folder.
    fn start(folder: &TempDir) -> ClockTrust {
        ClockTrust::new(&folder.path().join("security.log"))
    }

    fn first_start() -> (ClockTrust, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (start(&folder), folder)
    }

    #[test]
    fn clock_that_was_set_ahead_is_trusted_after_six_hours() {
        for ahead_ms in [2 * HOUR_MS, 100 * DAY_MS] {
            let (clock, _folder) = first_start();
            assert!(clock.is_trusted(at(0, 0), false));
            assert!(clock.is_trusted(at(1, 4_000), false), "a small correction");
            assert!(!clock.is_trusted(at(2, ahead_ms), false));
            assert!(!clock.is_trusted(at(361, ahead_ms), false));
            assert!(clock.is_trusted(at(362, ahead_ms), false));
        }
    }

    #[test]
    fn small_steps_add_up_and_a_clock_set_back_is_measured_from_there() {
        let (clock, _folder) = first_start();
        let steps: Vec<_> = (0..10)
            .map(|step: i64| clock.is_trusted(at(step.unsigned_abs(), step * HOUR_MS / 2), false))
            .collect();
        assert_eq!(steps[..4], [true, true, true, false]);
        assert!(steps[4..].iter().all(|trusted| !trusted), "{steps:?}");
        let (clock, _folder) = first_start();
        assert!(clock.is_trusted(at(0, 0), false));
        assert!(clock.is_trusted(at(1, -DAY_MS), false), "files only seem younger");
        assert!(!clock.is_trusted(at(2, 0), false));
    }

    #[test]
    fn overdue_files_at_the_first_start_are_kept_for_six_hours_once() {
        let (clock, _folder) = first_start();
        assert!(!clock.is_trusted(at(0, 0), true));
        assert!(!clock.is_trusted(at(359, 0), true));
        assert!(clock.is_trusted(at(360, 0), true));
        assert!(clock.is_trusted(at(9_000, 0), true), "a server that runs removes them");
    }

    #[test]
    fn held_time_continues_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        // Starts of an hour each, on a clock that is right: files are overdue after a long stop.
        let trusted: Vec<bool> = (0..7)
            .map(|restart| {
                let (clock, hour_ms) = (start(&folder), restart * HOUR_MS);
                let is_trusted: Vec<bool> =
                    (0..=60).map(|minute| clock.is_trusted(at(minute, hour_ms), true)).collect();
                *is_trusted.last().unwrap()
            })
            .collect();
        assert_eq!(trusted, [false, false, false, false, false, true, true]);
    }

    #[test]
    fn start_on_a_clock_that_is_days_ahead_of_the_last_time_is_not_trusted() {
        for (ahead_ms, expect) in [
            (DAY_MS, true),
            (OFF_MS, true),
            (OFF_MS + 1, false),
            (45 * DAY_MS, false),
            (-DAY_MS, true),
        ] {
            let folder = tempfile::tempdir().unwrap();
            assert!(start(&folder).is_trusted(at(0, 0), false));
            let again = start(&folder);
            assert_eq!(again.is_trusted(at(0, ahead_ms), true), expect, "{ahead_ms}");
        }
        // The clock was set right before the next stop: it is compared with that time.
        let folder = tempfile::tempdir().unwrap();
        let clock = start(&folder);
        assert!(clock.is_trusted(at(0, 365 * DAY_MS), false));
        assert!(clock.is_trusted(at(1, 0), false));
        assert!(!start(&folder).is_trusted(at(0, 45 * DAY_MS), false));
    }

    #[test]
    fn file_in_another_format_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "x", "portcullis-clock 2\nseen 1\nheld 0\n", "portcullis-clock 1\nseen x"]
        {
            std::fs::write(folder.path().join("security.log.clock"), text).unwrap();
            assert!(!start(&folder).is_trusted(at(0, 0), true), "{text:?}");
        }
        let held = "portcullis-clock 1\nseen 1785585600000\nheld 18446744073709551615\n";
        std::fs::write(folder.path().join("security.log.clock"), held).unwrap();
        let clock = start(&folder);
        assert!(!clock.is_trusted(at(0, 0), false));
        assert!(clock.is_trusted(at(360, 0), false), "at most six hours");
    }
}
