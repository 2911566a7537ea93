//! D4: the modes of the data directory, of keys, of the configuration and of the files it names.
//! Never: a change of a mode.

use std::fs::Metadata;
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use portcullis_admin::CheckBuilder;

use crate::config::input_files;
use crate::doctor::examination::Examination;
use crate::output::shell_path;

/// Files of the data directory with keys, tokens or alerts: for the server's user alone.
const PRIVATE: [&str; 18] = [
    "token-signing.ring",
    "token-signing.ed25519.pkcs8",
    "field-keys.ring",
    "sessions.secret",
    "setup-token.sha256",
    "ca.key",
    "tls.key",
    "acme-account.json",
    "acme-certificate.pem",
    "security-log.key",
    "audit-chain.state",
    "alerts.state",
    "alerts.spool",
    "portcullis.db",
    "portcullis.db-wal",
    "portcullis.db-shm",
    "security-log.sequence",
    "syslog.position",
];
/// Keys of the configuration whose files are secret.
const SECRET_KEYS: [&str; 5] = [
    "tls.key_file",
    "token.issuer.secret_file",
    "alert.channel.url_file",
    "alert.channel.secret_file",
    "alert.channel.login_file",
];
/// Others can write.
const WRITABLE: u32 = 0o022;
/// Others can read, write or enter.
const OPEN: u32 = 0o077;
/// Users outside of the group can read or write.
const WORLD: u32 = 0o007;

/// Checks all modes.
pub(in crate::doctor) fn check(examination: &Examination<'_>, check: &mut CheckBuilder) {
    let settings = examination.settings;
    let data = &settings.storage.data;
    let facts = match std::fs::metadata(data) {
        Ok(facts) => facts,
        Err(error) => return check.skip(absence(data, &error)),
    };
    let owner = facts.uid();
    check_mode("data directory", data, &facts, Kind::Directory, check);
    let mut files = 1;
    for name in PRIVATE {
        files += check_file(name, &data.join(name), Kind::Private, owner, check);
    }
    let database = &settings.storage.database;
    if database.parent() != Some(data.as_path()) {
        files += check_file("store.url", database, Kind::Private, owner, check);
    }
    files += check_file("audit.file", &settings.audit.file, Kind::Log, owner, check);
    for (key, path) in input_files(settings) {
        let kind = match key {
            Some(key) if SECRET_KEYS.contains(&key) => Kind::Secret,
            Some(_) | None => Kind::Read,
        };
        files += check_file(key.unwrap_or("configuration file"), path, kind, owner, check);
    }
    check.fact(format!("{files} files and directories"));
}

/// Why the modes of the data directory are not checked.
fn absence(data: &Path, error: &Error) -> String {
    let shown = data.display();
    match error.kind() {
        ErrorKind::NotFound => {
            format!("the data directory {shown} does not exist: the server was never started")
        }
        _ => format!("the data directory {shown} cannot be read: {error}"),
    }
}

/// The operations on a file that its mode permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The data directory: for the server's user alone.
    Directory,
    /// A file of the server: for its user alone.
    Private,
    /// The security log: a group may read it.
    Log,
    /// A secret of the configuration: a group may read it.
    Secret,
    /// A file that the server reads: no other user may change it.
    Read,
}

/// Checks a file if it exists; returns the number of files.
fn check_file(name: &str, path: &Path, kind: Kind, owner: u32, check: &mut CheckBuilder) -> usize {
    let Ok(facts) = std::fs::metadata(path) else { return 0 };
    // A character device such as /dev/null is not of the server.
    if !facts.is_file() {
        return 0;
    }
    check_mode(name, path, &facts, kind, check);
    let is_foreign = facts.uid() != owner && facts.uid() != 0;
    if is_foreign {
        let shown = path.display();
        let found =
            format!("{shown} belongs to another user (uid {}), who can change it", facts.uid());
        let word = shell_path(path);
        let remedy = format!("chown -h {owner} {word}, after you have checked its content");
        check.alarm(&format!("owner {name}"), found, remedy);
    }
    1
}

fn check_mode(name: &str, path: &Path, facts: &Metadata, kind: Kind, check: &mut CheckBuilder) {
    let mode = facts.permissions().mode() & 0o777;
    let shown = path.display();
    let (open, wanted) = match kind {
        Kind::Directory => (mode & OPEN, "700"),
        Kind::Private => (mode & OPEN, "600"),
        Kind::Log => (mode & (WORLD | WRITABLE), "640"),
        Kind::Secret => (mode & (WORLD | WRITABLE), "600"),
        Kind::Read => (mode & WRITABLE, "644"),
    };
    if open == 0 {
        return;
    }
    let remedy = format!("chmod {wanted} {}", shell_path(path));
    if open & WRITABLE != 0 {
        let found = format!("other users can change {shown} (mode {mode:o})");
        check.alarm(name, found, remedy);
    } else if kind == Kind::Directory || kind == Kind::Log {
        let found = format!("other users can read {shown} (mode {mode:o})");
        check.warn(name, found, remedy);
    } else {
        let found = format!("other users can read {shown} (mode {mode:o}), which is secret");
        check.alarm(name, found, remedy);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use portcullis_admin::{CheckId, CheckResult};

    use super::*;

    #[test]
    fn missing_data_directory_is_not_called_unreadable() {
        let text = |kind: ErrorKind| absence(Path::new("/d"), &Error::from(kind));
        assert!(text(ErrorKind::NotFound).ends_with("the server was never started"));
        assert!(text(ErrorKind::PermissionDenied).contains("cannot be read"));
    }

    #[test]
    fn t409_d4_open_file_is_found_by_its_kind_and_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "").unwrap();
        let owner = std::fs::metadata(&path).unwrap().uid();
        for (kind, mode, expect) in [
            (Kind::Private, 0o600, CheckResult::Ok),
            (Kind::Private, 0o640, CheckResult::Critical),
            (Kind::Private, 0o604, CheckResult::Critical),
            (Kind::Log, 0o640, CheckResult::Ok),
            (Kind::Log, 0o644, CheckResult::Warning),
            (Kind::Log, 0o660, CheckResult::Critical),
            (Kind::Secret, 0o640, CheckResult::Ok),
            (Kind::Secret, 0o644, CheckResult::Critical),
            (Kind::Read, 0o644, CheckResult::Ok),
            (Kind::Read, 0o664, CheckResult::Critical),
            (Kind::Directory, 0o700, CheckResult::Ok),
            (Kind::Directory, 0o750, CheckResult::Warning),
            (Kind::Directory, 0o702, CheckResult::Critical),
        ] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let mut check = CheckBuilder::new(CheckId::D4);
            assert_eq!(check_file("name", &path, kind, owner, &mut check), 1);
            assert_eq!(check.finish().result, expect, "{kind:?} {mode:o}");
        }
        let mut check = CheckBuilder::new(CheckId::D4);
        check_file("name", &path, Kind::Read, owner + 1, &mut check);
        let found = check.finish().findings;
        // Files of root are trusted.
        assert_eq!(found.iter().any(|one| one.key == "D4 owner name"), owner != 0, "{found:?}");
    }
}
