//! Removes closed files by age and total size, and compresses the others.
//! Never: removes or compresses the open file.

use std::fs::File;

use portcullis_model::{Now, Severity};

use crate::clock_trust::ClockTrust;
use crate::files::compress::compress;
use crate::files::disk::Disk;
use crate::files::last_number::last_in_segment;
use crate::files::personal_retention::PersonalRetention;
use crate::files::segment::{Naming, RemovalReason, Segment, compact_days_before, removals};
use crate::files::segment_lock::SegmentLock;
use crate::options::AuditOptions;
use crate::queue::Queue;
use crate::read::line_reader::LineReader;
use crate::read::line_text::line_sequence;
use crate::record::fields::Record;
use crate::record::group::RecordGroup;
use crate::record::log_events;

/// A file is compressed only if its size and this many bytes are free.
const FREE_BYTES: u64 = 16 * 1024 * 1024;

/// A server that runs removes files within a day; older ones are overdue.
const OVERDUE_DAYS: u32 = 2;

/// The limits for keeping closed files.
#[derive(Debug)]
pub(crate) struct Retention {
    naming: Naming,
    days: u32,
    /// Maximum size of all closed files together, in bytes.
    max_bytes: u64,
    compress: bool,
    personal: PersonalRetention,
    clock: ClockTrust,
}

impl Retention {
    pub(crate) fn new(naming: Naming, options: &AuditOptions) -> Self {
        let clock = ClockTrust::new(&naming.open());
        Self {
            naming,
            days: options.keep_days,
            max_bytes: options.keep_total_bytes.saturating_sub(options.segment_bytes),
            compress: options.compress,
            personal: PersonalRetention::new(options.personal_days),
            clock,
        }
    }

    /// Removes expired files with a record each, then compresses while `may_compress` allows it.
    pub(crate) fn apply(
        &self,
        disk: &dyn Disk,
        queue: &Queue,
        now: Now,
        may_compress: impl Fn() -> bool,
    ) {
        let _lock = match SegmentLock::try_acquire(&self.naming) {
            Ok(Some(lock)) => lock,
            // An operator erases personal parts; the next time is soon enough.
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "the closed files of the security log cannot be locked");
                return;
            }
        };
        let segments = match self.naming.list() {
            Ok(segments) => segments,
            Err(error) => {
                tracing::warn!(%error, "the folder of the security log cannot be read");
                return;
            }
        };
        let is_trusted = self.is_clock_trusted(&segments, now);
        // Without a clock, no file is old; the limit of space holds.
        let unix_ms = if is_trusted { now.unix_ms } else { 0 };
        let removals = removals(&segments, unix_ms, self.days, self.max_bytes);
        for (at, (segment, reason)) in removals.iter().enumerate() {
            // Read before the file is removed.
            let last = last_in_segment(segment).ok().flatten().map_or_else(
                || LastLine::Unreadable(next_number(&self.naming, segments.get(at + 1))),
                LastLine::Read,
            );
            match std::fs::remove_file(&segment.path) {
                Ok(()) => {
                    let record = removal_record(segment, last, *reason);
                    queue.push(record, RecordGroup::Reserved, now);
                }
                Err(error) => {
                    let path = segment.path.display();
                    tracing::warn!(%error, %path, "an old security log cannot be removed");
                }
            }
        }
        let kept = segments.get(removals.len()..).unwrap_or_default();
        if is_trusted && may_compress() {
            self.personal.apply(&self.naming, kept, queue, now);
        }
        for segment in kept.iter().filter(|segment| self.compress && !segment.compressed) {
            if !may_compress() || !self.has_space(disk, segment.bytes) {
                return;
            }
            if let Err(error) = compress(&segment.path, &may_compress) {
                let path = segment.path.display();
                tracing::warn!(%error, %path, "an old security log cannot be compressed");
            }
        }
    }

    /// Whether the clock can say that files and personal parts are old.
    fn is_clock_trusted(&self, segments: &[Segment], now: Now) -> bool {
        // Personal parts can be erased earlier than files are removed.
        let days = self.days.min(self.personal.days());
        let overdue = compact_days_before(now.unix_ms, days.saturating_add(OVERDUE_DAYS));
        let is_overdue = segments.first().is_some_and(|oldest| oldest.closed < overdue);
        self.clock.is_trusted(now, is_overdue)
    }

    fn has_space(&self, disk: &dyn Disk, bytes: u64) -> bool {
        let space = disk.space(&self.naming.folder);
        space.is_ok_and(|space| space.free >= bytes.saturating_add(FREE_BYTES))
    }
}

/// The number of the last line of a removed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastLine {
    /// Read at the end of the file.
    Read(u64),
    /// The end of the file is damaged; the line before the next file, if there is one.
    Unreadable(Option<u64>),
}

/// The number before the first line of the next closed file, or of the open one.
fn next_number(naming: &Naming, next: Option<&Segment>) -> Option<u64> {
    let first = next.map_or_else(|| first_number(naming), |next| Some(next.first));
    first.and_then(|first| first.checked_sub(1))
}

/// The number of the first line in the open file.
fn first_number(naming: &Naming) -> Option<u64> {
    let mut lines = LineReader::plain(File::open(naming.open()).ok()?);
    line_sequence(lines.next_complete().ok()??.bytes)
}

/// The verification needs the numbers of the removed lines.
fn removal_record(segment: &Segment, last: LastLine, reason: RemovalReason) -> Record {
    let mut severity = match reason {
        RemovalReason::Age => Severity::Info,
        RemovalReason::Space => Severity::Warning,
    };
    let mut detail = format!(
        "{}: {} bytes, from line {}, closed {}",
        segment.name(),
        segment.bytes,
        segment.first,
        segment.closed
    );
    let last = match last {
        LastLine::Read(last) => Some(last),
        LastLine::Unreadable(last) => {
            severity = Severity::Warning;
            detail.push_str("; its end was damaged, so its last line is that before the next file");
            last
        }
    };
    let mut record = log_events::file_removed(reason.name(), severity, detail);
    if let Some(last) = last {
        record.labels.push(("first", segment.first.to_string()));
        record.labels.push(("last", last.to_string()));
    }
    record
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use portcullis_model::Code;

    use super::*;
    use crate::files::disk::SystemDisk;
    use crate::queue::QueueLimits;

    pub(crate) fn retention(folder: &Path, max_bytes: u64, compress: bool) -> Retention {
        let naming = Naming::of(&folder.join("security.log"));
        let personal = PersonalRetention::new(90);
        let clock = ClockTrust::new(&naming.open());
        assert!(clock.is_trusted(NOW, false));
        Retention { naming, days: 90, max_bytes, compress, personal, clock }
    }

    pub(crate) fn queue() -> Queue {
        Queue::new(QueueLimits { reserved: 99, user: 0, unauthenticated: 0 })
    }

    pub(crate) fn names(folder: &Path) -> Vec<String> {
        let entries = folder.read_dir().unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !["security.log.lock", "security.log.clock"].contains(&&**name));
        names.sort();
        names
    }

    /// Files that were closed a hundred, twenty and ten days before [`NOW`].
    pub(crate) const CLOSED: [&str; 3] = [
        "security-20260423T120000Z-1.log",
        "security-20260712T120000Z-500.log",
        "security-20260722T120000Z-900.log",
    ];
    pub(crate) const NOW: Now = Now { monotonic_ms: 0, unix_ms: 1_785_585_600_000 };

    // T-372
    #[test]
    fn t372_old_files_are_removed_by_age_and_space_with_a_record() {
        let folder = tempfile::tempdir().unwrap();
        for name in CLOSED {
            std::fs::write(folder.path().join(name), vec![b'x'; 1_000]).unwrap();
        }
        // Its last line does not have the number before the next file: numbers were left out.
        let line = format!("{{\"event\":{{\"sequence\":490}},\"x\":\"{}\"}}\n", "x".repeat(966));
        std::fs::write(folder.path().join(CLOSED[0]), &line).unwrap();
        std::fs::write(folder.path().join("security.log"), "x").unwrap();
        std::fs::write(folder.path().join("security-notes.log"), vec![b'x'; 9_000]).unwrap();
        let queue = queue();
        retention(folder.path(), 1_500, false).apply(&SystemDisk, &queue, NOW, || true);
        assert_eq!(names(folder.path()), [CLOSED[2], "security-notes.log", "security.log"]);
        let entries = queue.wait().entries;
        let reported: Vec<_> = entries
            .iter()
            .map(|entry| (entry.record.code, entry.record.reason, entry.record.severity))
            .collect();
        assert_eq!(
            reported,
            [
                (Code::LogRemoved, "age", Severity::Info),
                (Code::LogRemoved, "space", Severity::Warning)
            ]
        );
        let detail = entries[1].record.detail.as_deref().unwrap();
        assert!(detail.starts_with("security-20260712T120000Z-500.log: 1000 bytes, from line 500"));
        assert!(detail.contains("its end was damaged"), "{detail}");
        assert_eq!(labels(&entries[0].record), ["1", "490"]);
        assert_eq!(labels(&entries[1].record), ["500", "899"]);
    }

    #[test]
    fn clock_that_is_set_ahead_removes_no_file_for_its_age() {
        const HOUR_MS: u64 = 3_600_000;
        let folder = tempfile::tempdir().unwrap();
        for name in &CLOSED[1..] {
            std::fs::write(folder.path().join(name), vec![b'x'; 1_000]).unwrap();
        }
        std::fs::write(folder.path().join("security.log"), "x").unwrap();
        let year_ahead = |hours: u64| {
            let monotonic_ms = hours * HOUR_MS;
            let unix_ms = NOW.unix_ms + i64::try_from(monotonic_ms + 365 * 24 * HOUR_MS).unwrap();
            Now { monotonic_ms, unix_ms }
        };
        let (queue, all) = (queue(), [CLOSED[1], CLOSED[2], "security.log"]);
        let retention = retention(folder.path(), 1 << 30, false);
        for hours in [1, 6] {
            retention.apply(&SystemDisk, &queue, year_ahead(hours), || true);
            assert_eq!(names(folder.path()), all, "{hours}");
        }
        retention.apply(&SystemDisk, &queue, year_ahead(7), || true);
        assert_eq!(names(folder.path()), ["security.log"], "the clock was not set right");
    }

    #[test]
    fn clock_that_is_ahead_at_a_start_erases_no_personal_part() {
        const DAY_MS: i64 = 86_400_000;
        let folder = tempfile::tempdir().unwrap();
        let line = "{\"event\":{\"sequence\":900}}\n";
        std::fs::write(folder.path().join(CLOSED[2]), line).unwrap();
        std::fs::write(folder.path().join("security.log"), "x").unwrap();
        let options = AuditOptions { keep_days: 90, personal_days: 30, ..AuditOptions::default() };
        let start = || Retention::new(Naming::of(&folder.path().join("security.log")), &options);
        let ahead = |minute: u64, days: i64| {
            let monotonic_ms = minute * 60_000;
            let unix_ms = NOW.unix_ms + days * DAY_MS + i64::try_from(monotonic_ms).unwrap();
            Now { monotonic_ms, unix_ms }
        };
        let is_done = |retention: &Retention, now: Now| {
            retention.apply(&SystemDisk, &queue(), now, || true);
            retention.personal.is_done(CLOSED[2])
        };
        // The first start of all has only the files, a later one the stored time as well.
        assert!(!is_done(&start(), ahead(0, 45)), "first start");
        std::fs::remove_file(folder.path().join("security.log.clock")).unwrap();
        assert!(!is_done(&start(), ahead(0, 0)), "ten days old");
        let retention = start();
        assert!(!is_done(&retention, ahead(0, 45)), "45 days ahead");
        assert!(!is_done(&retention, ahead(359, 45)), "45 days ahead, held");
        assert!(is_done(&retention, ahead(360, 45)), "the clock was not set right");
    }

    fn labels(record: &Record) -> Vec<&str> {
        assert!(record.labels.iter().map(|(name, _)| *name).eq(["first", "last"]));
        record.labels.iter().map(|(_, text)| text.as_str()).collect()
    }

    // T-372
    #[test]
    fn t372_record_of_a_compressed_file_has_its_last_number() {
        for damaged in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(CLOSED[0]);
            let lines: String =
                (1..=20_000).map(|it| format!("{{\"event\":{{\"sequence\":{it}}}}}\n")).collect();
            std::fs::write(&path, lines).unwrap();
            assert!(compress(&path, || true).unwrap());
            let open = "{\"event\":{\"sequence\":30001}}\n";
            std::fs::write(folder.path().join("security.log"), open).unwrap();
            let path = crate::files::path::with_suffix(&path, ".gz");
            if damaged {
                let bytes = std::fs::read(&path).unwrap();
                std::fs::write(&path, &bytes[..bytes.len() - 20]).unwrap();
            }
            let queue = queue();
            retention(folder.path(), 0, false).apply(&SystemDisk, &queue, NOW, || true);
            let record = &queue.wait().entries[0].record;
            assert_eq!(labels(record), ["1", if damaged { "30000" } else { "20000" }]);
            let severity = if damaged { Severity::Warning } else { Severity::Info };
            assert_eq!(record.severity, severity);
        }
    }

    #[test]
    fn interrupted_compression_leaves_the_plain_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CLOSED[0]);
        std::fs::write(&path, vec![b'x'; 1_000_000]).unwrap();
        let steps = std::cell::Cell::new(0);
        let may_continue = || steps.replace(steps.get() + 1) < 2;
        assert!(!compress(&path, may_continue).unwrap());
        assert_eq!(names(folder.path()), [CLOSED[0]]);
    }
}
