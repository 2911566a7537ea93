//! Finds files of the server that other users can read, and makes them private.
//! Never: a mode of a file that the server only reads, or of the security log.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::config::{Settings, Warning};
use crate::start::files::output_files::{
    ALERT_SPOOL, ALERT_STATE, CHAIN_STATE, LOG_NUMBERS, SYSLOG_POSITION, database_files,
};
use crate::start::preparation::prepare_directory;

/// The bits of other users.
const OTHERS: u32 = 0o077;

/// Files that the start makes private, and what to do when other users could read them. Other
/// files with keys are rejected when they are read.
const CORRECTED: [(&str, &str); 6] = [
    (CHAIN_STATE, CHAIN_REMEDY),
    ("setup-token.sha256", "It has a hash only, from which the set-up link cannot be computed"),
    (ALERT_STATE, "It names users and addresses in alerts"),
    (ALERT_SPOOL, "It names users and addresses in alerts"),
    (LOG_NUMBERS, "It has no secret"),
    (SYSLOG_POSITION, "It has no secret"),
];
const CHAIN_REMEDY: &str = "It has the keys that sign the security log. A user with them could \
    change records unnoticed until the next key, which follows within 15 minutes: compare the log \
    with a copy on another machine";
const DATABASE_REMEDY: &str = "Its names, addresses and password hashes may be known, and texts \
    that are not sealed: let users change their passwords if a user of this machine is not trusted";

/// A file that other users can read or change.
struct OpenFile {
    path: PathBuf,
    mode: u32,
    remedy: &'static str,
}

/// The warnings about files that other users can read; the start makes them private.
pub(crate) fn warnings(settings: &Settings) -> Vec<Warning> {
    open_files(settings).iter().map(warning).collect()
}

/// Creates the data directory, or makes it and these files private.
///
/// A file that cannot be changed stays as it is, with a warning.
///
/// # Errors
/// Those of [`prepare_directory`].
pub(crate) fn make_private(settings: &Settings) -> anyhow::Result<()> {
    prepare_directory(&settings.storage.data)?;
    for OpenFile { path, .. } in open_files(settings) {
        if let Err(error) = std::fs::set_permissions(&path, Permissions::from_mode(0o600)) {
            let path = path.display();
            tracing::warn!(%error, "cannot make {path} private: run chmod 600 on it");
        }
    }
    Ok(())
}

fn warning(file: &OpenFile) -> Warning {
    let OpenFile { path, mode, remedy } = file;
    let text = format!(
        "other users could read {} (mode {mode:o}). {remedy}. The start changes the mode to 600",
        path.display()
    );
    Warning::new("--data", text)
}

fn open_files(settings: &Settings) -> Vec<OpenFile> {
    let data = &settings.storage.data;
    let state = CORRECTED.iter().map(|(name, remedy)| (data.join(name), *remedy));
    let database = database_files(settings).into_iter().map(|path| (path, DATABASE_REMEDY));
    state.chain(database).filter_map(|(path, remedy)| open_file(&path, remedy)).collect()
}

/// The file, if it exists and other users have rights on it.
fn open_file(path: &Path, remedy: &'static str) -> Option<OpenFile> {
    let facts = std::fs::symlink_metadata(path).ok()?;
    let mode = facts.permissions().mode() & 0o777;
    let is_open = facts.is_file() && mode & OTHERS != 0;
    is_open.then(|| OpenFile { path: path.to_path_buf(), mode, remedy })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_that_others_can_read_is_named_with_its_mode_and_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portcullis.db");
        assert!(open_file(&path, "").is_none());
        std::fs::write(&path, "").unwrap();
        for (mode, expect) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let found = open_file(&path, DATABASE_REMEDY);
            assert_eq!(found.is_some(), expect, "{mode:o}");
            let text = found.map(|file| warning(&file).text).unwrap_or_default();
            assert!(!expect || text.contains(&format!("(mode {mode:o})")), "{text}");
            assert!(!expect || text.contains("password hashes"), "{text}");
        }
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(open_file(&link, "").is_none(), "the target of a link is not changed");
    }
}
