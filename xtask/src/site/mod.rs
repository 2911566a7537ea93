//! `cargo xtask docs`: builds the site of the documentation with mdBook, and checks its links.
//! Never: a page that the repository does not have; the site is a copy of `docs/`.

mod source; // the pages as mdBook reads them
mod summary; // the chapters, and pages that they lack
mod verify; // links of the pages that were built

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::{must, program, root, step};
use crate::install::{self, target};

/// The options of mdBook.
const OPTIONS: &str = "docs/site/book.toml";
/// The style that the site adds to that of mdBook.
const STYLE: &str = "docs/site/site.css";

/// Builds the site, and prints where it is.
pub(crate) fn run() -> Result<()> {
    let site = build()?;
    println!("open {}", site.join("index.html").display());
    Ok(())
}

/// Builds the site, and fails if a link is broken or a page is in no chapter.
pub(crate) fn check() -> Result<()> {
    build().map(drop)
}

fn build() -> Result<PathBuf> {
    step("build the site of the documentation");
    let mdbook = install::mdbook()?;
    let (root, folder) = (root(), target().join("site"));
    let findings = summary::check(&root)?;
    report(&findings)?;
    replace_folder(&folder)?;
    source::write(&root, &folder.join("src"))?;
    for (from, to) in [(OPTIONS, "book.toml"), (STYLE, "site.css")] {
        std::fs::copy(root.join(from), folder.join(to))
            .with_context(|| format!("cannot copy {from}"))?;
    }
    must(program(&mdbook.to_string_lossy(), &["build", &folder.to_string_lossy()], "."))?;
    let site = folder.join("book");
    let (pages, findings) = verify::check(&site)?;
    report(&findings)?;
    println!("{pages} pages, no broken links");
    Ok(site)
}

/// Removes what an earlier run has written.
fn replace_folder(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}

fn report(findings: &[String]) -> Result<()> {
    for finding in findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("the site has {} faults", findings.len());
    }
    Ok(())
}
