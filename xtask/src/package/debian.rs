//! The Debian package: control data, scripts, and the archive.
//! Never: a file whose owner is not root; the user of the service is made at the installation.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::build::source_moment;
use super::components::output;
use super::files::{DOCUMENTS, PackagedFile, compressed, files, write};
use crate::command::{is_there, must, program, root, step};

/// The version of the package: that of all crates.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The maintainer, unless `DEBFULLNAME` and `DEBEMAIL` name another one.
const MAINTAINER: (&str, &str) = ("Portcullis", "portcullis@localhost.localdomain");
/// Scripts that dpkg runs.
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// Fails if a program is missing.
pub(crate) fn check_tools() -> Result<()> {
    for (tool, package) in [("dpkg-deb", "dpkg"), ("objcopy", "binutils"), ("gzip", "gzip")] {
        if !is_there(tool) {
            bail!(
                "{tool} is missing: install the package {package}; packages need a Debian system"
            );
        }
    }
    Ok(())
}

/// How the archive is compressed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Compression {
    /// As small as possible, in a minute.
    Xz,
    /// In a second, for tests.
    Fast,
}

/// Builds the package from a binary and the lists of components; returns its path.
pub(crate) fn build(binary: &Path, folder: &Path, compression: Compression) -> Result<PathBuf> {
    step("Debian package");
    let mut all = files(binary, folder)?;
    let staged = folder.join("staged");
    let _missing = std::fs::remove_dir_all(&staged);
    let architecture = output(program("dpkg", &["--print-architecture"], "."))?;
    let architecture = architecture.trim();
    let moment = source_moment()?;
    let changelog = folder.join("changelog");
    std::fs::write(&changelog, changes(&moment)?)?;
    let path = format!("{DOCUMENTS}/changelog.gz");
    all.push(PackagedFile { path, mode: 0o644, content: compressed(&changelog)? });
    write(&all, &staged)?;
    let mut control = all_scripts()?;
    let kib: usize = all.iter().map(|file| file.content.len().div_ceil(1024)).sum();
    let libraries = libraries(binary)?;
    control.push(text("control", 0o644, control_file(architecture, kib, &libraries)));
    control.push(text("conffiles", 0o644, conffiles(&all)));
    control.push(text("md5sums", 0o644, digests(&all, &staged)?));
    write(&control, &staged)?;
    let deb = folder.join(format!("portcullis_{VERSION}_{architecture}.deb"));
    let kind: &[&str] = match compression {
        Compression::Xz => &["-Zxz"],
        Compression::Fast => &["-Zgzip", "-z1"],
    };
    let mut command = program("dpkg-deb", &["--root-owner-group"], ".");
    command.args(kind).arg("--build").arg(&staged).arg(&deb).env("SOURCE_DATE_EPOCH", &moment);
    must(command)?;
    Ok(deb)
}

fn text(name: &str, mode: u32, content: String) -> PackagedFile {
    PackagedFile { path: format!("DEBIAN/{name}"), mode, content: content.into_bytes() }
}

fn all_scripts() -> Result<Vec<PackagedFile>> {
    let read = |name: &str| {
        let content = std::fs::read_to_string(root().join("packaging/debian").join(name));
        Ok(text(name, 0o755, content.with_context(|| format!("read {name}"))?))
    };
    SCRIPTS.into_iter().map(read).collect()
}

fn maintainer() -> String {
    let named = |key, otherwise: &str| {
        let value = std::env::var_os(key).map(|value| value.to_string_lossy().into_owned());
        value.unwrap_or_else(|| String::from(otherwise))
    };
    format!("{} <{}>", named("DEBFULLNAME", MAINTAINER.0), named("DEBEMAIL", MAINTAINER.1))
}

fn control_file(architecture: &str, kib: usize, libraries: &str) -> String {
    format!(
        "Package: portcullis\n\
         Version: {VERSION}\n\
         Architecture: {architecture}\n\
         Maintainer: {}\n\
         Installed-Size: {kib}\n\
         Depends: {libraries}, systemd | systemd-standalone-sysusers, \
         systemd | systemd-standalone-tmpfiles\n\
         Recommends: ca-certificates\n\
         Section: net\n\
         Priority: optional\n\
         Description: secure real-time server for WebSocket and Socket.IO\n \
         Portcullis serves Socket.IO and plain WebSocket clients with all security\n \
         checks on by default: origins, tokens, roles, limits, input validation and\n \
         replay protection. It has accounts, rooms, history and moderation, a chat\n \
         page and a dashboard.\n",
        maintainer()
    )
}

/// A changelog in the format of Debian; the changes are in CHANGELOG.md.
fn changes(moment: &str) -> Result<String> {
    let mut date = program("date", &["-u", "-R", "-d"], ".");
    date.arg(format!("@{moment}")).env("LC_ALL", "C");
    let date = output(date)?;
    Ok(format!(
        "portcullis ({VERSION}) stable; urgency=medium\n\n  * The changes are in \
         /{DOCUMENTS}/CHANGELOG.md.\n\n -- {}  {}",
        maintainer(),
        date
    ))
}

/// Files that an upgrade leaves as the operator has changed them.
fn conffiles(files: &[PackagedFile]) -> String {
    let inside = files.iter().filter(|file| file.path.starts_with("etc/"));
    inside.map(|file| format!("/{}\n", file.path)).collect()
}

fn digests(files: &[PackagedFile], staged: &Path) -> Result<String> {
    let mut command = program("md5sum", &["--"], ".");
    let packaged = files.iter().filter(|file| !file.path.starts_with("etc/"));
    command.args(packaged.map(|file| file.path.as_str())).current_dir(staged);
    output(command)
}

/// The packages of the shared libraries, with the version of the C library that is needed.
fn libraries(binary: &Path) -> Result<String> {
    let mut command = program("objdump", &["-p"], ".");
    command.arg(binary);
    needed_packages(&output(command)?)
}

/// Reads the section of needed libraries, and of needed versions.
fn needed_packages(facts: &str) -> Result<String> {
    let mut packages = Vec::new();
    for line in facts.lines().filter_map(|line| line.trim().strip_prefix("NEEDED")) {
        let package = match line.trim() {
            "libgcc_s.so.1" => "libgcc-s1 (>= 4.2)",
            "libc.so.6" | "libm.so.6" | "libdl.so.2" | "libpthread.so.0" => continue,
            name if name.starts_with("ld-linux") => continue,
            name => bail!("no package is known for {name}: add it in needed_packages"),
        };
        packages.push(String::from(package));
    }
    let versions = facts.split_whitespace().filter_map(|word| word.strip_prefix("GLIBC_"));
    let newest = versions.filter_map(version).max().context("the binary needs no C library")?;
    packages.insert(0, format!("libc6 (>= {}.{})", newest.0, newest.1));
    Ok(packages.join(", "))
}

/// `2.34` or `2.2.5`: the first two numbers.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_of_a_binary_become_packages() {
        let facts = "  NEEDED               libgcc_s.so.1\n  NEEDED               libc.so.6\n \
                     Version References:\n  0x09691a75 0x00 03 GLIBC_2.2.5\n  0x0 0x00 09 \
                     GLIBC_2.34\n  0x0 0x00 09 GLIBC_2.9\n  0x0 0x00 09 GCC_3.0\n";
        assert_eq!(needed_packages(facts).unwrap(), "libc6 (>= 2.34), libgcc-s1 (>= 4.2)");
        let other = facts.replace("libgcc_s.so.1", "libssl.so.3");
        assert!(needed_packages(&other).unwrap_err().to_string().contains("libssl.so.3"));
        assert!(needed_packages("").is_err());
    }

    #[test]
    fn configuration_is_a_conffile_and_nothing_else() {
        let file = |path: &str| PackagedFile {
            path: String::from(path),
            mode: 0o644,
            content: Vec::new(),
        };
        let all = [file("usr/bin/portcullis"), file("etc/portcullis/portcullis.toml")];
        assert_eq!(conffiles(&all), "/etc/portcullis/portcullis.toml\n");
    }
}
