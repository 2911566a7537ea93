//! Closed files of the log: their names, and which of them expire.
//! Never: selects a file with another name.

use std::path::{Path, PathBuf};

use crate::files::path::{file_name, folder_of, with_suffix};
use crate::read::line_text::SEQUENCE_MAX;
use crate::record::timestamp::utc;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// The names of closed files: `security.log` becomes `security-<time>-<number>.log`.
#[derive(Debug, Clone)]
pub(crate) struct Naming {
    pub(crate) folder: PathBuf,
    stem: String,
    extension: String,
}

/// One closed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    /// The time in its name, at which it was closed: `20261128T214500Z`.
    pub(crate) closed: String,
    /// The number of its first line.
    pub(crate) first: u64,
    pub(crate) bytes: u64,
    pub(crate) compressed: bool,
}

impl Segment {
    /// The name of the file.
    pub(crate) fn name(&self) -> String {
        file_name(&self.path)
    }
}

/// The reason to remove a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RemovalReason {
    Age,
    Space,
}

impl RemovalReason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Space => "space",
        }
    }
}

/// Formats a time for the name of a file: `20261128T214500Z`.
pub(crate) fn compact_utc(unix_ms: i64) -> String {
    let text = utc(unix_ms);
    let (whole, _) = text.split_once('.').unwrap_or((&text, ""));
    whole.chars().filter(|it| *it != '-' && *it != ':').chain(['Z']).collect()
}

/// Formats the time so many days before a time.
pub(crate) fn compact_days_before(unix_ms: i64, days: u32) -> String {
    compact_utc(unix_ms.saturating_sub(i64::from(days).saturating_mul(DAY_MS)))
}

impl Naming {
    pub(crate) fn of(log: &Path) -> Self {
        let text = |part: Option<&std::ffi::OsStr>| {
            part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default()
        };
        Self {
            folder: folder_of(log),
            stem: text(log.file_stem()),
            extension: text(log.extension()),
        }
    }

    /// The path that a file gets when it is closed.
    pub(crate) fn closed(&self, unix_ms: i64, first: u64) -> PathBuf {
        let mut name = format!("{}-{}-{first}", self.stem, compact_utc(unix_ms));
        if !self.extension.is_empty() {
            name.push('.');
            name.push_str(&self.extension);
        }
        self.folder.join(name)
    }

    /// The path of the open file.
    pub(crate) fn open(&self) -> PathBuf {
        let dot = if self.extension.is_empty() { "" } else { "." };
        self.folder.join(format!("{}{dot}{}", self.stem, self.extension))
    }

    /// The file that programs lock while they change closed files: `security.log.lock`.
    pub(crate) fn lock(&self) -> PathBuf {
        with_suffix(&self.open(), ".lock")
    }

    /// All closed files, oldest first.
    pub(crate) fn list(&self) -> std::io::Result<Vec<Segment>> {
        let mut segments = Vec::new();
        for entry in self.folder.read_dir()? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(mut segment) = name.to_str().and_then(|name| self.parse(name)) else {
                continue;
            };
            // Another program may have removed it meanwhile.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_file() {
                segment.bytes = metadata.len();
                segments.push(segment);
            }
        }
        segments.sort_by(|one, other| (&one.closed, one.first).cmp(&(&other.closed, other.first)));
        Ok(segments)
    }

    /// The closed file with this name; `None` if it is another one.
    pub(crate) fn parse(&self, name: &str) -> Option<Segment> {
        let (plain, compressed) = match name.strip_suffix(".gz") {
            Some(plain) => (plain, true),
            None => (name, false),
        };
        let stem = match self.extension.as_str() {
            "" => plain,
            extension => plain.strip_suffix(extension)?.strip_suffix('.')?,
        };
        let rest = stem.strip_prefix(&self.stem)?.strip_prefix('-')?;
        let (closed, first) = rest.split_once('-')?;
        let is_time = closed.len() == 16
            && closed.bytes().enumerate().all(|(at, byte)| match at {
                8 => byte == b'T',
                15 => byte == b'Z',
                _ => byte.is_ascii_digit(),
            });
        let first = first.parse().ok().filter(|first| is_time && *first <= SEQUENCE_MAX)?;
        let path = self.folder.join(name);
        Some(Segment { path, closed: String::from(closed), first, bytes: 0, compressed })
    }
}

/// The closed files to remove, oldest first: by age, then until the rest fits in `max_bytes`.
pub(crate) fn removals(
    segments: &[Segment],
    now_unix_ms: i64,
    keep_days: u32,
    max_bytes: u64,
) -> Vec<(Segment, RemovalReason)> {
    let oldest = compact_days_before(now_unix_ms, keep_days);
    let mut bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
    let mut removals = Vec::new();
    for segment in segments {
        let reason = if segment.closed < oldest {
            RemovalReason::Age
        } else if bytes > max_bytes {
            RemovalReason::Space
        } else {
            break;
        };
        bytes -= segment.bytes;
        removals.push((segment.clone(), reason));
    }
    removals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_file_is_named_by_its_time_and_first_number() {
        let naming = Naming::of(Path::new("/data/security.log"));
        let path = naming.closed(1_785_585_600_123, 184_467);
        assert_eq!(path, Path::new("/data/security-20260801T120000Z-184467.log"));
        for (name, expect) in [
            ("security-20260801T120000Z-184467.log", Some((184_467, false))),
            ("security-20260801T120000Z-184467.log.gz", Some((184_467, true))),
            ("security.log", None),
            ("security.log.1", None),
            ("security-old.log", None),
            ("security-20260801T120000Z-184467.log.gz.part", None),
            ("other-20260801T120000Z-1.log", None),
            ("security-2026080aT120000Z-1.log", None),
        ] {
            let read = naming.parse(name).map(|segment| (segment.first, segment.compressed));
            assert_eq!(read, expect, "{name}");
        }
    }

    // T-372
    #[test]
    fn oldest_files_are_removed_by_age_and_then_by_space() {
        let naming = Naming::of(Path::new("/data/security.log"));
        let now = 100 * DAY_MS;
        let segments: Vec<_> = [1, 9, 10, 50, 99]
            .into_iter()
            .map(|day| {
                let name = file_name(&naming.closed(day * DAY_MS, 1));
                Segment { bytes: 100, ..naming.parse(&name).unwrap() }
            })
            .collect();
        let removed = |keep_days, max_bytes| -> Vec<_> {
            removals(&segments, now, keep_days, max_bytes)
                .into_iter()
                .map(|(_, reason)| reason)
                .collect()
        };
        assert_eq!(removed(90, 500), [RemovalReason::Age, RemovalReason::Age]);
        assert_eq!(
            removed(90, 299),
            [RemovalReason::Age, RemovalReason::Age, RemovalReason::Space]
        );
        assert_eq!(removed(365, 500), []);
        assert_eq!(removed(365, 0).len(), 5);
    }
}
