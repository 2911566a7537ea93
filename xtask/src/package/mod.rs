//! `cargo xtask package` and `cargo xtask sbom`: the files of a release.
//! Never: a file that depends on the machine or the moment of the build.

mod build; // the binary, reproducible, and its debug information
mod components; // what the binary consists of
mod sbom; // the list of components for machines
mod licences; // permitted licences, and their texts
mod advisories; // advisories about components
mod files; // the files of the package and their modes
mod debian; // the .deb
mod check; // checks of a .deb
mod trial; // installs a .deb in a fresh Debian

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use self::debian::Compression;
use crate::command::{is_there, must, program, step};
use crate::install::{self, target};

/// The folder of all results, below Cargo's build folder.
const RESULTS: &str = "package";

/// Builds the package. The words after the command choose what else is done.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        [] => package().map(drop),
        ["--twice"] => build::compare(&package()?.0),
        ["--try"] => trial::run(&package()?.1),
        ["--check"] => check_debug_build(),
        ["--try", deb] => trial::run(Path::new(deb)),
        _ => bail!(
            "unknown arguments {arguments:?}: use package, package --twice (also builds in another \
             folder and compares), package --try [DEB] (also installs it in a fresh Debian), or \
             package --check (checks a package of the debug build)"
        ),
    }
}

/// Writes the list of components and the licences, without a build.
pub(crate) fn run_sbom() -> Result<()> {
    let folder = results()?;
    write_lists(&folder)?;
    println!("{}\n{}", folder.join(SBOM).display(), folder.join(LICENCES).display());
    Ok(())
}

pub(crate) use self::advisories::run as run_advisories;

/// The names of the lists.
const SBOM: &str = "sbom.cdx.json";
const LICENCES: &str = "licences.txt";

fn write_lists(folder: &Path) -> Result<()> {
    step("components and licences");
    let components = components::components()?;
    licences::check(&components)?;
    let moment = components::output({
        let mut date = program("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ", "-d"], ".");
        date.arg(format!("@{}", build::source_moment()?));
        date
    })?;
    std::fs::write(folder.join(SBOM), sbom::sbom(&components, moment.trim())?)?;
    std::fs::write(folder.join(LICENCES), licences::list(&components)?)?;
    println!("{} components", components.len());
    Ok(())
}

fn results() -> Result<PathBuf> {
    let folder = target().join(RESULTS);
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    Ok(folder)
}

/// Builds the binary and the package; returns both paths.
fn package() -> Result<(PathBuf, PathBuf)> {
    debian::check_tools()?;
    ensure!(is_there("node"), "node is missing: a package contains the chat page");
    let folder = results()?;
    let binary = build::build(&folder)?;
    write_lists(&folder)?;
    let deb = debian::build(&binary, &folder, Compression::Xz)?;
    step("results");
    for path in [&binary, &build::debug_file(&binary), &deb] {
        let bytes = std::fs::metadata(path)?.len();
        println!("{:>12} bytes  {}  {}", bytes, build::sha256(path)?, path.display());
    }
    Ok((binary, deb))
}

/// Packages the debug build, which the tests have built, and checks the package.
fn check_debug_build() -> Result<()> {
    debian::check_tools()?;
    let folder = target().join("package-check");
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let built = target().join("debug/portcullis");
    let binary = build::split(&built, &folder)?;
    write_lists(&folder)?;
    let deb = debian::build(&binary, &folder, Compression::Fast)?;
    check::check(&deb)?;
    step("container, manifests and list of components");
    let python = install::deployment_python()?;
    let mut check = program(&python.to_string_lossy(), &["tests/deploy/check.py"], ".");
    check.arg(folder.join(SBOM));
    must(check)
}
