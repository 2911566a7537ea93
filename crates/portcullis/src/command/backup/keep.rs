//! Deletes old backups of a directory, so that the newest N are kept.
//! Never: a directory without a valid manifest of this program, one with other files in it, or the
//! backup of another server.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::directory::PARTIAL;
use super::manifest::{Content, MANIFEST, Manifest};
use crate::output::{errln, outln};

/// Names of backups begin with it.
pub(crate) const NAME_START: &str = "portcullis-";
/// The end of the name of a backup that is being deleted.
const EXPIRED: &str = ".expired";

/// Keeps the newest backups of a directory; `keep` is at least 1. `made` is the one made now: it is
/// kept also if others have later times, because a clock was ahead when they were made. Backups of
/// another `server` do not count.
pub(super) fn keep_newest(directory: &Path, keep: usize, made: &Path, server: &str) -> Result<()> {
    let (mut backups, mut expired) = (Vec::new(), Vec::new());
    let entries = fs::read_dir(directory);
    for entry in entries.with_context(|| format!("cannot read {}", directory.display()))? {
        let entry = entry.with_context(|| format!("cannot read {}", directory.display()))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        // The type of the entry itself: a link is not followed.
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if name.starts_with('.') && name.contains(PARTIAL) {
            let path = entry.path();
            errln!("warning: {} is the rest of an interrupted backup: delete it", path.display());
        } else if name.starts_with(NAME_START) && name.ends_with(EXPIRED) {
            expired.push(entry.path());
        } else if name.starts_with(NAME_START)
            && let Ok(manifest) = Manifest::read(&entry.path())
            && manifest.content == Content::Data
            && manifest.server == server
        {
            let is_made = entry.path() == made;
            backups.push((is_made, manifest.time, entry.path()));
        }
    }
    backups.sort();
    let old = backups.len().saturating_sub(keep);
    for (_, _, path) in backups.into_iter().take(old) {
        match expire(&path) {
            Ok(path) => expired.push(path),
            Err(error) => errln!("warning: {} is kept: {error:#}", path.display()),
        }
    }
    for path in expired {
        match delete(&path) {
            Ok(()) => outln!("deleted   {}", path.display())?,
            Err(error) => errln!("warning: {} is kept: {error:#}", path.display()),
        }
    }
    Ok(())
}

/// Gives an old backup the name of one that is being deleted, after all its files were checked.
fn expire(path: &Path) -> Result<PathBuf> {
    let manifest = Manifest::read(path)?;
    check_files(path, &manifest)?;
    let mut name = path.as_os_str().to_owned();
    name.push(EXPIRED);
    let expired = PathBuf::from(name);
    fs::rename(path, &expired).with_context(|| format!("cannot rename {}", path.display()))?;
    Ok(expired)
}

/// Deletes the files of the manifest, then the manifest, so that an interrupted deletion goes on.
fn delete(path: &Path) -> Result<()> {
    let manifest = Manifest::read(path)?;
    let folders = check_files(path, &manifest)?;
    let cannot = |path: &Path| format!("cannot delete {}", path.display());
    for file in &manifest.files {
        let file = path.join(&file.name);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| cannot(&file));
            }
            Ok(()) | Err(_) => {}
        }
    }
    for folder in folders {
        let folder = path.join(folder);
        fs::remove_dir(&folder).with_context(|| cannot(&folder))?;
    }
    let manifest = path.join(MANIFEST);
    fs::remove_file(&manifest).with_context(|| cannot(&manifest))?;
    fs::remove_dir(path).with_context(|| cannot(path))
}

/// Checks that a backup has no other files than its own; returns its folders.
fn check_files(path: &Path, manifest: &Manifest) -> Result<Vec<String>> {
    let own: BTreeSet<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
    let mut folders = Vec::new();
    for (name, is_folder) in entries(path)? {
        if is_folder {
            for (inner, is_folder) in entries(&path.join(&name))? {
                let inner = format!("{name}/{inner}");
                ensure!(!is_folder && own.contains(inner.as_str()), "{inner} is not of the backup");
            }
            folders.push(name);
        } else {
            ensure!(name == MANIFEST || own.contains(name.as_str()), "{name} is not of the backup");
        }
    }
    Ok(folders)
}

fn entries(path: &Path) -> Result<Vec<(String, bool)>> {
    let cannot_read = || format!("cannot read {}", path.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(path).with_context(cannot_read)? {
        let entry = entry.with_context(cannot_read)?;
        let kind = entry.file_type().with_context(cannot_read)?;
        names.push((entry.file_name().to_string_lossy().into_owned(), kind.is_dir()));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::backup::directory::NewDirectory;

    const SERVER: &str = "log-key+1";

    fn backup(directory: &Path, day: u32) -> PathBuf {
        let path = directory.join(format!("{NAME_START}{day}"));
        let mut new = NewDirectory::create(&path).unwrap();
        new.folder("log").unwrap();
        new.copy("log/security.log", &mut "line\n".as_bytes()).unwrap();
        new.copy("portcullis.db", &mut "pages".as_bytes()).unwrap();
        let time = format!("2026-11-{day:02}T02:00:00Z");
        let manifest = Manifest::new(Content::Data, 9, &time, &[]).of_server(SERVER.into());
        new.finish(manifest).unwrap();
        path
    }

    #[test]
    fn only_whole_backups_of_this_program_are_deleted() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let paths: Vec<PathBuf> = (1..=6).map(|day| backup(directory.path(), day)).collect();
        // Another file in it, no manifest, a damaged one, another name, and a link to a backup.
        fs::write(paths[1].join("notes.txt"), "of the operator").unwrap();
        fs::create_dir(at("portcullis-empty")).unwrap();
        fs::create_dir(at("portcullis-other")).unwrap();
        fs::write(at("portcullis-other").join(MANIFEST), "{}").unwrap();
        fs::rename(&paths[2], at("mine")).unwrap();
        std::os::unix::fs::symlink(at("mine"), at("portcullis-link")).unwrap();
        // The deletion of this one was interrupted.
        let expired = at("portcullis-0.expired");
        fs::rename(backup(directory.path(), 0), &expired).unwrap();
        fs::remove_file(expired.join("portcullis.db")).unwrap();
        keep_newest(directory.path(), 2, &paths[5], SERVER).unwrap();
        for (path, expect) in [
            (paths[0].clone(), false),
            (paths[1].join("portcullis.db"), true),
            (at("mine").join("portcullis.db"), true),
            (at("portcullis-link"), true),
            (at("portcullis-empty"), true),
            (at("portcullis-other").join(MANIFEST), true),
            (expired, false),
            (paths[3].clone(), false),
            (paths[4].join(MANIFEST), true),
            (paths[5].join(MANIFEST), true),
        ] {
            assert_eq!(fs::symlink_metadata(&path).is_ok(), expect, "{}", path.display());
        }
    }

    #[test]
    fn backup_made_now_is_kept_although_others_have_later_times() {
        let directory = tempfile::tempdir().unwrap();
        let paths = [3, 20, 21].map(|day| backup(directory.path(), day));
        keep_newest(directory.path(), 2, &paths[0], SERVER).unwrap();
        assert_eq!(paths.map(|path| path.exists()), [true, false, true]);
    }
    #[test]
    fn backups_of_another_server_in_the_directory_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let paths = [3, 20, 21].map(|day| backup(directory.path(), day));
        let text = fs::read_to_string(paths[0].join(MANIFEST)).unwrap();
        fs::write(paths[0].join(MANIFEST), text.replace(SERVER, "log-key+2")).unwrap();
        keep_newest(directory.path(), 1, &paths[2], SERVER).unwrap();
        assert_eq!(paths.map(|path| path.exists()), [true, false, true]);
    }
}
