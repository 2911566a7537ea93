//! Installs what the tests need, with the package managers of the system.
//! Never: downloads a file itself; never installs a package that is there.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{is_there, must, program, root, step};

/// Oldest Node.js that works.
const NODE_MIN: u32 = 20;
/// Oldest Python that runs the Python story.
const PYTHON_MIN: (u32, u32) = (3, 11);
/// An environment of Python: its folder below Cargo's build folder, and the file that lists its
/// packages, each with its exact version.
type PythonEnvironment = (&'static str, &'static str);
/// The Python story.
const STORIES: PythonEnvironment = ("python-stories", "tests/clients/python/requirements.txt");
/// The checks of containers and manifests.
const DEPLOYMENT: PythonEnvironment = ("python-deployment", "tests/deploy/requirements.txt");
/// The version of mdBook, which builds the site of the documentation.
const MDBOOK: &str = "0.5.4";
/// Folders with an npm lock file of their own.
const NODE_FOLDERS: [&str; 3] = ["web", "tests/clients", "examples/own-login"];

/// Installs everything that the tests need except Rust and Node.js.
pub(crate) fn for_tests() -> Result<()> {
    step("install: what the tests need");
    if !is_there("cargo-nextest") {
        must(program("cargo", &["install", "cargo-nextest", "--locked"], "."))?;
    }
    mdbook()?;
    check_node()?;
    // The compiler of the fuzz targets and of the bundled C libraries.
    if !is_there("g++") {
        apt("g++")?;
    }
    if std::env::var_os("CHROMIUM_BIN").is_none() && !is_there("chromium") {
        apt("chromium")?;
    }
    for proxy in ["nginx", "haproxy"] {
        if !is_installed(proxy) {
            apt(proxy)?;
        }
    }
    if !is_installed("prometheus-alertmanager") {
        apt("prometheus-alertmanager")?;
    }
    // `promtool` checks the alert rules.
    if !is_there("promtool") {
        apt("prometheus")?;
    }
    // `systemd-analyze` checks the unit, `objcopy` divides the binary, `pebble` issues
    // certificates.
    let programs = [("systemd-analyze", "systemd"), ("objcopy", "binutils"), ("pebble", "pebble")];
    for (program, package) in programs {
        if !is_installed(program) {
            apt(package)?;
        }
    }
    if !is_installed("rsyslogd") {
        apt("rsyslog")?;
    }
    if !has_rsyslog_tls() {
        apt("rsyslog-openssl")?;
    }
    // The mail server of the tests runs with the interpreter of Debian.
    if !Path::new("/usr/lib/python3/dist-packages/aiosmtpd").is_dir() {
        apt("python3-aiosmtpd")?;
    }
    for folder in NODE_FOLDERS {
        node_packages(folder)?;
    }
    python_packages(STORIES)?;
    python_packages(DEPLOYMENT)
}

/// The program mdBook in the version of this project. It is in a folder of its own in Cargo's home,
/// so another version of the user stays, and all copies of this repository share it.
pub(crate) fn mdbook() -> Result<PathBuf> {
    let folder = cargo_home()?.join(format!("mdbook-{MDBOOK}"));
    let binary = folder.join("bin/mdbook");
    if binary.is_file() {
        return Ok(binary);
    }
    let folder = folder.to_string_lossy();
    let what = ["install", "mdbook", "--version", MDBOOK, "--locked", "--root", &folder];
    // Without its server and its watch of files, it has half as many dependencies.
    let features = ["--no-default-features", "--features", "search"];
    must(program("cargo", &[&what[..], &features].concat(), "."))?;
    Ok(binary)
}

/// The folder of Cargo with its installed programs.
fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os("CARGO_HOME") {
        return Ok(home.into());
    }
    let home = std::env::var_os("HOME").context("neither CARGO_HOME nor HOME is set")?;
    Ok(PathBuf::from(home).join(".cargo"))
}

/// Installs what the build of the Rust client needs.
pub(crate) fn for_acceptance() -> Result<()> {
    let mut found = program("pkg-config", &["--exists", "openssl"], ".");
    if is_there("pkg-config") && found.status().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    apt("pkg-config").and_then(|()| apt("libssl-dev"))
}

/// Installs what the trial of a package needs.
pub(crate) fn for_trial() -> Result<()> {
    let programs = [
        ("debootstrap", "debootstrap"),
        ("systemd-nspawn", "systemd-container"),
        ("lintian", "lintian"),
        ("openssl", "openssl"),
    ];
    for (program, package) in programs {
        if !is_installed(program) {
            apt(package)?;
        }
    }
    Ok(())
}

/// Whether rsyslog has its TLS module, which is a package of its own.
fn has_rsyslog_tls() -> bool {
    let mut folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    folders.any(|folder| folder.path().join("rsyslog/lmnsd_ossl.so").is_file())
}

/// Whether a server program is installed. Debian keeps some of them in `/usr/sbin`, which is not in
/// every user's `PATH`.
fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let sbin = std::iter::once(PathBuf::from("/usr/sbin"));
    std::env::split_paths(&path).chain(sbin).any(|folder| folder.join(name).is_file())
}

fn check_node() -> Result<()> {
    let output = Command::new("node").arg("--version").output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    match version.as_deref().ok().and_then(major) {
        Some(major) if major >= NODE_MIN => Ok(()),
        Some(major) => bail!("Node.js {major} is too old: install version {NODE_MIN} or newer"),
        None => bail!("Node.js {NODE_MIN} or newer is needed for the page and the stories"),
    }
}

/// `v20.20.2` is 20.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// Installs the packages of one folder, exactly as its lock file names them.
pub(crate) fn node_packages(folder: &str) -> Result<()> {
    let installed = root().join(folder).join("node_modules/.package-lock.json");
    let lock = root().join(folder).join("package-lock.json");
    let modified = |path: &Path| std::fs::metadata(path).and_then(|facts| facts.modified());
    if let (Ok(installed), Ok(lock)) = (modified(&installed), modified(&lock))
        && installed >= lock
    {
        return Ok(());
    }
    must(program("npm", &["ci", "--no-audit", "--no-fund"], folder))
}

/// Installs the packages of an environment, which no other program uses.
fn python_packages((name, requirements): PythonEnvironment) -> Result<()> {
    let wanted = root().join(requirements);
    let wanted = std::fs::read(&wanted).with_context(|| format!("read {}", wanted.display()))?;
    let environment = target().join(name);
    // Written last, so it proves that all packages are installed.
    let done = environment.join("installed.txt");
    if std::fs::read(&done).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    check_python()?;
    let folder = environment.to_string_lossy();
    must(program("python3", &["-m", "venv", "--clear", &folder], "."))?;
    let python = environment.join("bin/python");
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary"];
    let what = [":all:", "--no-deps", "--requirement", requirements];
    must(program(&python.to_string_lossy(), &[&pip[..], &what].concat(), "."))?;
    std::fs::write(&done, wanted).with_context(|| format!("write {}", done.display()))
}

fn check_python() -> Result<()> {
    let output = Command::new("python3").arg("--version").output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let (major, minor) = PYTHON_MIN;
    if version.as_deref().ok().and_then(python_version).is_none_or(|seen| seen < PYTHON_MIN) {
        bail!("Python {major}.{minor} or newer is needed for its story");
    }
    // Debian has a separate package for virtual environments.
    let pip = Command::new("python3").args(["-m", "ensurepip", "--version"]).output();
    if !pip.is_ok_and(|output| output.status.success()) {
        apt("python3-venv")?;
    }
    Ok(())
}

/// `Python 3.11.7` is 3 and 11.
fn python_version(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim().strip_prefix("Python ")?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Cargo's build folder.
pub(crate) fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR");
    target.map_or_else(|| root().join("target"), Into::into)
}

/// The Python interpreter of the Python story.
pub(crate) fn story_python() -> PathBuf {
    target().join(STORIES.0).join("bin/python")
}

/// The Python interpreter of the checks of containers and manifests, with its packages.
pub(crate) fn deployment_python() -> Result<PathBuf> {
    python_packages(DEPLOYMENT)?;
    Ok(target().join(DEPLOYMENT.0).join("bin/python"))
}

fn apt(package: &str) -> Result<()> {
    println!("installing the Debian package {package}");
    if !is_root() {
        bail!("{package} is missing: run `apt-get install {package}` as root and start again");
    }
    let apt_get = |arguments: &[&str]| {
        let mut command = program("apt-get", arguments, ".");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        must(command)
    };
    apt_get(&["update", "-qq"])
        .and_then(|()| apt_get(&["install", "-y", "-qq", "--no-install-recommends", package]))
        .with_context(|| format!("install {package} yourself and start again"))
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_python() {
        let cases = [
            ("Python 3.11.7\n", Some((3, 11))),
            ("Python 3.9.2", Some((3, 9))),
            ("Python 4.0", Some((4, 0))),
            ("3.11", None),
            ("Python 3", None),
            ("", None),
        ];
        for (version, expect) in cases {
            assert_eq!(python_version(version), expect, "{version:?}");
        }
    }

    #[test]
    fn versions_of_node() {
        let cases = [("v20.20.2\n", Some(20)), ("v8.0.0", Some(8)), ("20", None), ("", None)];
        for (version, expect) in cases {
            assert_eq!(major(version), expect, "{version:?}");
        }
    }
}
