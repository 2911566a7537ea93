//! Closed files of the log: their names, and which of them are removed.
//! Never: touches a file with another name.

use std::path::{Path, PathBuf};

use crate::record::encode::utc;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// How the log's files are called: `security.log` gives `security-<time>-<number>.log`.
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
    /// When it was closed, as its name says: `20261128T214500Z`.
    pub(crate) closed: String,
    /// The number of its first line.
    pub(crate) first: u64,
    pub(crate) bytes: u64,
    pub(crate) compressed: bool,
}

/// Why a file is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Age,
    Space,
}

impl Reason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Space => "space",
        }
    }
}

/// A time as it stands in a file's name.
pub(crate) fn compact(unix_ms: i64) -> String {
    let text = utc(unix_ms);
    let (whole, _) = text.split_once('.').unwrap_or((&text, ""));
    whole.chars().filter(|it| *it != '-' && *it != ':').chain(['Z']).collect()
}

impl Naming {
    pub(crate) fn of(log: &Path) -> Self {
        let text = |part: Option<&std::ffi::OsStr>| {
            part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default()
        };
        Self {
            folder: crate::files::reserve::folder_of(log),
            stem: text(log.file_stem()),
            extension: text(log.extension()),
        }
    }

    /// The name a file gets when it is closed.
    pub(crate) fn closed(&self, unix_ms: i64, first: u64) -> PathBuf {
        let mut name = format!("{}-{}-{first}", self.stem, compact(unix_ms));
        if !self.extension.is_empty() {
            name.push('.');
            name.push_str(&self.extension);
        }
        self.folder.join(name)
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
            // One that is gone meanwhile is not there.
            let Ok(facts) = entry.metadata() else { continue };
            if facts.is_file() {
                segment.bytes = facts.len();
                segments.push(segment);
            }
        }
        segments.sort_by(|one, other| (&one.closed, one.first).cmp(&(&other.closed, other.first)));
        Ok(segments)
    }

    fn parse(&self, name: &str) -> Option<Segment> {
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
        let first = first.parse().ok().filter(|_| is_time)?;
        let path = self.folder.join(name);
        Some(Segment { path, closed: String::from(closed), first, bytes: 0, compressed })
    }
}

/// Which closed files go, oldest first: those that are too old, and as many more as it takes.
pub(crate) fn removals(
    segments: &[Segment],
    now_unix_ms: i64,
    keep_days: u32,
    room_bytes: u64,
) -> Vec<(Segment, Reason)> {
    let oldest = compact(now_unix_ms.saturating_sub(i64::from(keep_days).saturating_mul(DAY_MS)));
    let mut bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
    let mut removals = Vec::new();
    for segment in segments {
        let reason = if segment.closed < oldest {
            Reason::Age
        } else if bytes > room_bytes {
            Reason::Space
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
    fn oldest_files_go_by_age_and_then_by_space() {
        let naming = Naming::of(Path::new("/data/security.log"));
        let now = 100 * DAY_MS;
        let segments: Vec<_> = [1, 9, 10, 50, 99]
            .into_iter()
            .map(|day| {
                let path = naming.closed(day * DAY_MS, 1);
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                Segment { bytes: 100, ..naming.parse(&name).unwrap() }
            })
            .collect();
        let gone = |keep_days, room| -> Vec<_> {
            removals(&segments, now, keep_days, room)
                .into_iter()
                .map(|(_, reason)| reason)
                .collect()
        };
        assert_eq!(gone(90, 500), [Reason::Age, Reason::Age]);
        assert_eq!(gone(90, 299), [Reason::Age, Reason::Age, Reason::Space]);
        assert_eq!(gone(365, 500), []);
        assert_eq!(gone(365, 0).len(), 5);
    }
}
