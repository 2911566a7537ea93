//! Puts the built pages and the list of dependencies into the binary.
//! Never: fails for want of a page; the server works without one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    // The folder of this run: clones that share a target directory share this program as well.
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("../..");
    write_dependencies(&root)?;
    let web = root.join("web");
    let dist = web.join("dist");
    // A path that is missing would run this again at every build.
    let watched = if dist.is_dir() { &dist } else { &web };
    println!("cargo::rerun-if-changed={}", watched.display());
    // Copies beside the list: a path of this machine in it would make the binary differ.
    let out = PathBuf::from(variable("OUT_DIR")?);
    let copies = out.join("pages");
    if copies.exists() {
        std::fs::remove_dir_all(&copies)?;
    }
    let mut list = String::from("static PAGES: &[(&str, &[u8])] = &[\n");
    for name in names(&dist)? {
        let path = dist.join(&name);
        println!("cargo::rerun-if-changed={}", path.display());
        let copy = copies.join(&name);
        std::fs::create_dir_all(copy.parent().unwrap_or(&copies))?;
        std::fs::copy(&path, &copy)?;
        let (route, file) = (format!("/{name}"), format!("pages/{name}"));
        let _written = writeln!(list, "    ({route:?}, include_bytes!({file:?})),");
    }
    list.push_str("];\n");
    std::fs::write(out.join("pages.rs"), list)
}

/// A variable that cargo sets for build scripts.
#[expect(clippy::disallowed_methods, reason = "cargo tells a build script its folders so")]
fn variable(name: &str) -> std::io::Result<String> {
    std::env::var(name).map_err(std::io::Error::other)
}

/// The files of the pages with their folder, in a fixed order; none when they were not built.
fn names(dist: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    if dist.is_dir() {
        list(dist, "", &mut names)?;
    }
    names.sort();
    Ok(names)
}

fn list(folder: &Path, prefix: &str, names: &mut Vec<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_file() {
            names.push(name);
        } else {
            println!("cargo::rerun-if-changed={}", entry.path().display());
            list(&entry.path(), &format!("{name}/"), names)?;
        }
    }
    Ok(())
}

/// A package of the lock file: its version, and its dependencies by name.
type Packages = BTreeMap<String, Vec<(String, Vec<String>)>>;

/// Writes the dependencies of the binary, with their versions.
fn write_dependencies(root: &Path) -> std::io::Result<()> {
    let lock = root.join("Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    let packages = read_lock(&std::fs::read_to_string(&lock)?);
    let mut found = BTreeSet::new();
    let mut open = vec![String::from("portcullis")];
    while let Some(name) = open.pop() {
        let member = root.join("crates").join(&name).join("Cargo.toml");
        let own = member.exists().then(|| own_dependencies(&member)).transpose()?;
        for (version, dependencies) in packages.get(&name).into_iter().flatten() {
            if own.is_none() && !found.insert((name.clone(), version.clone())) {
                continue;
            }
            let is_used = |one: &&String| own.as_ref().is_none_or(|own| own.contains(*one));
            open.extend(dependencies.iter().filter(is_used).cloned());
        }
    }
    let mut list = String::from("static DEPENDENCIES: &[(&str, &str)] = &[\n");
    for (name, version) in found {
        let _written = writeln!(list, "    ({name:?}, {version:?}),");
    }
    list.push_str("];\n");
    std::fs::write(Path::new(&variable("OUT_DIR")?).join("dependencies.rs"), list)
}

/// Reads the packages of a lock file.
fn read_lock(text: &str) -> Packages {
    let mut packages = Packages::new();
    for block in text.split("[[package]]").skip(1) {
        let value = |key: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(key));
            line.map(|rest| String::from(rest.trim_matches('"')))
        };
        let (Some(name), Some(version)) = (value("name = "), value("version = ")) else { continue };
        let list = block.split_once("dependencies = [").map_or("", |(_, rest)| rest);
        let list = list.split(']').next().unwrap_or_default();
        let words = list.split('"').skip(1).step_by(2);
        let names = words.filter_map(|word| word.split(' ').next()).map(String::from);
        packages.entry(name).or_default().push((version, names.collect()));
    }
    packages
}

/// The dependencies of a crate of this workspace, without those of its tests and its build.
fn own_dependencies(manifest: &Path) -> std::io::Result<BTreeSet<String>> {
    println!("cargo::rerun-if-changed={}", manifest.display());
    let text = std::fs::read_to_string(manifest)?;
    let mut names = BTreeSet::new();
    let mut is_list = false;
    for line in text.lines() {
        if line.starts_with('[') {
            is_list = line == "[dependencies]" || line.ends_with(".dependencies]");
        } else if is_list {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if !name.is_empty() && !name.starts_with('#') {
                names.insert(String::from(name));
            }
        }
    }
    Ok(names)
}
