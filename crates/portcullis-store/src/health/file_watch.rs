//! Notices that a file of the database was moved or removed while it is open.
//! Never: a file opened or changed; only names are looked up.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The database, its log and the log's index. Without any of them acknowledged writes are lost.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// The files of an open database.
#[derive(Debug)]
pub(crate) struct FileWatch {
    files: [WatchedFile; SUFFIXES.len()],
}

#[derive(Debug)]
struct WatchedFile {
    path: PathBuf,
    /// Device and number of the file that is open; `None` until it was seen.
    identity: Option<(u64, u64)>,
}

impl FileWatch {
    /// The files of a database that was just opened.
    pub(crate) fn new(database: &Path) -> Self {
        // Of a link, SQLite keeps the log beside the file that it leads to.
        let real = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
        let files = SUFFIXES.map(|suffix| {
            let base = if suffix.is_empty() { database } else { &real };
            let mut name = base.as_os_str().to_owned();
            name.push(suffix);
            WatchedFile { path: PathBuf::from(name), identity: None }
        });
        let mut watch = Self { files };
        watch.missing();
        watch
    }

    /// A file that its name does not lead to any more.
    pub(crate) fn missing(&mut self) -> Option<&Path> {
        let missing = self.files.iter_mut().find_map(|file| file.is_missing().then_some(&*file))?;
        Some(&missing.path)
    }
}

impl WatchedFile {
    fn is_missing(&mut self) -> bool {
        let seen = std::fs::metadata(&self.path).as_ref().map(identity).ok();
        match self.identity {
            // The log is created with the first write.
            None => {
                self.identity = seen;
                false
            }
            Some(known) => seen != Some(known),
        }
    }
}

fn identity(facts: &Metadata) -> (u64, u64) {
    (facts.dev(), facts.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_that_is_moved_replaced_or_removed_is_missing_until_it_is_back() {
        for suffix in SUFFIXES {
            let directory = tempfile::tempdir().unwrap();
            let path = |name: &str| directory.path().join(name);
            for suffix in SUFFIXES {
                std::fs::write(path(&format!("x.db{suffix}")), "x").unwrap();
            }
            let mut watch = FileWatch::new(&path("x.db"));
            assert_eq!(watch.missing(), None);
            let (name, away) = (path(&format!("x.db{suffix}")), path("away"));
            std::fs::rename(&name, &away).unwrap();
            assert_eq!(watch.missing(), Some(&*name));
            std::fs::copy(&away, &name).unwrap();
            assert_eq!(watch.missing(), Some(&*name), "another file with the same content");
            std::fs::rename(&away, &name).unwrap();
            assert_eq!(watch.missing(), None);
        }
    }

    #[test]
    fn log_that_does_not_exist_yet_is_not_missing() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("x.db");
        std::fs::write(&database, "x").unwrap();
        let mut watch = FileWatch::new(&database);
        assert_eq!(watch.missing(), None);
        let log = directory.path().join("x.db-wal");
        std::fs::write(&log, "x").unwrap();
        assert_eq!(watch.missing(), None);
        std::fs::remove_file(&log).unwrap();
        assert_eq!(watch.missing(), Some(&*log));
    }
}
