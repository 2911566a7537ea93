//! The binary: built without paths of the machine, with its debug information in another file.
//! Never: other optimisations than those of the benchmarks.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::components::output;
use crate::command::{must, program, root, step};
use crate::install::target;
use crate::run::build_page;

/// Where the sources are for every machine.
const ROOT: &str = "/portcullis";
/// Where the crates are for every machine.
const CRATES: &str = "/cargo";

/// The date that C sources write into the binary: a constant, because Cargo does not compile them
/// again for a later commit, and a fresh build would differ.
const COMPILED_AT: &str = "315532800";

/// The moment of the sources in seconds: `SOURCE_DATE_EPOCH`, else that of the last commit.
pub(crate) fn source_moment() -> Result<String> {
    if let Some(moment) = std::env::var_os("SOURCE_DATE_EPOCH") {
        let text = moment.to_string_lossy().into_owned();
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        return if is_number { Ok(text) } else { bail!("SOURCE_DATE_EPOCH is not a number") };
    }
    let moment = output(program("git", &["log", "-1", "--format=%ct"], "."))
        .context("set SOURCE_DATE_EPOCH, or build in a clone of the repository")?;
    Ok(String::from(moment.trim()))
}

/// Builds the page and the optimised binary; returns the binary without debug information.
pub(crate) fn build(folder: &Path) -> Result<PathBuf> {
    build_page()?;
    step("build the binary");
    let target = target().join("package-build");
    must(cargo(&root(), &target)?)?;
    split(&target.join("release/portcullis"), folder)
}

/// The build of a folder with the sources.
fn cargo(root: &Path, target: &Path) -> Result<Command> {
    let home = std::env::var_os("CARGO_HOME").map_or_else(
        || std::env::home_dir().map(|home| home.join(".cargo")).context("no home directory"),
        |home| Ok(PathBuf::from(home)),
    )?;
    // The last one that fits counts.
    let maps = [(root, ROOT), (target, "/portcullis/target"), (&home, CRATES)];
    let maps = maps.map(|(from, to)| format!("{}={to}", from.display()));
    let rust = maps.each_ref().map(|map| format!("--remap-path-prefix={map}"));
    let c = maps.each_ref().map(|map| format!("-ffile-prefix-map={map}")).join(" ");
    let build =
        ["build", "--release", "--locked", "--package", "portcullis", "--bin", "portcullis"];
    let mut cargo = Command::new("cargo");
    cargo
        .args(build)
        .current_dir(root)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_ENCODED_RUSTFLAGS", rust.join("\u{1f}"))
        .env("CFLAGS", &c)
        .env("CXXFLAGS", &c)
        .env("SOURCE_DATE_EPOCH", COMPILED_AT)
        .env("CARGO_INCREMENTAL", "0")
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .env_remove("RUSTFLAGS");
    Ok(cargo)
}

/// The file with the debug information of a binary.
pub(crate) fn debug_file(binary: &Path) -> PathBuf {
    binary.with_extension("debug")
}

/// Copies a binary to a folder, and moves its debug information to a file beside it.
pub(crate) fn split(built: &Path, folder: &Path) -> Result<PathBuf> {
    step("debug information");
    let binary = folder.join("portcullis");
    let debug = debug_file(&binary);
    let objcopy = |arguments: &[&str], files: &[&Path]| {
        let mut command = program("objcopy", arguments, ".");
        command.args(files).current_dir(folder);
        must(command).context("objcopy is in the package binutils")
    };
    objcopy(&["--only-keep-debug"], &[built, &debug])?;
    objcopy(&["--strip-all", "--remove-section=.comment"], &[built, &binary])?;
    // By its name alone, which the link contains.
    objcopy(&["--add-gnu-debuglink=portcullis.debug"], &[&binary])?;
    Ok(binary)
}

/// The digest of a file.
pub(crate) fn sha256(path: &Path) -> Result<String> {
    let mut command = program("sha256sum", &["--"], ".");
    command.arg(path);
    let line = output(command)?;
    Ok(line.split(' ').next().map(String::from).unwrap_or_default())
}

/// Builds a copy of the sources in another folder, and compares the binaries.
pub(crate) fn compare(first: &Path) -> Result<()> {
    step("build again in another folder");
    let elsewhere = target().join("package-elsewhere/a/longer/path");
    let _missing = std::fs::remove_dir_all(&elsewhere);
    std::fs::create_dir_all(&elsewhere)?;
    let copy = format!(
        "git ls-files -z | xargs -0 cp --parents -t {0} && cp -r --parents web/dist {0}",
        elsewhere.display()
    );
    must(program("sh", &["-c", &copy], "."))?;
    let target = elsewhere.join("target");
    must(cargo(&elsewhere, &target)?)?;
    let second = split(&target.join("release/portcullis"), &elsewhere)?;
    for (one, other) in
        [(first.to_owned(), second.clone()), (debug_file(first), debug_file(&second))]
    {
        let digests = [sha256(&one)?, sha256(&other)?];
        println!("{} {}\n{} {}", digests[0], one.display(), digests[1], other.display());
        if digests[0] != digests[1] {
            bail!("two builds differ: compare them with `cmp` or diffoscope");
        }
    }
    println!("two builds from two folders are equal");
    Ok(())
}
