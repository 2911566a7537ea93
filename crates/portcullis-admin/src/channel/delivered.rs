//! The time of the last delivery of each channel, over restarts.
//! Never: what was delivered.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use portcullis_model::Now;

use crate::spool::file;

/// Longest file that is read: 16 channels.
const BYTES_MAX: u64 = 16 * 1024;
/// The file is written when a time differs by so much, in milliseconds.
const WRITE_EVERY_MS: i64 = 60 * 60_000;

/// The last delivery of each channel, in milliseconds since 1970.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    newest: BTreeMap<String, i64>,
    written: BTreeMap<String, i64>,
}

impl Deliveries {
    /// Reads the file of a former start.
    pub(crate) fn read(path: &Path) -> Self {
        let newest = read_deliveries(path);
        Self { written: newest.clone(), newest }
    }

    /// A channel has delivered a message. Returns whether the file has to be written.
    pub(crate) fn add(&mut self, channel: &str, now: Now) -> bool {
        self.newest.insert(String::from(channel), now.unix_ms);
        let written = self.written.get(channel).copied().unwrap_or(i64::MIN);
        now.unix_ms.saturating_sub(written) >= WRITE_EVERY_MS
    }

    pub(crate) fn all(&self) -> &BTreeMap<String, i64> {
        &self.newest
    }

    /// Writes the file if a time in it is old.
    pub(crate) fn write(&mut self, path: &Path) -> io::Result<()> {
        if self.newest == self.written {
            return Ok(());
        }
        // A command may have delivered a test meanwhile.
        for (name, at) in read_deliveries(path) {
            let entry = self.newest.entry(name).or_insert(at);
            *entry = (*entry).max(at);
        }
        file::replace(path, text(&self.newest).as_bytes())?;
        self.written.clone_from(&self.newest);
        Ok(())
    }
}

/// Reads the last delivery of each channel; lines that are not valid are skipped.
#[must_use]
pub fn read_deliveries(path: &Path) -> BTreeMap<String, i64> {
    let is_short = std::fs::metadata(path).is_ok_and(|facts| facts.len() <= BYTES_MAX);
    let text = is_short.then(|| std::fs::read_to_string(path).ok()).flatten().unwrap_or_default();
    let line = |line: &str| {
        let (at, name) = line.split_once(' ')?;
        Some((String::from(name), at.parse().ok()?))
    };
    text.lines().filter_map(line).collect()
}

/// Notes a delivery by a command.
///
/// # Errors
/// The error of the system when the file cannot be written.
pub fn note_delivery(path: &Path, channel: &str, now: Now) -> io::Result<()> {
    let mut deliveries = Deliveries::read(path);
    deliveries.add(channel, now);
    deliveries.write(path)
}

fn text(deliveries: &BTreeMap<String, i64>) -> String {
    deliveries.iter().map(|(name, at)| format!("{at} {name}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unix_ms: i64) -> Now {
        Now { monotonic_ms: 0, unix_ms }
    }

    #[test]
    fn newest_delivery_of_each_channel_survives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.delivered");
        let mut deliveries = Deliveries::read(&path);
        assert!(deliveries.add("page", at(1_000)));
        deliveries.write(&path).unwrap();
        assert!(!deliveries.add("page", at(2_000)), "the file is new enough");
        // A command delivers a test while the server runs.
        note_delivery(&path, "a mail", at(5_000)).unwrap();
        assert!(deliveries.add("page", at(1_000 + WRITE_EVERY_MS)));
        deliveries.write(&path).unwrap();
        let read = read_deliveries(&path);
        let expect = [("a mail", 5_000), ("page", 1_000 + WRITE_EVERY_MS)];
        assert_eq!(read, expect.map(|(name, at)| (String::from(name), at)).into());
        std::fs::write(&path, "x page\n7 b\n\n").unwrap();
        assert_eq!(read_deliveries(&path), [(String::from("b"), 7)].into());
    }
}
