//! A copy of the database in turns of a few pages, on the writer's own connection.
//! Never: more than a tenth of the writer's time, unless the database grows faster than that; a
//! snapshot that is held between two turns.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portcullis_model::Moment;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::error::StoreError;
use crate::health::monitor::Health;
use crate::sqlite::copy::progress::{CopyEnd, CopyProgress};
use crate::sqlite::copy::write_out::WriteOut;
use crate::sqlite::database::files::new_private_file;

/// The pages of one turn: 1 MiB.
const PAGES: i32 = 256;
const HALF: i32 = PAGES / 2;
const QUARTER: i32 = PAGES / 4;
/// The writer rests this many times as long as a turn took, while that is often enough.
const REST: u32 = 9;
/// The shortest rest, so that many short turns do not delay changes.
const REST_MIN: Duration = Duration::from_millis(1);
/// The longest rest, so that one slow turn does not stop the copy.
const REST_MAX: Duration = Duration::from_secs(2);
/// Most starts from the first page. Only commits of other programs cause one.
const RESTARTS_MAX: u32 = 100;

/// A request for a copy.
pub(crate) struct CopyJob {
    target: PathBuf,
    end: CopyEnd,
}

impl CopyJob {
    /// A copy into `target`, a file that does not exist, and its progress.
    pub(crate) fn new(target: &Path) -> (Self, Arc<CopyProgress>) {
        let progress: Arc<CopyProgress> = Arc::default();
        let end = CopyEnd(Arc::clone(&progress));
        (Self { target: target.to_path_buf(), end }, progress)
    }

    /// Runs `rounds` of the writer with the copy.
    ///
    /// A fault of the copy ends the copy alone; `None` if it cannot even start.
    pub(crate) fn run<R>(
        self,
        source: &Connection,
        rounds: impl FnOnce(&mut PagedCopy<'_>) -> R,
    ) -> Option<R> {
        let progress = Arc::clone(&self.end.0);
        let (file, mut target) = match open_target(&self.target) {
            Ok(opened) => opened,
            Err(error) => {
                progress.end(Err(error));
                return None;
            }
        };
        let backup = match Backup::new(source, &mut target) {
            Ok(backup) => backup,
            Err(error) => {
                progress.end(Err(error.into()));
                return None;
            }
        };
        let mut copy = PagedCopy {
            backup,
            write_out: WriteOut::start(file),
            progress: Arc::clone(&progress),
            due: Moment::now(),
            copied: 0,
            remaining: i32::MAX,
            rest_factor: REST,
            restarts: 0,
            result: None,
        };
        let end = rounds(&mut copy);
        let result = copy.result.take();
        drop(copy);
        drop(target);
        // Reported when the file is closed, so that another program can open it.
        if let Some(result) = result {
            progress.end(result);
        }
        Some(end)
    }
}

/// A copy that is under way.
///
/// The writer's own commits go into both files, so they never make the copy start again.
pub(crate) struct PagedCopy<'a> {
    backup: Backup<'a, 'a>,
    write_out: WriteOut,
    progress: Arc<CopyProgress>,
    due: Moment,
    copied: i32,
    remaining: i32,
    /// The length of the next rest, as a multiple of the turn before it.
    rest_factor: u32,
    restarts: u32,
    /// The result of a copy that has ended.
    result: Option<Result<(), StoreError>>,
}

impl PagedCopy<'_> {
    /// The time until the next turn; none for a cancelled copy, whose next turn is its end.
    pub(crate) fn rest(&self) -> Duration {
        if self.progress.is_cancelled() { Duration::ZERO } else { self.due.since(Moment::now()) }
    }

    /// Copies some pages if a turn is due; `true` when the copy has ended.
    pub(crate) fn turn(&mut self, health: Health) -> bool {
        let started = Moment::now();
        if started < self.due && !self.progress.is_cancelled() {
            return false;
        }
        let result = self.step(health);
        self.write_out.wake();
        let rest = Moment::now().since(started).saturating_mul(self.rest_factor);
        self.due = Moment::now().plus(rest.clamp(REST_MIN, REST_MAX));
        self.result = match result {
            Ok(false) => None,
            Ok(true) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        };
        self.result.is_some()
    }

    fn step(&mut self, health: Health) -> Result<bool, StoreError> {
        if self.progress.is_cancelled() {
            return Err(StoreError::Closed);
        }
        if health != Health::Ok {
            return Err(StoreError::Unwritable(health));
        }
        // Busy or locked: another program holds the database, and the next turn tries again.
        let result = self.backup.step(PAGES)?;
        let pages = self.backup.progress();
        let copied = pages.pagecount.saturating_sub(pages.remaining);
        if copied < self.copied {
            self.restarts += 1;
        }
        self.copied = copied;
        if result == StepResult::More {
            let fewer = self.remaining.saturating_sub(pages.remaining);
            self.rest_factor = rest_factor(self.rest_factor, fewer);
            self.remaining = pages.remaining;
        }
        self.progress.report(unsigned(copied), unsigned(pages.pagecount));
        if self.restarts > RESTARTS_MAX {
            return Err(StoreError::Busy);
        }
        Ok(result == StepResult::Done)
    }
}

/// The next factor of the rest: smaller while the database grows nearly as fast as it is copied.
/// `fewer` says by how many pages the rest of the copy is smaller than after the turn before.
fn rest_factor(former: u32, fewer: i32) -> u32 {
    match fewer {
        HALF.. => REST.min(former + 1),
        QUARTER..HALF => former,
        ..QUARTER => former / 2,
    }
}

fn unsigned(pages: i32) -> u64 {
    u64::try_from(pages).unwrap_or_default()
}

/// Creates the file of a copy. A crash makes it useless in any case, so nothing protects it.
///
/// The small cache passes pages on to the file soon, so that the end of the copy writes little.
pub(super) fn open_target(path: &Path) -> Result<(File, Connection), StoreError> {
    let file = new_private_file(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let target = Connection::open_with_flags(path, flags)?;
    target.execute_batch(
        "PRAGMA journal_mode = OFF;
         PRAGMA synchronous = OFF;
         PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA cache_size = -1024;",
    )?;
    Ok((file, target))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The turns until a copy ends, and its last factor; `None` if it does not end. The database
    /// grows by so many pages in the time of ten turns.
    fn turns(growth: i32) -> Option<(u32, u32)> {
        let (mut left, mut factor) = (50_000, REST);
        for turn in 1..10_000 {
            let before = left;
            left -= PAGES;
            if left <= 0 {
                return Some((turn, factor));
            }
            left += growth * i32::try_from(1 + factor).unwrap() / 10;
            factor = rest_factor(factor, before - left);
        }
        None
    }

    #[test]
    fn copy_ends_also_if_the_database_grows_nearly_as_fast() {
        assert_eq!(turns(0), Some((196, REST)));
        assert_eq!(turns(100), Some((320, REST)), "a slow growth shortens no rest");
        for growth in (110..2_200).step_by(10) {
            assert!(turns(growth).is_some_and(|(turns, _)| turns < 2_000), "{growth}");
        }
    }
}
