//! The commands of the pages about backups and upgrades, run as they are printed.
//! Never: a path of this machine; folders stand in for those of the package.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::{Sender, start, text};

const BACKUP: &str = include_str!("../../../../docs/backup.md");
const UPGRADE: &str = include_str!("../../../../docs/upgrade.md");

/// The blocks of shell commands of a page, in their order.
fn blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(indent) = line.strip_suffix("```sh") else { continue };
        let block = lines.by_ref().take_while(|line| line.trim() != "```");
        let block = block.map(|line| line.strip_prefix(indent).unwrap_or(line));
        blocks.push(block.flat_map(|line| [line, "\n"]).collect());
    }
    blocks
}

fn script(folder: &Path, name: &str, content: &str) {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\nset -eu\n{content}\n")).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn commands_of_the_pages_work_as_printed() {
    let server = start();
    let mut sender = Sender::new(&server);
    sender.send_until(3);
    let place = tempfile::tempdir().unwrap();
    let programs = place.path().join("bin");
    std::fs::create_dir(&programs).unwrap();
    for folder in ["backups", "safe"] {
        std::fs::create_dir(place.path().join(folder)).unwrap();
    }
    let configuration = server.data().with_file_name("portcullis.toml");

    // Programs of the package; no other user is needed.
    let program = env!("CARGO_BIN_EXE_portcullis");
    let of_server =
        format!("--config {} --data {}", configuration.display(), server.data().display());
    script(&programs, "portcullis", &format!("exec {program} \"$@\""));
    script(&programs, "portcullisctl", &format!("exec {program} \"$@\" {of_server}"));
    script(&programs, "sudo", "if [ \"$1\" = -u ]; then shift 2; fi\nexec \"$@\"");
    script(&programs, "chown", "[ $# = 3 ]");
    let extract = format!("mkdir -p \"$3/usr/bin\"\nln -s {program} \"$3/usr/bin/portcullis\"");
    script(&programs, "dpkg-deb", &extract);
    let commands: String = [blocks(BACKUP), blocks(UPGRADE)].concat().concat();
    let commands = commands
        .replace("install -d -o portcullis -g portcullis", "install -d")
        .replace("/media/safe", text(&place.path().join("safe")))
        .replace("/var/backups/portcullis", text(&place.path().join("backups")))
        .replace("/var/tmp/trial", text(&place.path().join("trial")))
        .replace("/etc/portcullis/portcullis.toml", text(&configuration))
        .replace("/var/lib/portcullis", text(&server.data()));
    assert!(commands.contains("trial restore") && commands.contains("portcullis\" check"));
    let commands = format!("PATH={}:$PATH\n{commands}", programs.display());
    let output = Command::new("sh")
        .args(["-euc", &commands])
        .current_dir(place.path())
        .env("PORTCULLIS__LISTEN__PRIVATE", server.private.to_string())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{commands}\n{printed}\n{errors}");
    for expect in ["restored  the backup", "ann", "Room", "field-keys.ring", "sound"] {
        assert!(printed.contains(expect), "{expect}: {printed}");
    }
    assert!(!place.path().join("trial").exists());
}
