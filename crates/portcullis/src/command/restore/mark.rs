//! The file that is there while a restore replaces files, and the way back from an interrupted one.
//! Never: a file deleted, of before the restore or of another person.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use portcullis_seal::private_file;
use portcullis_server::random_id;
use serde::{Deserialize, Serialize};

use crate::command::backup::directory::{give_to_owner, parent, sync_directory};
use crate::start::files::output_files::RESTORE_MARK;

/// The end of the name of a file that an interrupted restore has put into its place.
const UNDONE: &str = ".undone";

/// A restore that has started to replace files. All paths are absolute.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RestoreMark {
    /// The next step, for a reader of the file.
    note: String,
    /// The directory that the old files are moved to.
    folder: PathBuf,
    /// All files that it replaces or removes.
    files: Vec<ReplacedFile>,
}

/// A file that a restore replaces or removes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplacedFile {
    /// Its place.
    pub(super) place: PathBuf,
    /// Where the old file is kept; none if there was no file at the place.
    pub(super) aside: Option<PathBuf>,
}

impl RestoreMark {
    /// Writes the mark, before the first file is moved, and creates the directory of the old files.
    pub(super) fn write(data: &Path, folder: PathBuf, files: Vec<ReplacedFile>) -> Result<Self> {
        let note = "A restore has not ended. Run portcullis restore again: it first moves the old \
                    files back.";
        let mark = Self { note: String::from(note), folder, files };
        let text = serde_json::to_string_pretty(&mark).context("a path is not valid UTF-8")?;
        let suffix = random_id::<8>().ok().context("the system returned no random bytes")?;
        private_file::replace(&data.join(RESTORE_MARK), text.as_bytes(), &suffix)?;
        if mark.old_files().any(|(_, aside)| aside.starts_with(&mark.folder)) {
            create(&mark.folder)?;
            give_to_owner(&mark.folder, data)?;
        }
        Ok(mark)
    }

    /// The old files and where they are kept, in the order in which they are moved.
    pub(super) fn old_files(&self) -> impl DoubleEndedIterator<Item = (&Path, &Path)> {
        let files = self.files.iter();
        files.filter_map(|file| Some((file.place.as_path(), file.aside.as_deref()?)))
    }

    /// Syncs all directories with files of it, so that names in them survive a loss of power.
    pub(super) fn sync_folders(&self) -> Result<()> {
        let places = self.files.iter().map(|file| file.place.as_path());
        let folders = folders(places.chain(self.old_files().map(|(_, aside)| aside)));
        folders.into_iter().filter(|folder| folder.is_dir()).try_for_each(sync_directory)
    }

    /// Removes the mark: all files are at their places.
    pub(super) fn remove(data: &Path) -> Result<()> {
        Ok(private_file::remove(&data.join(RESTORE_MARK))?)
    }

    /// Moves the old files back, in the opposite order.
    ///
    /// It can be interrupted itself: an old file that is at its place stays there.
    fn move_back(&self) -> Result<()> {
        for file in self.files.iter().rev() {
            let has_old = file.aside.as_ref().is_some_and(|aside| exists(aside));
            // Without an old file that waits, a file is at its place only if there was none.
            if (has_old || file.aside.is_none()) && exists(&file.place) {
                self.set_undone(&file.place)?;
            }
            if let (true, Some(aside)) = (has_old, &file.aside) {
                rename(aside, &file.place)?;
            }
        }
        self.sync_folders()
    }

    /// Keeps a file that the restore, or a person, has put into a place.
    fn set_undone(&self, place: &Path) -> Result<()> {
        let folder = if Some(parent(place)) == self.folder.parent() {
            create(&self.folder)?;
            self.folder.as_path()
        } else {
            parent(place)
        };
        let name = |number: u32| {
            let mut name = OsString::from(place.file_name().unwrap_or_default());
            name.push(format!("{UNDONE}-{number}"));
            folder.join(name)
        };
        let free = (1..1_000).map(name).find(|path| !exists(path));
        rename(place, &free.with_context(|| format!("delete old files in {}", folder.display()))?)
    }
}

/// Moves the files of before an interrupted restore back; `false` if there was none.
pub(super) fn undo(data: &Path) -> Result<bool> {
    let path = data.join(RESTORE_MARK);
    let shown = path.display();
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        read => read.with_context(|| format!("cannot read {shown}"))?,
    };
    let mark: RestoreMark = serde_json::from_str(&text).with_context(|| {
        format!(
            "{shown} is damaged: move the files of the newest before-restore directory back to \
             their places, then delete it"
        )
    })?;
    mark.move_back()?;
    // It stays if it has a file.
    let _stays = fs::remove_dir(&mark.folder);
    RestoreMark::remove(data)?;
    Ok(true)
}

/// Rejects a data directory whose files a restore has replaced in part.
pub(crate) fn check_finished(data: &Path) -> Result<()> {
    ensure!(
        !data.join(RESTORE_MARK).exists(),
        "a restore into {} did not end: run portcullis restore again",
        data.display()
    );
    Ok(())
}

fn create(folder: &Path) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("cannot create {}", folder.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Moves a file to a path without a file.
pub(super) fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to)
        .with_context(|| format!("cannot move {} to {}", from.display(), to.display()))
}

/// Whether there is a file, or a link, at a path.
pub(super) fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// The directories of paths, each once.
fn folders<'a>(paths: impl Iterator<Item = &'a Path>) -> Vec<&'a Path> {
    let mut folders: Vec<&Path> = paths.map(parent).collect();
    folders.sort_unstable();
    folders.dedup();
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A data directory with old files, and the mark of a restore of them.
    fn begin(data: &Path) -> RestoreMark {
        let folder = data.join("before-restore-1");
        fs::write(data.join("portcullis.db"), "old").unwrap();
        fs::write(data.join("sessions.secret"), "old").unwrap();
        let file = |name: &str, has_old: bool| ReplacedFile {
            place: data.join(name),
            aside: has_old.then(|| folder.join(name)),
        };
        let files =
            vec![file("sessions.secret", true), file("portcullis.db", true), file("new", false)];
        RestoreMark::write(data, folder, files).unwrap()
    }

    /// The files of a directory, without those of its folders.
    fn content(data: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path());
        let files = entries.filter(|path| path.is_file());
        let mut found: Vec<_> = files
            .map(|path| {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, fs::read_to_string(path).unwrap())
            })
            .collect();
        found.sort();
        found
    }

    #[test]
    fn restore_that_ends_at_any_step_is_undone() {
        let old = [("portcullis.db", "old"), ("sessions.secret", "old")];
        let old = old.map(|(name, text)| (String::from(name), String::from(text)));
        // Two old files move aside, then two restored ones to their places.
        for steps in 0..=4 {
            let directory = tempfile::tempdir().unwrap();
            let data = directory.path();
            let mark = begin(data);
            for (place, aside) in mark.old_files().take(steps) {
                rename(place, aside).unwrap();
            }
            for file in mark.files.iter().skip(1).take(steps.saturating_sub(2)) {
                fs::write(&file.place, "restored").unwrap();
            }
            assert!(undo(data).unwrap());
            assert_eq!(content(data), old, "{steps} steps");
            let kept: Vec<String> = if mark.folder.exists() {
                content(&mark.folder).into_iter().map(|(_, text)| text).collect()
            } else {
                Vec::new()
            };
            assert_eq!(kept, vec!["restored"; steps.saturating_sub(2)], "{steps} steps");
            assert!(!undo(data).unwrap(), "there is no mark");
        }
    }

    #[test]
    fn undo_that_is_interrupted_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path();
        let mark = begin(data);
        for (place, aside) in mark.old_files() {
            rename(place, aside).unwrap();
            fs::write(place, "restored").unwrap();
        }
        // The last file is back already.
        let (place, aside) = mark.old_files().next_back().unwrap();
        mark.set_undone(place).unwrap();
        rename(aside, place).unwrap();
        assert!(check_finished(data).is_err());
        assert!(undo(data).unwrap());
        let contents: Vec<String> = content(data).into_iter().map(|(_, text)| text).collect();
        assert_eq!(contents, ["old", "old"]);
        check_finished(data).unwrap();
    }

    #[test]
    fn mark_that_cannot_be_read_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(RESTORE_MARK), "{").unwrap();
        let error = format!("{:#}", undo(directory.path()).unwrap_err());
        assert!(error.contains("before-restore") && error.contains("is damaged"), "{error}");
        assert!(directory.path().join(RESTORE_MARK).exists());
    }
}
