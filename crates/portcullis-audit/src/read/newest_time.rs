//! Finds the newest time in the last lines of a log.
//! Never: more of the open file read than these lines can have.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use crate::read::line_reader::LINE_MAX_BYTES;
use crate::read::line_text::line_time;
use crate::read::log_files::list_log_files;
use crate::record::timestamp::parse_utc;

/// So many of the last lines are read.
const LINES: usize = 64;

/// The newest time in the last 64 lines of a log, in milliseconds since 1970. The order of lines is
/// not that of their times.
///
/// # Errors
/// The system's error, or that of a compressed file that is damaged.
pub fn newest_time(log: &Path) -> io::Result<Option<i64>> {
    for file in list_log_files(log)?.iter().rev() {
        let Some(mut lines) = file.last_lines((LINES * LINE_MAX_BYTES) as u64)? else { continue };
        let mut last = LastTimes::default();
        // The first line can be the end of a longer one, which has no time.
        while let Some(line) = lines.next_complete()? {
            last.add(line_time(line.bytes).and_then(parse_utc));
        }
        if let Some(newest) = last.newest() {
            return Ok(Some(newest));
        }
    }
    Ok(None)
}

/// The times of the last lines.
#[derive(Debug, Default)]
struct LastTimes(VecDeque<i64>);

impl LastTimes {
    fn add(&mut self, unix_ms: Option<i64>) {
        let Some(unix_ms) = unix_ms else { return };
        if self.0.len() == LINES {
            self.0.pop_front();
        }
        self.0.push_back(unix_ms);
    }

    fn newest(&self) -> Option<i64> {
        self.0.iter().copied().max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::timestamp::utc;

    #[test]
    fn newest_time_is_that_of_the_last_lines_in_any_order() {
        let mut times = LastTimes::default();
        assert_eq!(times.newest(), None);
        for time in [Some(9), None, Some(7)] {
            times.add(time);
        }
        assert_eq!(times.newest(), Some(9), "written out of order");
        (1..=64).for_each(|time| times.add(Some(time)));
        assert_eq!(times.newest(), Some(64), "older lines do not count");
    }

    #[test]
    fn newest_time_of_a_long_log_is_read_from_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("security.log");
        assert_eq!(newest_time(&log).unwrap(), None);
        let line = |unix_ms: i64, length: usize| {
            format!("{{\"@timestamp\":\"{}\",\"text\":\"{:length$}\"}}\n", utc(unix_ms), "")
        };
        let (old, new) = (1_785_585_600_000, 1_785_672_000_000);
        // More than is read, and a time in it that does not count.
        let mut text = line(new + 1, LINE_MAX_BYTES / 2).repeat(2 * LINES);
        text.push_str(&line(old, 10).repeat(LINES - 1));
        text.push_str(&line(new, 10));
        text.push_str("{\"@timestamp\":\"9999");
        std::fs::write(&log, text).unwrap();
        assert_eq!(newest_time(&log).unwrap(), Some(new));
    }
}
