//! Puts the files of the built chat page into the binary.
//! Never: fails for want of a page; the server works without one.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let web = manifest.join("../../web");
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
    #[expect(clippy::disallowed_methods, reason = "cargo tells a build script its folder so")]
    let out = std::env::var("OUT_DIR").map_err(std::io::Error::other)?;
    std::fs::write(Path::new(&out).join("pages.rs"), list)
}

/// The files of the page, in a fixed order; none when it was not built.
fn names(dist: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    if dist.is_dir() {
        for entry in std::fs::read_dir(dist)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
    }
    names.sort();
    Ok(names)
}
