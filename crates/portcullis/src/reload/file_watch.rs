//! `serve --watch`: notices that the configuration, or a file that it names, has changed.
//! Never: a reload of a file that is still written; it has to be the same at two looks.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::{ConfigError, Settings, Sources, input_files};
use crate::reload::retry::ReloadRetry;

/// The facts of a file that change with its content. A link is followed, so a mounted directory of
/// Kubernetes, whose link is replaced, counts as changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    changed: (i64, i64),
    size: u64,
}

type Stamps = BTreeMap<PathBuf, Option<Stamp>>;

/// The files of the configuration in force.
#[derive(Debug)]
pub(crate) struct FileWatch {
    /// As the server has read them.
    read: Stamps,
    /// At the newest look.
    seen: Stamps,
    /// The wait after a reload that failed.
    pub(crate) retry: ReloadRetry,
}

impl FileWatch {
    /// Watches the files of these settings, as they are now.
    fn new(settings: &Settings) -> Self {
        Self::over(input_files(settings).into_iter().map(|(_, path)| path))
    }

    /// Reads the settings, and watches their files: a change during the start counts.
    pub(crate) fn read(sources: &Sources) -> Result<(Settings, Self), ConfigError> {
        // The first settings name the files, and the second are not older than the marks.
        let first = Settings::read(sources)?;
        let mut watch = Self::new(&first);
        // A pipe, such as /dev/stdin, can be read only once, and does not change.
        if first.file.as_ref().is_none_or(|file| !file.path.is_file()) {
            return Ok((first, watch));
        }
        let settings = Settings::read(sources)?;
        watch.follow(&settings);
        Ok((settings, watch))
    }

    fn over<'a>(files: impl Iterator<Item = &'a Path>) -> Self {
        let read: Stamps = files.map(|path| (path.to_path_buf(), stamp(path))).collect();
        Self { seen: read.clone(), read, retry: ReloadRetry::default() }
    }

    /// The files are read after this call: a change from now on counts.
    pub(crate) fn mark_read(&mut self) {
        self.read.iter_mut().for_each(|(path, read)| *read = stamp(path));
        self.seen.clone_from(&self.read);
    }

    /// Watches the files of other settings from now on. Those that were watched before keep their
    /// marks.
    pub(crate) fn follow(&mut self, settings: &Settings) {
        let newer = Self::new(settings).read;
        let marked = |(path, now)| {
            let read = self.read.get(&path).copied().unwrap_or(now);
            (path, read)
        };
        self.read = newer.into_iter().map(marked).collect();
        self.seen.clone_from(&self.read);
    }

    /// Whether no file differs from the last look: none of them is being written.
    pub(crate) fn is_settled(&self) -> bool {
        self.seen.iter().all(|(path, seen)| stamp(path) == *seen)
    }

    /// Whether a file has changed since it was read, and not since the last look.
    pub(crate) fn has_changed(&mut self) -> bool {
        let now: Stamps = self.read.keys().map(|path| (path.clone(), stamp(path))).collect();
        let is_settled = now == self.seen;
        let has_changed = is_settled && now != self.read;
        if has_changed {
            self.read.clone_from(&now);
            self.retry.restart();
        }
        self.seen = now;
        has_changed
    }
}

/// The facts of a file; `None` if it cannot be read.
fn stamp(path: &Path) -> Option<Stamp> {
    let facts: Metadata = std::fs::metadata(path).ok()?;
    Some(Stamp {
        file: (facts.dev(), facts.ino()),
        changed: (facts.mtime(), facts.mtime_nsec()),
        size: facts.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_in_a_pipe_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.toml");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from(0o600)).unwrap();
        let writer = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::write(pipe, "[listen]\npublic = \"127.0.0.1:4001\"\n").unwrap()
        });
        let data = folder.path().join("data");
        let sources = Sources { config: Some(pipe), data: Some(data), ..Sources::default() };
        let (settings, _watch) = FileWatch::read(&sources).unwrap();
        assert_eq!(settings.server.public.port(), 4001);
        writer.join().unwrap();
    }

    #[test]
    fn change_is_noticed_once_when_the_file_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("a.toml"), folder.path().join("b.pem"));
        std::fs::write(&file, "old").unwrap();
        let mut watch = FileWatch::over([file.as_path(), other.as_path()].into_iter());
        assert!(!watch.has_changed());
        std::fs::write(&file, "a part of").unwrap();
        assert!(!watch.has_changed(), "it can still be written");
        assert!(watch.is_settled());
        std::fs::write(&file, "a part of the new text").unwrap();
        assert!(!watch.is_settled());
        assert!(!watch.has_changed(), "it was still written");
        assert!(watch.has_changed());
        assert!(!watch.has_changed(), "it was read");
        // A file that appears, another inode with the same size, and a file that is gone.
        std::fs::write(&other, "key").unwrap();
        assert_eq!([watch.has_changed(), watch.has_changed()], [false, true]);
        let next = folder.path().join("next");
        std::fs::write(&next, "yek").unwrap();
        std::fs::rename(&next, &other).unwrap();
        assert_eq!([watch.has_changed(), watch.has_changed()], [false, true]);
        std::fs::remove_file(&other).unwrap();
        assert_eq!([watch.has_changed(), watch.has_changed()], [false, true]);
        assert!(!watch.has_changed());
    }

    #[test]
    fn change_during_the_start_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("portcullis.toml");
        std::fs::write(&file, "[listen]\npublic = \"127.0.0.1:4001\"\n").unwrap();
        let sources = Sources { config: Some(file.clone()), ..Sources::default() };
        let (settings, mut watch) = FileWatch::read(&sources).unwrap();
        assert_eq!(settings.server.public.port(), 4001);
        std::fs::write(&file, "[listen]\npublic = \"127.0.0.1:40020\"\n").unwrap();
        assert_eq!([watch.has_changed(), watch.has_changed()], [false, true]);
    }
}
