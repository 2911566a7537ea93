//! Checks of a built package that need no installation: files, modes, unit, scripts.
//! Never: a change of this machine.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::components::output;
use crate::command::{must, program, step};

/// The highest exposure of the unit that is accepted, in tenths, as systemd computes it.
const EXPOSURE_MAX: &str = "15";
/// Files that every package has, with their modes as `ls` shows them.
const EXPECTED: [(&str, &str); 28] = [
    ("etc/portcullis/portcullis.toml", "-rw-r-----"),
    ("lib/systemd/system/portcullis-backup.service", "-rw-r--r--"),
    ("lib/systemd/system/portcullis-backup.timer", "-rw-r--r--"),
    ("lib/systemd/system/portcullis.service", "-rw-r--r--"),
    ("usr/bin/portcullis", "-rwxr-xr-x"),
    ("usr/lib/sysusers.d/portcullis.conf", "-rw-r--r--"),
    ("usr/lib/tmpfiles.d/portcullis.conf", "-rw-r--r--"),
    ("usr/sbin/portcullisctl", "-rwxr-xr-x"),
    ("usr/share/bash-completion/completions/portcullis", "-rw-r--r--"),
    ("usr/share/doc/portcullis/CHANGELOG.md", "-rw-r--r--"),
    ("usr/share/doc/portcullis/README.md", "-rw-r--r--"),
    ("usr/share/doc/portcullis/SECURITY.md", "-rw-r--r--"),
    ("usr/share/doc/portcullis/changelog.gz", "-rw-r--r--"),
    ("usr/share/doc/portcullis/copyright", "-rw-r--r--"),
    ("usr/share/doc/portcullis/docs/backup.md", "-rw-r--r--"),
    ("usr/share/doc/portcullis/docs/configuration.md", "-rw-r--r--"),
    ("usr/share/doc/portcullis/docs/configuration-keys.md", "-rw-r--r--"),
    ("usr/share/doc/portcullis/docs/install.md", "-rw-r--r--"),
    ("usr/share/doc/portcullis/examples/portcullis.toml", "-rw-r--r--"),
    ("usr/share/doc/portcullis/licences.txt.gz", "-rw-r--r--"),
    ("usr/share/doc/portcullis/sbom.cdx.json", "-rw-r--r--"),
    ("usr/share/fish/vendor_completions.d/portcullis.fish", "-rw-r--r--"),
    ("usr/share/man/man1/portcullis.1.gz", "-rw-r--r--"),
    ("usr/share/man/man1/portcullis-check.1.gz", "-rw-r--r--"),
    ("usr/share/man/man1/portcullis-serve.1.gz", "-rw-r--r--"),
    ("usr/share/man/man1/portcullis-user-ban.1.gz", "-rw-r--r--"),
    ("usr/share/man/man8/portcullisctl.8.gz", "-rw-r--r--"),
    ("usr/share/zsh/vendor-completions/_portcullis", "-rw-r--r--"),
];

/// Checks a package.
pub(crate) fn check(deb: &Path) -> Result<()> {
    step("check the package");
    let mut contents = program("dpkg-deb", &["--contents"], ".");
    contents.arg(deb);
    check_contents(&output(contents)?)?;
    check_control(deb)?;
    let folder = extract(deb)?;
    check_unit(&folder)?;
    check_scripts(&folder)?;
    println!("the package is valid: {}", deb.display());
    Ok(())
}

/// Checks owners and modes of all files, and that the expected ones are there.
fn check_contents(contents: &str) -> Result<()> {
    let mut modes = BTreeMap::new();
    for line in contents.lines() {
        let mut words = line.split_whitespace();
        let (Some(mode), Some(owner)) = (words.next(), words.next()) else { continue };
        let path = words.nth(3).and_then(|path| path.strip_prefix("./")).unwrap_or_default();
        ensure!(owner == "root/root", "{path} belongs to {owner}");
        let is_open = mode.get(5..6) == Some("w") || mode.get(8..9) == Some("w");
        ensure!(!is_open, "{path} can be written by others than root ({mode})");
        modes.insert(path, mode);
    }
    for (path, expect) in EXPECTED {
        let seen = modes.get(path).with_context(|| format!("the package has no {path}"))?;
        ensure!(*seen == expect, "{path} has the mode {seen} and not {expect}");
    }
    Ok(())
}

fn check_control(deb: &Path) -> Result<()> {
    let field = |name: &str| {
        let mut command = program("dpkg-deb", &["--field"], ".");
        command.arg(deb).arg(name);
        output(command)
    };
    ensure!(field("Package")?.trim() == "portcullis", "the package has another name");
    let depends = field("Depends")?;
    ensure!(depends.contains("libc6 (>= 2."), "no dependency on the C library: {depends}");
    let mut info = program("dpkg-deb", &["--info"], ".");
    info.arg(deb).arg("conffiles");
    let conffiles = output(info)?;
    ensure!(conffiles == "/etc/portcullis/portcullis.toml\n", "conffiles: {conffiles}");
    Ok(())
}

/// Extracts the package with its control data beside it.
fn extract(deb: &Path) -> Result<PathBuf> {
    let folder = deb.with_extension("extracted");
    let _missing = std::fs::remove_dir_all(&folder);
    let mut command = program("dpkg-deb", &["--raw-extract"], ".");
    command.arg(deb).arg(&folder);
    must(command)?;
    Ok(folder)
}

fn check_unit(folder: &Path) -> Result<()> {
    for unit in ["portcullis.service", "portcullis-backup.service"] {
        let mut security = program("systemd-analyze", &["security", "--offline=true"], ".");
        let path = folder.join("lib/systemd/system").join(unit);
        security.arg(format!("--threshold={EXPOSURE_MAX}")).arg(path);
        let context = || format!("{unit} is less protected than EXPOSURE_MAX permits");
        output(security).with_context(context)?;
    }
    // The programs of the unit, as far as the package does not have them.
    let shell = folder.join("bin/sh");
    std::fs::create_dir_all(folder.join("bin"))?;
    std::fs::write(&shell, "")?;
    std::fs::set_permissions(&shell, PermissionsExt::from_mode(0o755))?;
    let verify = ["verify", "--man=no", "--recursive-errors=no"];
    let mut verify = program("systemd-analyze", &verify, ".");
    verify.arg(format!("--root={}", folder.display()));
    verify.args(["portcullis.service", "portcullis-backup.service", "portcullis-backup.timer"]);
    let findings = verify.output().context("cannot start systemd-analyze")?;
    let text = String::from_utf8_lossy(&findings.stderr);
    let about = text.lines().find(|line| line.contains("portcullis"));
    ensure!(about.is_none(), "systemd-analyze verify: {}", about.unwrap_or_default());
    Ok(())
}

/// Checks that shells can read all scripts.
fn check_scripts(folder: &Path) -> Result<()> {
    for (shell, path) in [
        ("sh", "DEBIAN/postinst"),
        ("sh", "DEBIAN/prerm"),
        ("sh", "DEBIAN/postrm"),
        ("sh", "usr/sbin/portcullisctl"),
        ("bash", "usr/share/bash-completion/completions/portcullis"),
    ] {
        let mut command = program(shell, &["-n"], ".");
        command.arg(folder.join(path));
        must(command)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(change: impl Fn(&str, &str) -> Option<String>) -> String {
        let line = |(path, mode): (&str, &str)| {
            change(path, mode)
                .unwrap_or_else(|| format!("{mode} root/root 12 2026-11-29 00:00 ./{path}\n"))
        };
        EXPECTED.into_iter().map(line).collect()
    }

    #[test]
    fn missing_open_or_foreign_file_is_rejected() {
        check_contents(&contents(|_, _| None)).unwrap();
        for (line, expect) in [
            ("", "has no usr/bin/portcullis"),
            ("-rwxr-xr-x ada/ada 1 2026-11-29 00:00 ./x\n", "belongs to ada"),
            ("-rwxr-xrwx root/root 1 2026-11-29 00:00 ./x\n", "can be written"),
            ("-rwxrwxr-x root/root 1 2026-11-29 00:00 ./x\n", "can be written"),
            ("-rw-r--r-- root/root 1 2026-11-29 00:00 ./usr/bin/portcullis\n", "has the mode"),
        ] {
            let text = contents(|path, _| (path == "usr/bin/portcullis").then(|| line.to_owned()));
            let error = check_contents(&text).unwrap_err().to_string();
            assert!(error.contains(expect), "{line}: {error}");
        }
    }
}
