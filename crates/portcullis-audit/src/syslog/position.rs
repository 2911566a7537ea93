//! The number of the last line that has arrived at the syslog server, in a file.
//! Never: a line counted as arrived because it was written to a socket.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::files::path::with_suffix;

/// A line has arrived when its connection has lasted so long after it.
///
/// Syslog has no acknowledgement (RFC 5425, section 1). After a lost connection the lines of
/// this time are sent again.
const ARRIVAL_MS: u64 = 30_000;
/// Most entries of the window; lines within a second share one.
const ENTRIES_MAX: usize = 64;
/// Bytes of the file that are read.
const FILE_MAX_BYTES: u64 = 64;

/// The numbers of sent lines, with the times.
#[derive(Debug, Default)]
pub(crate) struct Position {
    /// The last line that has arrived.
    arrived: u64,
    /// (time of the first line, number of the last line) of the lines sent in about a second.
    sent: VecDeque<(u64, u64)>,
}

impl Position {
    pub(crate) fn new(arrived: u64) -> Self {
        Self { arrived, sent: VecDeque::new() }
    }

    /// The last line that has arrived.
    pub(crate) fn arrived(&self) -> u64 {
        self.arrived
    }

    /// A line was written to the connection.
    pub(crate) fn add_sent(&mut self, sequence: u64, now_ms: u64) {
        let is_full = self.sent.len() >= ENTRIES_MAX;
        match self.sent.back_mut() {
            Some((first_ms, last)) if now_ms.saturating_sub(*first_ms) < 1_000 => *last = sequence,
            // Later than it was: lines are sent again rather than lost.
            Some(newest) if is_full => *newest = (now_ms, sequence),
            Some(_) | None => self.sent.push_back((now_ms, sequence)),
        }
    }

    /// The connection works: lines that were sent long enough ago have arrived.
    pub(crate) fn confirm(&mut self, now_ms: u64) {
        // An entry covers a second after its first line.
        let is_old = |first_ms: u64| now_ms.saturating_sub(first_ms) >= ARRIVAL_MS + 1_000;
        while let Some((_, last)) = self.sent.pop_front_if(|(first_ms, _)| is_old(*first_ms)) {
            self.arrived = last;
        }
    }

    /// The server has read everything and closed the connection after our close notify.
    pub(crate) fn confirm_all(&mut self) {
        if let Some((_, last)) = self.sent.back() {
            self.arrived = *last;
        }
        self.sent.clear();
    }

    /// The connection is lost: lines that have not arrived will be sent again.
    pub(crate) fn reset(&mut self) {
        self.sent.clear();
    }
}

/// The file with the number of the last line that has arrived.
#[derive(Debug)]
pub(crate) struct PositionFile {
    path: PathBuf,
    written: u64,
}

impl PositionFile {
    /// Reads the number; 0 without a file, or if it holds something else.
    pub(crate) fn open(path: &Path) -> Self {
        let mut text = String::new();
        let read =
            File::open(path).and_then(|file| file.take(FILE_MAX_BYTES).read_to_string(&mut text));
        let written = match read {
            Ok(_) => text.trim().parse().unwrap_or(0),
            Err(_) => 0,
        };
        Self { path: path.to_path_buf(), written }
    }

    /// The number in the file.
    pub(crate) fn number(&self) -> u64 {
        self.written
    }

    /// Replaces the number; the file always has the old or the new one.
    pub(crate) fn write(&mut self, number: u64) -> io::Result<()> {
        if number == self.written {
            return Ok(());
        }
        let part = with_suffix(&self.path, ".part");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&part)?;
        writeln!(file, "{number}")?;
        file.sync_data()?;
        std::fs::rename(&part, &self.path)?;
        self.written = number;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_has_arrived_when_its_connection_lasted() {
        let mut position = Position::new(5);
        position.add_sent(6, 1_000);
        position.add_sent(7, 1_900);
        position.add_sent(8, 2_000);
        for (now_ms, arrived) in [(1_000, 5), (31_999, 5), (32_000, 7), (32_999, 7), (33_000, 8)] {
            position.confirm(now_ms);
            assert_eq!(position.arrived(), arrived, "{now_ms}");
        }
        position.add_sent(9, 40_000);
        position.reset();
        position.confirm(90_000);
        assert_eq!(position.arrived(), 8, "9 is sent again");
        position.add_sent(9, 90_000);
        position.confirm_all();
        assert_eq!(position.arrived(), 9);
    }

    #[test]
    fn window_is_bounded_and_never_early() {
        let mut position = Position::new(0);
        for second in 0..1_000 {
            position.add_sent(second + 1, second * 1_000);
        }
        assert!(position.sent.len() <= ENTRIES_MAX);
        position.confirm(999_000 + ARRIVAL_MS);
        assert!(position.arrived() < 1_000, "the last line was sent {ARRIVAL_MS} ms ago");
    }

    #[test]
    fn number_survives_a_restart_and_damage_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("syslog.position");
        assert_eq!(PositionFile::open(&path).number(), 0);
        PositionFile::open(&path).write(184_467).unwrap();
        assert_eq!(PositionFile::open(&path).number(), 184_467);
        for damage in ["", "x", "-1", "99999999999999999999999"] {
            std::fs::write(&path, damage).unwrap();
            assert_eq!(PositionFile::open(&path).number(), 0, "{damage}");
        }
    }
}
