//! The names of the files of the security log in a backup, which are put back beside the log.
//! Never: another file of the server, or one of the configuration, replaced by a file of the log.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use portcullis_audit::is_log_name;

use crate::command::backup::CONFIGURATION;
use crate::command::backup::log_files::LOG_FOLDER;
use crate::command::backup::manifest::Manifest;
use crate::config::Settings;
use crate::start::files::output_files::other_purpose;

/// The end of the name of the file with the time at which the server ran last.
const CLOCK: &str = ".clock";

/// Rejects files in the folder of the log that belong to no log, or that the server uses otherwise.
///
/// A file such as `log/sessions.secret` would become a secret that the author of the backup knows.
pub(super) fn check(settings: &Settings, manifest: &Manifest) -> Result<()> {
    let names: Vec<&str> = manifest.files.iter().filter_map(|file| name(&file.name)).collect();
    let own = settings.audit.file.file_name().unwrap_or_default().to_string_lossy();
    if let Some(foreign) = foreign(&own, &names) {
        bail!("{LOG_FOLDER}/{foreign} is not a file of a security log: use another backup");
    }
    let folder = settings.audit.file.parent().unwrap_or(Path::new("."));
    let places = names.iter().map(|name| folder.join(name));
    if let Some((place, why)) = other_purpose(settings, places) {
        bail!("{} cannot be put back as a file of the security log: {why}", place.display());
    }
    ensure!(!own.is_empty(), "audit.file names no file");
    Ok(())
}

/// The name of a file in the folder of the log.
fn name(path: &str) -> Option<&str> {
    let (folder, name) = path.split_once('/')?;
    (folder == LOG_FOLDER).then_some(name)
}

/// The first file that does not belong to the log with the others. The log of the server that made
/// the backup can have had another name.
fn foreign<'a>(own: &str, names: &[&'a str]) -> Option<&'a str> {
    // A command that starts in this directory would read it.
    if names.contains(&CONFIGURATION) {
        return Some(CONFIGURATION);
    }
    let is_of = |log: &str| names.iter().all(|name| is_log_name(log, name));
    let with_clock = names.iter().find_map(|name| name.strip_suffix(CLOCK));
    let shortest = names.iter().min_by_key(|name| name.len()).copied();
    if [Some(own), with_clock, shortest].into_iter().flatten().any(is_of) {
        return None;
    }
    let log = with_clock.unwrap_or(own);
    names.iter().copied().find(|name| !is_log_name(log, name)).or(shortest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_belong_to_no_log_are_named() {
        let clock = "security.log.clock";
        for (names, expect) in [
            (&[][..], None),
            (&["security.log", clock, "security-20261128T214500Z-7.log.gz"], None),
            (&["security-20261128T214500Z-7.log"], None),
            (&["security.log", "security.log.1", "security.log-20261128.gz"], None),
            // The server of the backup had `audit.file = "audit.jsonl"`.
            (&["audit.jsonl", "audit.jsonl.clock", "audit-20261128T214500Z-7.jsonl"], None),
            (&["audit.jsonl", "audit.jsonl.1"], None),
            (&["security.log", clock, "sessions.secret"], Some("sessions.secret")),
            (&["sessions.secret", "security.log", clock], Some("sessions.secret")),
            (&["security.log", "security.log.reserve"], Some("security.log.reserve")),
            (&["portcullis.toml"], Some("portcullis.toml")),
            (&["security.log", "security-x-7.log"], Some("security-x-7.log")),
        ] {
            assert_eq!(foreign("security.log", names), expect, "{names:?}");
        }
    }
}
