//! Detects that a file of the open database was moved or removed.
//! Never: opens or changes a file; it only reads metadata.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The files of an open database.
#[derive(Debug)]
pub(crate) struct FileWatch {
    files: Vec<WatchedFile>,
}

#[derive(Debug)]
struct WatchedFile {
    path: PathBuf,
    /// Device and inode of the open file; `None` until it exists.
    identity: Option<(u64, u64)>,
}

impl FileWatch {
    /// Watches the files of a database that was just opened.
    pub(crate) fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let files = paths.into_iter().map(|path| WatchedFile { path, identity: None }).collect();
        let mut watch = Self { files };
        watch.missing();
        watch
    }

    /// The first file whose path leads to another file, or to none.
    pub(crate) fn missing(&mut self) -> Option<&Path> {
        let missing = self.files.iter_mut().find_map(|file| file.is_missing().then_some(&*file))?;
        Some(&missing.path)
    }
}

impl WatchedFile {
    fn is_missing(&mut self) -> bool {
        let current = std::fs::metadata(&self.path).as_ref().map(identity).ok();
        match self.identity {
            // SQLite, for one, creates its log with the first write.
            None => {
                self.identity = current;
                false
            }
            Some(known) => current != Some(known),
        }
    }
}

fn identity(facts: &Metadata) -> (u64, u64) {
    (facts.dev(), facts.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

    #[test]
    fn moved_or_replaced_file_is_missing_until_it_is_restored() {
        for suffix in SUFFIXES {
            let directory = tempfile::tempdir().unwrap();
            let path = |name: &str| directory.path().join(name);
            for suffix in SUFFIXES {
                std::fs::write(path(&format!("x.db{suffix}")), "x").unwrap();
            }
            let mut watch = FileWatch::new(SUFFIXES.map(|suffix| path(&format!("x.db{suffix}"))));
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
    fn file_that_was_not_created_yet_is_not_missing() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("x.db");
        std::fs::write(&database, "x").unwrap();
        let log = directory.path().join("x.db-wal");
        let mut watch = FileWatch::new([database, log.clone()]);
        assert_eq!(watch.missing(), None);
        std::fs::write(&log, "x").unwrap();
        assert_eq!(watch.missing(), None);
        std::fs::remove_file(&log).unwrap();
        assert_eq!(watch.missing(), Some(&*log));
    }
}
