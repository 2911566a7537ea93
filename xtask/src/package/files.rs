//! The files of the package: where each comes from, where it goes, and its mode.
//! Never: a file that other users can write.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::components::output;
use super::{LICENCES, SBOM};
use crate::command::{program, root};

/// The folder of the documentation in the package.
pub(crate) const DOCUMENTS: &str = "usr/share/doc/portcullis";

/// A file of the package, by its path without the first slash.
pub(crate) struct PackagedFile {
    pub(crate) path: String,
    pub(crate) mode: u32,
    pub(crate) content: Vec<u8>,
}

/// Files that are copied unchanged: from the repository, to the package, with their mode.
const COPIED: [(&str, &str, u32); 9] = [
    ("packaging/portcullisctl", "usr/sbin/portcullisctl", 0o755),
    ("packaging/portcullis.toml", "etc/portcullis/portcullis.toml", 0o640),
    (
        "packaging/portcullis.example.toml",
        "usr/share/doc/portcullis/examples/portcullis.toml",
        0o644,
    ),
    ("packaging/systemd/portcullis.service", "lib/systemd/system/portcullis.service", 0o644),
    (
        "packaging/systemd/portcullis-backup.service",
        "lib/systemd/system/portcullis-backup.service",
        0o644,
    ),
    (
        "packaging/systemd/portcullis-backup.timer",
        "lib/systemd/system/portcullis-backup.timer",
        0o644,
    ),
    ("packaging/systemd/portcullis.sysusers", "usr/lib/sysusers.d/portcullis.conf", 0o644),
    ("packaging/systemd/portcullis.tmpfiles", "usr/lib/tmpfiles.d/portcullis.conf", 0o644),
    ("packaging/debian/copyright", "usr/share/doc/portcullis/copyright", 0o644),
];

/// Documents beside the folder `docs`.
const TEXTS: [&str; 3] = ["README.md", "SECURITY.md", "CHANGELOG.md"];

/// Folders of examples, with the endings of their files.
const EXAMPLES: [(&str, &str); 4] = [
    ("examples/proxies", "conf"),
    ("examples/proxies", "cfg"),
    ("monitoring", "yaml"),
    ("monitoring", "json"),
];

/// All files of the package, except for what only a .deb has.
pub(crate) fn files(binary: &Path, lists: &Path) -> Result<Vec<PackagedFile>> {
    let mut all = vec![PackagedFile {
        path: String::from("usr/bin/portcullis"),
        mode: 0o755,
        content: read(binary)?,
    }];
    for (from, to, mode) in COPIED {
        let content = read(&root().join(from))?;
        all.push(PackagedFile { path: String::from(to), mode, content });
    }
    let mut document = |name: &str, content: Vec<u8>| {
        all.push(PackagedFile { path: format!("{DOCUMENTS}/{name}"), mode: 0o644, content });
    };
    for name in TEXTS {
        document(name, read(&root().join(name))?);
    }
    for name in names(&root().join("docs"), "md")? {
        document(&format!("docs/{name}"), read(&root().join("docs").join(&name))?);
    }
    for (folder, ending) in EXAMPLES {
        for name in names(&root().join(folder), ending)? {
            let shown = folder.strip_prefix("examples/").unwrap_or(folder);
            document(&format!("examples/{shown}/{name}"), read(&root().join(folder).join(&name))?);
        }
    }
    document(SBOM, read(&lists.join(SBOM))?);
    document(&format!("{LICENCES}.gz"), compressed(&lists.join(LICENCES))?);
    let content = compressed(&root().join("packaging/portcullisctl.8"))?;
    let path = String::from("usr/share/man/man8/portcullisctl.8.gz");
    all.push(PackagedFile { path, mode: 0o644, content });
    all.extend(manual(binary, lists)?);
    all.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(all)
}

/// The manual pages and completions, which the binary writes.
fn manual(binary: &Path, lists: &Path) -> Result<Vec<PackagedFile>> {
    let folder = lists.join("manual");
    let _missing = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let mut command = program(&binary.to_string_lossy(), &["manual"], ".");
    command.arg(&folder);
    output(command)?;
    let mut files = Vec::new();
    for name in names(&folder, "1")? {
        let path = format!("usr/share/man/man1/{name}.gz");
        files.push(PackagedFile { path, mode: 0o644, content: compressed(&folder.join(name))? });
    }
    for (name, path) in [
        ("portcullis.bash", "usr/share/bash-completion/completions/portcullis"),
        ("_portcullis", "usr/share/zsh/vendor-completions/_portcullis"),
        ("portcullis.fish", "usr/share/fish/vendor_completions.d/portcullis.fish"),
    ] {
        let content = read(&folder.join(name))?;
        files.push(PackagedFile { path: String::from(path), mode: 0o644, content });
    }
    Ok(files)
}

/// Writes files below a folder.
pub(crate) fn write(files: &[PackagedFile], folder: &Path) -> Result<()> {
    for file in files {
        let path = folder.join(&file.path);
        let parent = path.parent().unwrap_or(folder);
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
        let mut options = std::fs::OpenOptions::new();
        let mut opened = options.write(true).create_new(true).mode(file.mode).open(&path)?;
        opened.write_all(&file.content).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

/// A file as gzip writes it, without its name and time.
pub(crate) fn compressed(path: &Path) -> Result<Vec<u8>> {
    let mut command = program("gzip", &["-9", "-n", "-c", "--"], ".");
    let output = command.arg(path).output().context("cannot start gzip")?;
    anyhow::ensure!(output.status.success(), "gzip cannot read {}", path.display());
    Ok(output.stdout)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("read {}", path.display()))
}

/// The names of the files of a folder with an extension, sorted.
fn names(folder: &Path, extension: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        let fits = path.extension().is_some_and(|found| found == extension);
        if let Some(name) = path.file_name().filter(|_| fits) {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
