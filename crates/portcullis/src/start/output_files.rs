//! Checks that no file the server writes is one that it reads, or keeps for another purpose.
//! Never: anything opened or created; paths and the numbers of files are compared.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::config::{ConfigError, Settings};
use crate::start::log_key;

/// Files of the data directory that the server makes itself; see `docs/keys.md`.
const OWN_NAMES: [&str; 12] = [
    "token-signing.ring",
    "token-signing.ed25519.pkcs8",
    "field-keys.ring",
    "sessions.secret",
    "setup-token.sha256",
    "ca.pem",
    "ca.key",
    "tls.pem",
    "tls.key",
    LOG_NUMBERS,
    log_key::FILE_NAME,
    ACCESS_NUMBERS,
];

/// The file that keeps the last number of the security log.
pub(crate) const LOG_NUMBERS: &str = "security-log.sequence";
/// The same for `audit.access_file`.
pub(crate) const ACCESS_NUMBERS: &str = "access-log.sequence";

/// What the store makes beside the database, and SQLite beside the file that a link leads to.
const DATABASE_SUFFIXES: [&str; 6] = ["", "-wal", "-shm", "-journal", ".lock", ".reserve"];
/// What is made beside a log.
const LOG_SUFFIXES: [&str; 2] = ["", ".reserve"];

/// Most links that are followed to a file which does not exist yet.
const LINKS_MAX: usize = 40;

/// A file that has a purpose.
struct TakenFile {
    /// Whose it is, as the reason of a rejection.
    why: String,
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl TakenFile {
    fn new(why: String, path: &Path) -> Self {
        let identity = std::fs::metadata(path).ok().map(|facts| (facts.dev(), facts.ino()));
        Self { why, path: resolve(path, LINKS_MAX), identity }
    }

    /// Whether both names lead to one file, now or once it exists.
    fn is_same(&self, other: &Self) -> bool {
        self.path == other.path || (self.identity.is_some() && self.identity == other.identity)
    }
}

/// Checks `store.url`, `audit.file` and `audit.access_file`, with what is made beside them.
///
/// # Errors
/// The first file that has another purpose, or is neither a file nor a device of characters.
pub(crate) fn inspect_output_files(settings: &Settings) -> Result<(), ConfigError> {
    let mut taken = files_read(settings);
    let audit = &settings.audit;
    let outputs: [(&str, Option<&PathBuf>, &[&str]); 3] = [
        ("store.url", Some(&settings.database), &DATABASE_SUFFIXES),
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

/// Everything that is read from the configuration's paths or kept in the data directory.
fn files_read(settings: &Settings) -> Vec<TakenFile> {
    let named = settings.input_files().into_iter().map(|(key, path)| {
        let why = match key {
            Some(key) => format!("{key} names the same file"),
            None => String::from("it is the configuration file"),
        };
        TakenFile::new(why, path)
    });
    let own = OWN_NAMES.map(|name| {
        TakenFile::new(format!("it is the server's own {name}"), &settings.data.join(name))
    });
    named.chain(own).collect()
}

/// The path as it is written, and the file that it leads to.
fn bases(path: &Path) -> [PathBuf; 2] {
    [path.to_owned(), resolve(path, LINKS_MAX)]
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// What stands under the path, if lines and rows cannot be kept in it.
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

/// The absolute path without links, also of a file that does not exist yet.
fn resolve(path: &Path, links_left: usize) -> PathBuf {
    if let Ok(there) = std::fs::canonicalize(path) {
        return there;
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    // A link to nothing: the file would be created where it leads.
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
    fn paths_lead_to_one_file_by_any_name_also_before_it_exists() {
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
