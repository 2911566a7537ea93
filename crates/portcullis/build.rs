//! Puts the files of the built chat page and dashboard into the binary.
//! Never: fails for want of a page; the server works without one.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    // The folder of this run: clones that share a target directory share this program as well.
    let web = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("../../web");
    let dist = web.join("dist");
    // A path that is missing would run this again at every build.
    let watched = if dist.is_dir() { &dist } else { &web };
    println!("cargo::rerun-if-changed={}", watched.display());
    let mut list = String::from("static PAGES: &[(&str, &[u8])] = &[\n");
    for name in names(&dist)? {
        let path = dist.join(&name).canonicalize()?;
        println!("cargo::rerun-if-changed={}", path.display());
        let _written =
            writeln!(list, "    (\"/{name}\", include_bytes!({:?})),", path.display().to_string());
    }
    list.push_str("];\n");
    std::fs::write(Path::new(&variable("OUT_DIR")?).join("pages.rs"), list)
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
