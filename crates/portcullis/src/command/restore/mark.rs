//! The file that is there while a restore replaces files, and the way back from an interrupted one.
//! Never: an old file deleted; a file of the operator taken for one of the restore.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use portcullis_seal::private_file;
use portcullis_server::random_id;
use serde::{Deserialize, Serialize};

use crate::command::backup::directory::{parent, sync_directory};
use crate::start::output_files::RESTORE_MARK;

/// A restore that has begun to replace files.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RestoreMark {
    /// What a person who opens the file has to do.
    note: String,
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
    /// Writes the mark, before the first file is moved.
    pub(super) fn write(data: &Path, files: Vec<ReplacedFile>) -> Result<Self> {
        let note = "A restore has not ended. Run portcullis restore again: it first moves the old \
                    files back.";
        let mark = Self { note: String::from(note), files };
        let text = serde_json::to_string_pretty(&mark).context("a path is not valid UTF-8")?;
        let suffix = random_id::<8>().ok().context("the system returned no random bytes")?;
        private_file::replace(&data.join(RESTORE_MARK), text.as_bytes(), &suffix)?;
        Ok(mark)
    }

    /// The old files and where they are kept, in the order in which they are moved.
    pub(super) fn old_files(&self) -> impl Iterator<Item = (&Path, &Path)> {
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
}

/// Moves the files of before an interrupted restore back; `false` if there was none.
///
/// It can be interrupted itself: what is aside moves back, and what is back stays.
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
    for file in &mark.files {
        match &file.aside {
            Some(aside) => move_back(aside, &file.place)?,
            None => remove(&file.place)?,
        }
    }
    mark.sync_folders()?;
    for folder in folders(mark.old_files().map(|(_, aside)| aside)) {
        // It stays if it has another file.
        let _stays = fs::remove_dir(folder);
    }
    RestoreMark::remove(data)?;
    Ok(true)
}

/// Moves an old file back; a file at the place is the restored one, of which the backup has a copy.
fn move_back(aside: &Path, place: &Path) -> Result<()> {
    match fs::rename(aside, place) {
        // It was not moved aside, or is back.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        moved => moved
            .with_context(|| format!("cannot move {} to {}", aside.display(), place.display())),
    }
}

/// Removes a restored file from a place that had none.
fn remove(place: &Path) -> Result<()> {
    match fs::remove_file(place) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", place.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
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
        let aside = data.join("before-restore-1");
        fs::create_dir(&aside).unwrap();
        fs::write(data.join("portcullis.db"), "old").unwrap();
        fs::write(data.join("sessions.secret"), "old").unwrap();
        let file = |name: &str, has_old: bool| ReplacedFile {
            place: data.join(name),
            aside: has_old.then(|| aside.join(name)),
        };
        let files =
            vec![file("sessions.secret", true), file("portcullis.db", true), file("new", false)];
        RestoreMark::write(data, files).unwrap()
    }

    fn content(data: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path());
        let mut found: Vec<_> = entries
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
                fs::rename(place, aside).unwrap();
            }
            for file in mark.files.iter().skip(1).take(steps.saturating_sub(2)) {
                fs::write(&file.place, "restored").unwrap();
            }
            assert!(undo(data).unwrap());
            assert_eq!(content(data), old, "{steps} steps");
            assert!(!undo(data).unwrap(), "there is no mark");
        }
    }

    #[test]
    fn undo_that_is_interrupted_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path();
        let mark = begin(data);
        for (place, aside) in mark.old_files() {
            fs::rename(place, aside).unwrap();
            fs::write(place, "restored").unwrap();
        }
        // The first file is back already.
        let (place, aside) = mark.old_files().next().unwrap();
        fs::rename(aside, place).unwrap();
        assert!(undo(data).unwrap());
        let contents: Vec<String> = content(data).into_iter().map(|(_, text)| text).collect();
        assert_eq!(contents, ["old", "old"]);
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
