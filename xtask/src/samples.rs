//! Builds the samples of the README, the front page and the guide of the library as crates.
//! Never: adds a dependency that the sample does not state.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::command::{must, program, root};
use crate::install::target;

/// The library, as the samples state its path.
const STATED_PATH: &str = "../portcullis/crates/portcullis";
/// The profile of the workspace, so that dependencies are not built again.
const PROFILE: &str = "\n[profile.dev]\ndebug = \"line-tables-only\"\n\n\
                       [profile.dev.package.\"*\"]\nopt-level = 2\ndebug = false\n";

/// The guide, whose blocks of Rust are one program together.
const GUIDE: &str = "docs/own-events.md";
/// A comment before a block holds the code around it; this line stands for the block.
const BLOCK_LINE: &str = "…";
/// Types of the guide are declared and not used.
const GUIDE_LINTS: &str = "\n[lints.rust]\ndead_code = \"allow\"\n";

/// The place of a sample in the documentation.
struct Source {
    name: &'static str,
    file: &'static str,
    /// The prefix of each line.
    prefix: &'static str,
    /// The heading before the blocks of the sample.
    heading: &'static str,
    /// The heading before a test of the sample.
    test_heading: Option<&'static str>,
}

const SOURCES: [Source; 2] = [
    Source {
        name: "front-page",
        file: "crates/portcullis/src/lib.rs",
        prefix: "//!",
        heading: "# A first server",
        test_heading: Some("# Tests"),
    },
    Source {
        name: "readme",
        file: "README.md",
        prefix: "",
        heading: "## Build on it",
        test_heading: None,
    },
];

/// Writes the samples, each with the project's lock file, and builds and tests them.
pub(crate) fn run() -> Result<()> {
    for source in &SOURCES {
        let folder = write(source)?;
        must(cargo("check", &folder))?;
        if source.test_heading.is_some() {
            must(cargo("test", &folder))?;
        }
    }
    let folder = write_guide()?;
    must(cargo("check", &folder))?;
    must(cargo("test", &folder))
}

fn cargo(command: &str, folder: &Path) -> Command {
    let manifest = folder.join("Cargo.toml");
    let mut cargo = program("cargo", &[command, "--quiet", "--manifest-path"], ".");
    cargo.arg(manifest).arg("--target-dir").arg(target());
    cargo
}

fn write(source: &Source) -> Result<PathBuf> {
    let text = read_document(source.file)?;
    let sample = read(&unquoted(&text, source.prefix), source)?;
    write_crate(source.name, &sample, "")
}

fn write_guide() -> Result<PathBuf> {
    let sample = read_guide(&read_document(GUIDE)?)?;
    write_crate("own-events", &sample, GUIDE_LINTS)
}

fn read_document(file: &str) -> Result<String> {
    fs::read_to_string(root().join(file)).with_context(|| format!("cannot read {file}"))
}

fn write_crate(name: &str, sample: &Sample, lints: &str) -> Result<PathBuf> {
    let root = root();
    let folder = target().join("samples").join(name);
    fs::create_dir_all(folder.join("src"))?;
    let library = root.join("crates/portcullis").display().to_string();
    let package = "[workspace]\n\n[package]\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    let stated = sample.dependencies.replace(STATED_PATH, &library);
    fs::write(
        folder.join("Cargo.toml"),
        format!("{package}name = \"{name}\"\n\n{stated}{PROFILE}{lints}"),
    )?;
    fs::write(folder.join("src/main.rs"), &sample.program)?;
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    Ok(folder)
}

struct Sample {
    dependencies: String,
    program: String,
}

fn read(text: &str, source: &Source) -> Result<Sample> {
    let missing = |what: &str| format!("{}: no {what} after {:?}", source.file, source.heading);
    let (_, behind) = text.split_once(source.heading).with_context(|| missing("text"))?;
    let dependencies = block(behind, &["toml"]).with_context(|| missing("block of toml"))?;
    let program = block(behind, &["rust", "no_run"]).with_context(|| missing("program"))?;
    ensure!(
        dependencies.contains(STATED_PATH),
        "{}: the sample does not state the path of the library",
        source.file
    );
    let test = match source.test_heading {
        Some(heading) => {
            let (_, behind) = behind.split_once(heading).with_context(|| missing(heading))?;
            block(behind, &["ignore"]).with_context(|| missing("test"))?
        }
        None => String::new(),
    };
    Ok(Sample { dependencies, program: format!("{program}\n{test}") })
}

/// Joins all blocks of Rust of the guide, each inside the code that the comment before it states.
fn read_guide(text: &str) -> Result<Sample> {
    let dependencies = block(text, &["toml"]).context("the guide has no block of toml")?;
    let mut program = String::new();
    let mut around = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == "<!-- sample" {
            around = lines.by_ref().take_while(|line| *line != "-->").collect();
            ensure!(
                around.contains(&BLOCK_LINE),
                "a comment has no place for its block: {around:?}"
            );
        } else if let Some(language) = line.strip_prefix("```") {
            let inside: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let around = std::mem::take(&mut around);
            if language == "rust" {
                program += &format!("{}\n\n", surrounded(&inside.join("\n"), &around));
            }
        }
    }
    Ok(Sample { dependencies, program })
}

fn surrounded(block: &str, around: &[&str]) -> String {
    if around.is_empty() {
        return String::from(block);
    }
    let lines = around.iter().map(|line| if *line == BLOCK_LINE { block } else { line });
    lines.collect::<Vec<&str>>().join("\n")
}

/// The first block of code whose language is one of these.
fn block(text: &str, languages: &[&str]) -> Option<String> {
    let mut lines = text.lines();
    let opens = |line: &str| line.strip_prefix("```").is_some_and(|name| languages.contains(&name));
    lines.find(|line| opens(line))?;
    let inside: Vec<&str> = lines.take_while(|line| *line != "```").collect();
    Some(inside.join("\n") + "\n")
}

/// The lines that begin with a prefix, without the prefix and the space after it.
fn unquoted(text: &str, prefix: &str) -> String {
    if prefix.is_empty() {
        return String::from(text);
    }
    let lines = text.lines().filter_map(|line| line.strip_prefix(prefix));
    let lines: Vec<&str> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sample_in_comments_is_read_unchanged() {
        let text = "//! # A first server\n//!\n//! ```toml\n//! portcullis = { path = \
                    \"../portcullis/crates/portcullis\" }\n//! ```\n//!\n//! ```no_run\n//! fn \
                    main() {\n//!     run();\n//!\n//! }\n//! ```\n//!\n//! # Tests\n//! \
                    ```ignore\n//! #[test]\n//! ```\nmod other;\n";
        let sample = read(&unquoted(text, "//!"), &SOURCES[0]).unwrap();
        assert_eq!(sample.program, "fn main() {\n    run();\n\n}\n\n#[test]\n");
        assert!(sample.dependencies.starts_with("portcullis = "));
        assert!(read("# A first server\n```toml\n```\n", &SOURCES[0]).is_err());
    }

    #[test]
    fn block_of_the_guide_is_put_into_the_code_around_it() {
        let text = "```toml\na = 1\n```\n```rust\nuse x;\n```\n<!-- sample\nfn f() {\n…\n}\n-->\n\
                    ```rust\ng();\n```\n```js\nno\n```\n";
        assert_eq!(read_guide(text).unwrap().program, "use x;\n\nfn f() {\ng();\n}\n\n");
        assert!(read_guide("```toml\n```\n<!-- sample\nfn f() {}\n-->\n").is_err());
    }

    #[test]
    fn samples_of_this_repository_are_found() {
        let guide = read_guide(&read_document(GUIDE).unwrap()).unwrap();
        assert!(guide.program.contains("fn main()") && guide.program.contains("#[test]"));
        for source in &SOURCES {
            let text = fs::read_to_string(root().join(source.file)).unwrap();
            let sample = read(&unquoted(&text, source.prefix), source).unwrap();
            assert!(sample.program.contains("fn main()"), "{}", source.name);
        }
    }
}
