//! Erases personal parts of closed files after a number of days, one file at a time.
//! Never: before the record of it is on the disk; without one it would look like a change by hand.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use portcullis_model::Now;

use crate::chain::erase::{Erasure, ErasureError, ErasureFile};
use crate::files::segment::{Naming, Segment, compact_days_before};
use crate::queue::Queue;
use crate::read::log_files::renamed_files;
use crate::record::group::RecordGroup;
use crate::record::log_events;

/// The time and the first number in the name of a closed file.
type SegmentKey = (String, u64);

/// The limit for personal parts, and how far the files are done.
#[derive(Debug)]
pub(crate) struct PersonalRetention {
    days: u32,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    /// The newest file that has no personal part any more.
    done: Option<SegmentKey>,
    /// The file whose erasure is recorded and follows the next time.
    recorded: Option<(SegmentKey, ErasureFile)>,
    /// The newest time of a file that another program renamed and that was named in the
    /// operational log.
    named: String,
}

impl PersonalRetention {
    pub(crate) fn new(days: u32) -> Self {
        Self { days, progress: Mutex::default() }
    }

    /// The age at which personal parts are erased, in days.
    pub(crate) fn days(&self) -> u32 {
        self.days
    }

    /// Whether a closed file has no personal part any more.
    #[cfg(test)]
    pub(crate) fn is_done(&self, name: &str) -> bool {
        let progress = self.progress.lock().unwrap();
        progress.done.as_ref().is_some_and(|(closed, _)| name.contains(closed.as_str()))
    }

    /// Records the erasure in one file, or erases in the file that was recorded the last time.
    ///
    /// The caller repeats it each minute, so the record is on the disk. After a restart each old
    /// file is read once more. `segments` are all closed files, oldest first; the caller has them
    /// locked.
    pub(crate) fn apply(&self, naming: &Naming, segments: &[Segment], queue: &Queue, now: Now) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = compact_days_before(now.unix_ms, self.days);
        name_renamed_files(&naming.open(), &limit, &mut progress.named);
        let key = |segment: &Segment| (segment.closed.clone(), segment.first);
        let next = segments.iter().find(|segment| {
            segment.closed < limit && progress.done.as_ref().is_none_or(|done| key(segment) > *done)
        });
        let Some(segment) = next else { return };
        let result = match progress.recorded.take() {
            Some(recorded) if queue.has_held() => {
                progress.recorded = Some(recorded);
                return;
            }
            Some((recorded, file)) if recorded == key(segment) => {
                // It may have been compressed since.
                let file = ErasureFile { path: segment.path.clone(), ..file };
                Erasure::erase_all(naming, &file).map(|()| None)
            }
            Some(_) | None => Erasure::find_all(naming, &segment.path),
        };
        match result {
            Ok(Some(file)) => {
                let lines = (file.first, file.last);
                let record = log_events::personal_parts_expired(&segment.name(), lines, file.count);
                queue.push(record, RecordGroup::Reserved, now);
                progress.recorded = Some((key(segment), file));
            }
            Ok(None) => progress.done = Some(key(segment)),
            Err(error) => report(segment, &error, &mut progress, key(segment)),
        }
    }
}

/// Names files that another program renamed and that are over the limit, once each day.
///
/// The server does not rewrite them: the other program may rename, compress or delete them at the
/// same time.
fn name_renamed_files(log: &Path, limit: &str, named: &mut String) {
    let day = |closed: &str| String::from(closed.split('T').next().unwrap_or_default());
    let renamed = renamed_files(log).unwrap_or_default();
    let old = renamed.iter().filter(|file| file.closed.as_str() < limit);
    let newest = old.clone().map(|file| day(&file.closed)).max().unwrap_or_default();
    if newest <= *named {
        return;
    }
    *named = newest;
    tracing::warn!(
        files = old.count(),
        "another program renamed files of the security log whose personal parts are older than \
         personal_days: let it delete them, or run portcullis audit erase --all"
    );
}

/// A damaged file does not keep the others from being done.
fn report(segment: &Segment, error: &ErasureError, progress: &mut Progress, key: SegmentKey) {
    let path = segment.path.display();
    tracing::error!(%error, %path, "old personal parts of the security log cannot be erased");
    progress.done = Some(key);
}
