//! Bytes that a server writes to its data directory: security records, and all files together.
//! Never: a file that is counted twice because it was renamed.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;

/// The data directory, below the directory of the server.
const DATA: &str = "data";
/// The prefix of the names of files with security records.
const RECORDS: &str = "security";
const KIB: f64 = 1_024.0;

/// The growth of a directory, in KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Growth {
    /// Written to files of security records, deleted ones included.
    pub(crate) records: f64,
    /// The growth of the directory on the disk; negative when files shrink.
    pub(crate) directory: f64,
}

impl Growth {
    pub(crate) fn and(self, other: Self) -> Self {
        let (records, directory) = (self.records + other.records, self.directory + other.directory);
        Self { records, directory }
    }

    /// The larger of both, figure by figure.
    pub(crate) fn larger(self, other: Self) -> Self {
        let (records, directory) =
            (self.records.max(other.records), self.directory.max(other.directory));
        Self { records, directory }
    }
}

/// The sizes of the files as they were seen last, by inode: a rename changes nothing.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    sizes: HashMap<u64, u64>,
}

impl Disk {
    /// The growth since the last call.
    pub(crate) fn growth(&mut self, directory: &Path) -> Result<Growth> {
        let mut growth = Growth::default();
        let mut sizes = HashMap::new();
        for entry in std::fs::read_dir(directory.join(DATA))? {
            let entry = entry?;
            // A file may be deleted while the directory is read.
            let Ok(facts) = entry.metadata() else { continue };
            let before = self.sizes.get(&facts.ino()).copied().unwrap_or_default();
            if entry.file_name().to_string_lossy().starts_with(RECORDS) {
                growth.records += facts.len().saturating_sub(before) as f64 / KIB;
            }
            sizes.insert(facts.ino(), facts.len());
        }
        let total = |sizes: &HashMap<u64, u64>| sizes.values().sum::<u64>() as f64 / KIB;
        growth.directory = total(&sizes) - total(&self.sizes);
        self.sizes = sizes;
        Ok(growth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_files_are_counted_once() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join(DATA);
        std::fs::create_dir(&data).unwrap();
        let write = |name: &str, kib: usize| {
            std::fs::write(data.join(name), vec![b'x'; kib * 1_024]).unwrap();
        };
        write("security.log", 2);
        write("portcullis.db", 5);
        let mut disk = Disk::default();
        let growth = disk.growth(directory.path()).unwrap();
        assert_eq!(growth, Growth { records: 2.0, directory: 7.0 });
        std::fs::rename(data.join("security.log"), data.join("security-1.log")).unwrap();
        write("security.log", 1);
        let growth = disk.growth(directory.path()).unwrap();
        assert_eq!(growth, Growth { records: 1.0, directory: 1.0 });
        std::fs::remove_file(data.join("security-1.log")).unwrap();
        let growth = disk.growth(directory.path()).unwrap();
        assert_eq!(growth, Growth { records: 0.0, directory: -2.0 });
    }
}
