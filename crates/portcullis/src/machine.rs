//! What is asked of the machine before the start: a private directory, a port, files, a log.
//! Never: another program's directory or port taken over.

use std::fs::{DirBuilder, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use portcullis_audit::Output;
use portcullis_server::ReservedPort;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::config::ConfigError;

/// Sends the operational log to standard error, as JSON lines; `RUST_LOG` selects the level.
///
/// A reader that does not read loses lines; it stops no thread of the server.
pub(crate) fn start_log(errors: &Output) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let errors = errors.clone();
    let writer = move || errors.clone();
    let log = tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(writer);
    if log.try_init().is_err() {
        eprintln!("the operational log was started before");
    }
    // The usual hook writes to standard error by itself, and waits for its reader.
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "a thread panicked")));
}

/// Allows as many open files as this user may have: each connection is one.
pub(crate) fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if setrlimit(Resource::Nofile, limit).is_err() {
        tracing::warn!("the limit of open files stays as it is; connections may be fewer");
    }
}

/// Asks for memory in small pages: what many small connections leave free goes back to the system,
/// and a huge page half used is not held for them.
pub(crate) fn small_pages() {
    if rustix::thread::disable_transparent_huge_pages(true).is_err() {
        tracing::debug!("huge pages stay as the system has them");
    }
}

/// Files that show a directory to be ours.
const OURS: [&str; 3] = ["portcullis.db", "token-signing.ed25519.pkcs8", "setup-token.sha256"];

/// Makes the data directory, or closes it to others: keys lie in it.
///
/// One that others may enter and that holds foreign files is left alone and refused.
pub(crate) fn prepare_directory(data: &Path) -> Result<()> {
    let cannot_make = || format!("cannot make the data directory {}", data.display());
    DirBuilder::new().recursive(true).mode(0o700).create(data).with_context(cannot_make)?;
    let facts = std::fs::metadata(data).with_context(cannot_make)?;
    let mode = facts.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let ours = OURS.iter().any(|name| data.join(name).exists());
    let empty = || data.read_dir().is_ok_and(|mut entries| entries.next().is_none());
    if !ours && !empty() {
        return Err(ConfigError::refused(
            "the data directory",
            data.display().to_string(),
            format!("others may enter it (mode {mode:o}), and it holds files of something else"),
            format!("name another with --data, or run: chmod 700 {}", data.display()),
        )
        .into());
    }
    std::fs::set_permissions(data, Permissions::from_mode(0o700))
        .with_context(|| format!("cannot close {} to others", data.display()))
}

/// Fixes the port when it is 0, because origins name it, and refuses one that is taken.
pub(crate) fn reserve_port(address: SocketAddr) -> Result<(SocketAddr, ReservedPort)> {
    portcullis_server::reserve_port(address).with_context(|| cannot_listen(address))
}

/// Refuses an address somebody listens on, although they would share it with us.
pub(crate) fn refuse_taken(address: SocketAddr) -> Result<()> {
    portcullis_server::refuse_taken(address).with_context(|| cannot_listen(address))
}

fn cannot_listen(address: SocketAddr) -> String {
    format!("cannot listen on {address}; stop what does, or choose another under [listen]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_closed_to_others_but_never_a_foreign_one() {
        // What lies in it, its mode, whether it is taken.
        let cases = [
            (None, 0o755, true),
            (None, 0o700, true),
            (Some("portcullis.db"), 0o755, true),
            (Some("letter.txt"), 0o700, true),
            (Some("letter.txt"), 0o750, false),
            (Some("letter.txt"), 0o755, false),
        ];
        for (file, mode, expect) in cases {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path();
            if let Some(file) = file {
                std::fs::write(path.join(file), "").unwrap();
            }
            std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            let taken = prepare_directory(path);
            assert_eq!(taken.is_ok(), expect, "{file:?} {mode:o}");
            let after = std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(after, if expect { 0o700 } else { mode }, "{file:?}");
        }
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("a/b");
        prepare_directory(&deep).unwrap();
        assert_eq!(std::fs::metadata(deep).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_port_is_fixed_once_and_never_shared_with_a_stranger() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = reserve_port(address).unwrap_err().to_string();
        assert!(error.contains("stop what does"), "{error}");
    }
}
