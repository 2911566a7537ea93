//! Prepares the machine before the start: private data directory, ports, files, operational log.
//! Never: use of another program's directory or port.

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
use crate::output::{errln, shell_path};

/// Sends the operational log to standard error, as JSON lines; `RUST_LOG` selects the level.
///
/// A reader that is too slow loses lines; it blocks no thread of the server.
pub(crate) fn start_log(errors: &Output) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let errors = errors.clone();
    let writer = move || errors.clone();
    let log = tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(writer);
    if log.try_init().is_err() {
        errln!("cannot start the operational log a second time");
    }
    // The default hook writes to standard error directly, and blocks on a slow reader.
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "a thread panicked")));
}

/// Raises the limit of open files to its maximum: each connection is a file.
pub(crate) fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if setrlimit(Resource::Nofile, limit).is_err() {
        tracing::warn!("cannot raise the limit of open files: fewer connections are possible");
    }
}

/// Disables huge pages: memory of closed connections returns to the system.
pub(crate) fn small_pages() {
    if rustix::thread::disable_transparent_huge_pages(true).is_err() {
        tracing::debug!("cannot disable huge pages");
    }
}

/// Files that identify a data directory of Portcullis.
const OURS: [&str; 3] = ["portcullis.db", "token-signing.ed25519.pkcs8", "setup-token.sha256"];

/// Name of the data directory in error texts: an option, not a configuration key.
const DATA: &str = "the data directory";

/// Creates the data directory, or makes it private: it contains keys.
pub(crate) fn prepare_directory(data: &Path) -> Result<()> {
    inspect_directory(data)?;
    let cannot_create = || format!("cannot create the data directory {}", data.display());
    DirBuilder::new().recursive(true).mode(0o700).create(data).with_context(cannot_create)?;
    let facts = std::fs::metadata(data).with_context(cannot_create)?;
    if facts.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    std::fs::set_permissions(data, Permissions::from_mode(0o700))
        .with_context(|| format!("cannot make {} private (chmod 700)", data.display()))
}

/// Checks that the data directory can be created or used. A directory with foreign files that
/// other users can enter is not changed.
pub(crate) fn inspect_directory(data: &Path) -> Result<(), ConfigError> {
    let fault = |why: String, mend: &str| ConfigError::file(DATA, data, why, mend);
    let elsewhere = "give this user access, or name another directory with --data";
    let facts = match std::fs::metadata(data) {
        Ok(facts) => facts,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A dangling link exists, so no directory can be created with its name.
            if data.is_symlink() {
                return Err(fault(String::from("it is a link to a missing file"), elsewhere));
            }
            return inspect_parent(DATA, data, elsewhere);
        }
        Err(error) => return Err(fault(format!("it cannot be read ({error})"), elsewhere)),
    };
    if !facts.is_dir() {
        return Err(fault(String::from("it is not a directory"), elsewhere));
    }
    access(data, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
        let (owner, user) = (facts.uid(), rustix::process::geteuid().as_raw());
        let why = format!("it belongs to uid {owner}, and this user (uid {user}) cannot use it");
        let mend = format!(
            "run the command as its owner, or, if uid {user} is the user of the server, run as \
             root: chown -R {user}:{} {}",
            rustix::process::getegid().as_raw(),
            shell_path(data)
        );
        fault(format!("{why} ({error})"), &mend)
    })?;
    let mode = facts.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let ours = OURS.iter().any(|name| data.join(name).exists());
    let empty = || data.read_dir().is_ok_and(|mut entries| entries.next().is_none());
    if !ours && !empty() {
        let why =
            format!("other users can enter it (mode {mode:o}), and it contains foreign files");
        let mend =
            format!("name another directory with --data, or run: chmod 700 {}", shell_path(data));
        return Err(fault(why, &mend));
    }
    let user = rustix::process::geteuid();
    if !user.is_root() && facts.uid() != user.as_raw() {
        let why = format!("other users can enter it (mode {mode:o}), and another user owns it");
        let mend = format!(
            "name a directory of this user with --data, such as {}",
            shell_path(&data.join("data"))
        );
        return Err(fault(why, &mend));
    }
    Ok(())
}

/// The mode of the data directory, if other users can enter it or write to it.
///
/// The start makes the directory private.
pub(crate) fn open_mode(data: &Path) -> Option<u32> {
    let mode = std::fs::metadata(data).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

/// Checks that a file can be written or created. With `is_inside` the data directory, its parent
/// was checked before.
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
                .map_err(|error| fault(format!("it cannot be created in its directory ({error})")))
        }
        Err(error) => Err(fault(format!("it cannot be read ({error})"))),
    }
}

/// Checks that the nearest existing directory above a path can be written.
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
                        fault(format!("it cannot be created in {} ({error})", above.display()))
                    }
                };
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return fault(format!("{}: {error}", above.display())),
        }
    }
    Ok(())
}

/// Checks that a listener can be opened: the address belongs to this machine, this user can use
/// the port, and no other program uses it.
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
            // The address can arrive later, so a service manager must try again: exit code 1.
            let why = "no interface of this machine has this address";
            let mend = "write an address of this machine, or add the address to it";
            let fault = ConfigError::refused(key, address.to_string(), why, mend);
            Err(anyhow::Error::msg(fault.to_string()))
        }
        io::ErrorKind::PermissionDenied => {
            let remedy = "write a port from 1024, or give the program CAP_NET_BIND_SERVICE";
            fault("this user is not allowed to use this port", remedy)
        }
        _ => Err(error).with_context(|| cannot_listen(address)),
    }
}

/// Chooses the port when it is 0, because origins contain it; rejects one that is in use.
pub(crate) fn reserve_port(address: SocketAddr) -> Result<(SocketAddr, ReservedPort)> {
    portcullis_server::reserve_port(address).with_context(|| cannot_listen(address))
}

fn cannot_listen(address: SocketAddr) -> String {
    format!("cannot listen on {address}: stop the program that uses it, or change [listen]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_directory_is_made_private_except_a_foreign_one() {
        // A file in it, its mode, whether it is accepted.
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
            let prepared = prepare_directory(path);
            assert_eq!(prepared.is_ok(), expect, "{file:?} {mode:o}");
            let after = std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(after, if expect { 0o700 } else { mode }, "{file:?}");
        }
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("a/b");
        prepare_directory(&deep).unwrap();
        assert_eq!(std::fs::metadata(deep).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn address_of_no_interface_is_not_a_fault_of_the_configuration() {
        // 192.0.2.0/24 is for documents (RFC 5737).
        let error = try_address("listen.probe", "192.0.2.1:9080".parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("listen.probe is 192.0.2.1:9080"), "{error}");
        assert!(!error.is::<ConfigError>(), "exit code 2 stops the attempts of systemd");
    }

    #[test]
    fn port_in_use_by_another_program_is_rejected() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = reserve_port(address).unwrap_err().to_string();
        assert!(error.contains("stop the program"), "{error}");
    }
}
