//! Checks that the server writes no file that it reads or uses for another purpose.
//! Never: a file opened or created; paths and inode numbers are compared.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::acme::authority::account::ACCOUNT_FILE;
use crate::acme::last_failure::FAILURE_FILE;
use crate::acme::stored::CERTIFICATE_FILE;
use crate::config::{ConfigError, Settings, input_files};
use crate::start::logging::log_key;

/// Files that the server creates in the data directory; see `docs/keys.md`.
const OWN_NAMES: [&str; 27] = [
    "token-signing.ring",
    "token-signing.ed25519.pkcs8",
    "field-keys.ring",
    "sessions.secret",
    "setup-token.sha256",
    "ca.pem",
    "ca.key",
    "tls.pem",
    "tls.key",
    ACCOUNT_FILE,
    FAILURE_FILE,
    CERTIFICATE_FILE,
    LOG_NUMBERS,
    log_key::FILE_NAME,
    ACCESS_NUMBERS,
    ALERT_STATE,
    ALERT_SPOOL,
    ALERT_DELIVERIES,
    AUDIT_REPORTS,
    VALID_COPY,
    LAST_BACKUP,
    BACKUP_STAGING,
    RESTORE_MARK,
    DIGEST_SENT,
    SYSLOG_POSITION,
    CHAIN_STATE,
    CHAIN_CERTIFICATES,
];

/// File with the last sequence number of the security log.
pub(crate) const LOG_NUMBERS: &str = "security-log.sequence";
/// File with the last sequence number of `audit.access_file`.
pub(crate) const ACCESS_NUMBERS: &str = "access-log.sequence";

/// File with open alerts and silences.
pub(crate) const ALERT_STATE: &str = "alerts.state";
/// File with alerts that channels have not delivered yet.
pub(crate) const ALERT_SPOOL: &str = "alerts.spool";

/// File with the time of the last delivery of each alert channel.
pub(crate) const ALERT_DELIVERIES: &str = "alerts.delivered";
/// Directory with the reports of the regular audit.
pub(crate) const AUDIT_REPORTS: &str = "audit-reports";
/// File with the time of the last weekly digest.
pub(crate) const DIGEST_SENT: &str = "digest.sent";
/// File with a copy of the configuration file in force.
pub(crate) const VALID_COPY: &str = "configuration-in-force.toml";
/// File in which a backup notes its time.
pub(crate) const LAST_BACKUP: &str = "last-backup";

/// Directory of the copy of the database that a backup waits for.
pub(crate) const BACKUP_STAGING: &str = "backup-staging";
/// File that is there while a restore replaces the files of the data directory.
pub(crate) const RESTORE_MARK: &str = "restore.unfinished";

/// File with the number of the last line that has arrived at the syslog server.
pub(crate) const SYSLOG_POSITION: &str = "syslog.position";
/// File with the signing keys and the newest note of the security log.
pub(crate) const CHAIN_STATE: &str = "audit-chain.state";
/// File with the certificates of all keys that signed the security log.
pub(crate) const CHAIN_CERTIFICATES: &str = "audit-chain.keys";

/// Files that the store and SQLite create beside the database.
const DATABASE_SUFFIXES: [&str; 6] = ["", "-wal", "-shm", "-journal", ".lock", ".reserve"];
/// Files that are created beside a log.
const LOG_SUFFIXES: [&str; 5] = ["", ".reserve", ".lock", ".rotate", ".clock"];

/// Maximum number of links followed to a file that does not exist yet.
const LINKS_MAX: usize = 40;

/// File with a purpose.
struct TakenFile {
    /// Its purpose, as the reason of a rejection.
    why: String,
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl TakenFile {
    fn new(why: String, path: &Path) -> Self {
        let identity = std::fs::metadata(path).ok().map(|facts| (facts.dev(), facts.ino()));
        Self { why, path: resolve(path, LINKS_MAX), identity }
    }

    /// Whether both paths lead to the same file, now or when it exists.
    fn is_same(&self, other: &Self) -> bool {
        self.path == other.path || (self.identity.is_some() && self.identity == other.identity)
    }
}

/// Checks `store.url`, `audit.file` and `audit.access_file`, and the files beside them.
///
/// # Errors
/// The first file that has another purpose, or that is neither a file nor a character device.
pub(crate) fn inspect_output_files(settings: &Settings) -> Result<(), ConfigError> {
    let mut taken = used_files(settings);
    let audit = &settings.audit;
    let outputs: [(&str, Option<&PathBuf>, &[&str]); 3] = [
        ("store.url", Some(&settings.storage.database), &DATABASE_SUFFIXES),
        ("audit.file", Some(&audit.file), &LOG_SUFFIXES),
        ("audit.access_file", audit.access_file.as_ref(), &LOG_SUFFIXES),
    ];
    for (key, path, suffixes) in outputs {
        let Some(path) = path else { continue };
        let mut family = Vec::new();
        for (suffix, base) in suffixes.iter().flat_map(|suffix| bases(path).map(|b| (suffix, b))) {
            let name = with_suffix(&base, suffix);
            let beside = if suffix.is_empty() {
                String::new()
            } else {
                format!("the server would write {}, but ", name.display())
            };
            let fault = |why: &str| {
                Err(ConfigError::file(key, path, format!("{beside}{why}"), "choose another file"))
            };
            let why = match suffix.len() {
                0 => format!("{key} names the same file"),
                _ => format!("{key} uses the same file, {}", name.display()),
            };
            let file = TakenFile::new(why, &name);
            if let Some(other) = taken.iter().find(|other| other.is_same(&file)) {
                return fault(&other.why);
            }
            if let Some(kind) = wrong_kind(&name) {
                return fault(&format!("it is {kind}"));
            }
            family.push(file);
        }
        taken.extend(family);
    }
    Ok(())
}

/// All files that the configuration names or that the data directory contains.
fn used_files(settings: &Settings) -> Vec<TakenFile> {
    let named = input_files(settings).into_iter().map(|(key, path)| {
        let why = match key {
            Some(key) => format!("{key} names the same file"),
            None => String::from("it is the configuration file"),
        };
        TakenFile::new(why, path)
    });
    let own = OWN_NAMES.map(|name| {
        TakenFile::new(format!("it is the server's own {name}"), &settings.storage.data.join(name))
    });
    named.chain(own).collect()
}

/// The first of the paths that the server uses for something else than its security log, and why.
pub(crate) fn other_purpose(
    settings: &Settings,
    paths: impl Iterator<Item = PathBuf>,
) -> Option<(PathBuf, String)> {
    let of_database = database_files(settings).into_iter().map(|path| ("the database", path));
    let access = settings.audit.access_file.iter();
    let of_access = access.flat_map(|path| LOG_SUFFIXES.map(|suffix| with_suffix(path, suffix)));
    let beside = of_database.chain(of_access.map(|path| ("audit.access_file", path)));
    let beside = beside.map(|(what, path)| TakenFile::new(format!("it belongs to {what}"), &path));
    let mut taken = used_files(settings);
    taken.extend(beside);
    paths.into_iter().find_map(|path| {
        let file = TakenFile::new(String::new(), &path);
        let other = taken.iter().find(|other| other.is_same(&file))?;
        Some((path, other.why.clone()))
    })
}

/// All files that the server creates: in the data directory, the database and the logs.
pub(crate) fn server_files(settings: &Settings) -> Vec<PathBuf> {
    let mut files = OWN_NAMES.map(|name| settings.storage.data.join(name)).to_vec();
    files.extend(database_files(settings));
    let audit = &settings.audit;
    for log in std::iter::once(&audit.file).chain(&audit.access_file) {
        files.extend(LOG_SUFFIXES.map(|suffix| with_suffix(log, suffix)));
    }
    files
}

/// The files that the store and SQLite create.
pub(crate) fn database_files(settings: &Settings) -> Vec<PathBuf> {
    DATABASE_SUFFIXES.map(|suffix| with_suffix(&settings.storage.database, suffix)).to_vec()
}

/// The configured path, and the file to which it leads.
fn bases(path: &Path) -> [PathBuf; 2] {
    [path.to_owned(), resolve(path, LINKS_MAX)]
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The kind of the file at a path, if it is neither a file nor a character device.
fn wrong_kind(path: &Path) -> Option<&'static str> {
    let kind = std::fs::metadata(path).as_ref().map(Metadata::file_type).ok()?;
    if kind.is_file() || kind.is_char_device() {
        None
    } else if kind.is_dir() {
        Some("a directory")
    } else if kind.is_fifo() {
        Some("a named pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a block device")
    }
}

/// Resolves links to an absolute path, also of a file that does not exist yet.
fn resolve(path: &Path, links_left: usize) -> PathBuf {
    if let Ok(resolved) = std::fs::canonicalize(path) {
        return resolved;
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    // A dangling link: the file would be created at its target.
    if links_left > 0
        && let Ok(target) = std::fs::read_link(path)
    {
        return resolve(&parent.join(target), links_left - 1);
    }
    match path.file_name() {
        Some(name) if parent != path => resolve(parent, links_left).join(name),
        Some(_) | None => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_file_is_found_by_every_path_even_before_it_exists() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("file"), "").unwrap();
        std::fs::hard_link(at("file"), at("hard")).unwrap();
        std::os::unix::fs::symlink("file", at("soft")).unwrap();
        std::os::unix::fs::symlink("none", at("dangling")).unwrap();
        std::fs::create_dir(at("inner")).unwrap();
        let taken = |name: &str| TakenFile::new(String::new(), &at(name));
        for (one, other, expect) in [
            ("file", "file", true),
            ("file", "hard", true),
            ("hard", "soft", true),
            ("file", "inner/../file", true),
            ("none", "dangling", true),
            ("inner/none", "inner/../inner/none", true),
            ("missing/none", "missing/none", true),
            ("file", "none", false),
            ("none", "inner/none", false),
        ] {
            assert_eq!(taken(one).is_same(&taken(other)), expect, "{one} {other}");
        }
    }
}
