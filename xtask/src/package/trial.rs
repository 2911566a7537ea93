//! `cargo xtask package --try`: installs a package in a fresh Debian with systemd, and uses it.
//! Never: a change of this machine beyond the build folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::command::{must, program, root, step};
use crate::install::{self, target};

/// The release of Debian.
const RELEASE: &str = "bookworm";
/// Packages beside the smallest Debian.
const PACKAGES: &str = "--include=systemd,systemd-sysv,dbus,curl,ca-certificates,pebble,python3";
/// The folder of the fresh Debian; another name for other packages, because it is made once.
const BASE: &str = "base-with-authorities";
/// The longest time of a trial in seconds.
const TRIAL_MAX_S: &str = "300";
/// Runs the script once, and stops the machine.
const UNIT: &str = "[Unit]\nAfter=multi-user.target\n\n[Service]\nType=oneshot\n\
    ExecStart=/bin/bash /root/trial.sh\nExecStopPost=/bin/systemctl poweroff --no-block\n\
    StandardOutput=file:/root/trial.log\nStandardError=inherit\n";

/// Installs and uses a package.
pub(crate) fn run(deb: &Path) -> Result<()> {
    install::for_trial()?;
    lint(deb)?;
    let folder = target().join("package-trial");
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let machine = machine(&folder)?;
    step("install and use the package in a fresh Debian");
    std::fs::copy(deb, machine.join("root/portcullis.deb")).context("copy the package")?;
    for script in ["trial.sh", "trial-connections.py"] {
        let from = root().join("packaging").join(script);
        std::fs::copy(from, machine.join("root").join(script))?;
    }
    std::fs::write(machine.join("etc/systemd/system/trial.service"), UNIT)?;
    let wanted = machine.join("etc/systemd/system/default.target.wants");
    std::fs::create_dir_all(&wanted)?;
    std::os::unix::fs::symlink("../trial.service", wanted.join("trial.service"))?;
    certificate(&machine.join("root"))?;
    // In a namespace of its own, because the container program needs a writable /run; without a
    // network, so that the addresses of the template are free.
    let boot = format!(
        "mount -t tmpfs tmpfs /run && exec timeout {TRIAL_MAX_S} systemd-nspawn --quiet \
         --register=no --keep-unit --private-network --console=pipe --directory={} --boot",
        machine.display()
    );
    let mut container = program("unshare", &["--mount", "sh", "-c", &boot], ".");
    let booted = container.output().context("cannot start unshare")?;
    let log = std::fs::read_to_string(machine.join("root/trial.log")).unwrap_or_default();
    println!("{log}");
    if !log.ends_with("trial: passed\n") {
        let console = String::from_utf8_lossy(&booted.stdout);
        let errors = String::from_utf8_lossy(&booted.stderr);
        bail!("the trial failed ({}); the console:\n{console}{errors}", booted.status);
    }
    std::fs::remove_dir_all(&machine).context("remove the machine")
}

/// Runs the checker of Debian.
fn lint(deb: &Path) -> Result<()> {
    step("lintian");
    let suppressed = root().join("packaging/debian/lintian-suppressed.txt");
    let mut lintian = program("lintian", &["--fail-on", "error,warning"], ".");
    lintian.arg("--suppress-tags-from-file").arg(suppressed).arg("--allow-root").arg(deb);
    must(lintian)
}

/// A copy of a fresh Debian, which is made once.
fn machine(folder: &Path) -> Result<PathBuf> {
    let base = folder.join(BASE);
    let machine = folder.join("machine");
    if !base.is_dir() {
        step("a fresh Debian");
        let unfinished = folder.join("unfinished");
        let _missing = std::fs::remove_dir_all(&unfinished);
        let mut debootstrap = program("debootstrap", &["--variant=minbase", PACKAGES], ".");
        must({
            debootstrap.arg(RELEASE).arg(&unfinished);
            debootstrap
        })?;
        std::fs::rename(&unfinished, &base)?;
    }
    let _missing = std::fs::remove_dir_all(&machine);
    let mut copy = Command::new("cp");
    must({
        copy.arg("--archive").arg(&base).arg(&machine);
        copy
    })?;
    Ok(machine)
}

/// Writes a certificate of the server, and one of the authority `pebble`.
fn certificate(folder: &Path) -> Result<()> {
    for (name, subject, address) in
        [("tls", "chat.example", "DNS:chat.example"), ("acme", "127.0.0.1", "IP:127.0.0.1")]
    {
        let extensions = format!(
            "[req]\ndistinguished_name = name\nx509_extensions = extensions\n[name]\n\
             [extensions]\nsubjectAltName = {address}\nbasicConstraints = critical,CA:FALSE\n"
        );
        std::fs::write(folder.join("request.cnf"), extensions)?;
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-config", "request.cnf", "-newkey", "ec", "-pkeyopt"]);
        openssl.args(["ec_paramgen_curve:P-256", "-nodes", "-days", "60", "-subj"]);
        openssl.arg(format!("/CN={subject}")).args(["-keyout", &format!("{name}.key"), "-out"]);
        let file = if name == "tls" { "tls.crt" } else { "acme.pem" };
        let made = openssl.arg(file).current_dir(folder).output();
        let made = made.context("cannot start openssl")?;
        let errors = String::from_utf8_lossy(&made.stderr);
        ensure!(made.status.success(), "openssl cannot make a certificate: {errors}");
    }
    Ok(())
}
