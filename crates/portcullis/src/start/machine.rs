//! What is asked of the machine before the start: a private directory, a port, files, a log.
//! Never: another program's directory or port taken over.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use portcullis_audit::Output;
use portcullis_server::ReservedPort;
use rustix::fs::{Access, access};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::config::ConfigError;
use crate::output::errln;

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
        errln!("the operational log was started before");
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

/// The name of the data directory in error texts; it is typed, and no key of the file.
const DATA: &str = "the data directory";

/// Makes the data directory, or closes it to others: keys lie in it.
pub(crate) fn prepare_directory(data: &Path) -> Result<()> {
    inspect_directory(data)?;
    let cannot_make = || format!("cannot make the data directory {}", data.display());
    DirBuilder::new().recursive(true).mode(0o700).create(data).with_context(cannot_make)?;
    let facts = std::fs::metadata(data).with_context(cannot_make)?;
    if facts.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    std::fs::set_permissions(data, Permissions::from_mode(0o700))
        .with_context(|| format!("cannot close {} to others", data.display()))
}

/// Checks that the data directory can be made or used. One that others may enter and that holds
/// foreign files is left alone.
pub(crate) fn inspect_directory(data: &Path) -> Result<(), ConfigError> {
    let fault = |why: String, mend: &str| ConfigError::file(DATA, data, why, mend);
    let elsewhere = "make it usable for this user, or name another with --data";
    let facts = match std::fs::metadata(data) {
        Ok(facts) => facts,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A dangling link exists, and no file can be created under its name.
            if data.is_symlink() {
                return Err(fault(String::from("it is a link to nothing"), elsewhere));
            }
            return inspect_parent(DATA, data, elsewhere);
        }
        Err(error) => return Err(fault(format!("it cannot be read ({error})"), elsewhere)),
    };
    if !facts.is_dir() {
        return Err(fault(String::from("it is not a directory"), elsewhere));
    }
    access(data, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| fault(format!("this user cannot use it ({error})"), elsewhere))?;
    let mode = facts.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let ours = OURS.iter().any(|name| data.join(name).exists());
    let empty = || data.read_dir().is_ok_and(|mut entries| entries.next().is_none());
    if !ours && !empty() {
        let why = format!("others may enter it (mode {mode:o}), and it holds foreign files");
        let mend = format!("name another with --data, or run: chmod 700 {}", data.display());
        return Err(fault(why, &mend));
    }
    let user = rustix::process::geteuid();
    if !user.is_root() && facts.uid() != user.as_raw() {
        let why =
            format!("others may enter it (mode {mode:o}), and it is not this user's to close");
        return Err(fault(why, elsewhere));
    }
    Ok(())
}

/// Checks that a file can be written, or made where it is not there. `is_inside` the data directory
/// its parent was checked, or will be made.
pub(crate) fn inspect_file(key: &str, path: &Path, is_inside: bool) -> Result<(), ConfigError> {
    let mend = "name a file that this user can write";
    let fault = |why: String| ConfigError::file(key, path, why, mend);
    match std::fs::metadata(path) {
        Ok(facts) if facts.is_dir() => Err(fault(String::from("it is a directory"))),
        Ok(_) => access(path, Access::READ_OK | Access::WRITE_OK)
            .map_err(|error| fault(format!("this user cannot read and write it ({error})"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_inside => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new("."));
            if !parent.is_dir() {
                return Err(fault(format!("{} is not a directory", parent.display())));
            }
            access(parent, Access::WRITE_OK | Access::EXEC_OK)
                .map_err(|error| fault(format!("it cannot be made in its directory ({error})")))
        }
        Err(error) => Err(fault(format!("it cannot be read ({error})"))),
    }
}

/// Checks that the nearest directory that exists above a path can be written.
fn inspect_parent(key: &str, path: &Path, mend: &str) -> Result<(), ConfigError> {
    let above = path
        .ancestors()
        .skip(1)
        .map(|above| if above.as_os_str().is_empty() { Path::new(".") } else { above });
    let fault = |why: String| Err(ConfigError::file(key, path, why, mend));
    for above in above {
        match std::fs::metadata(above) {
            Ok(facts) if !facts.is_dir() => {
                return fault(format!("{} is not a directory", above.display()));
            }
            Ok(_) => {
                let outcome = access(above, Access::WRITE_OK | Access::EXEC_OK);
                return match outcome {
                    Ok(()) => Ok(()),
                    Err(error) => {
                        fault(format!("it cannot be made in {} ({error})", above.display()))
                    }
                };
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return fault(format!("{}: {error}", above.display())),
        }
    }
    Ok(())
}

/// Checks that a listener could be opened: that the address is one of this machine's, that this
/// user may use the port, and that no other program listens there.
pub(crate) fn try_address(key: &str, address: SocketAddr) -> Result<()> {
    let error = match portcullis_server::try_bind(address) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    let fault = |why: &str, mend: &str| {
        Err(ConfigError::refused(key, address.to_string(), why, mend).into())
    };
    match error.kind() {
        io::ErrorKind::AddrNotAvailable => {
            fault("no interface of this machine has this address", "write one that it has")
        }
        io::ErrorKind::PermissionDenied => {
            let mend = "write a port from 1024 on, or give the program CAP_NET_BIND_SERVICE";
            fault("this user may not listen on this port", mend)
        }
        _ => Err(error).with_context(|| cannot_listen(address)),
    }
}

/// Fixes the port when it is 0, because origins name it, and refuses one that is taken.
pub(crate) fn reserve_port(address: SocketAddr) -> Result<(SocketAddr, ReservedPort)> {
    portcullis_server::reserve_port(address).with_context(|| cannot_listen(address))
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
