//! Builds the samples of the README and of the library's front page as separate crates.
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
    Ok(())
}

fn cargo(command: &str, folder: &Path) -> Command {
    let manifest = folder.join("Cargo.toml");
    let mut cargo = program("cargo", &[command, "--quiet", "--manifest-path"], ".");
    cargo.arg(manifest).arg("--target-dir").arg(target());
    cargo
}

fn write(source: &Source) -> Result<PathBuf> {
    let root = root();
    let text = fs::read_to_string(root.join(source.file))
        .with_context(|| format!("cannot read {}", source.file))?;
    let text = unquoted(&text, source.prefix);
    let sample = read(&text, source)?;
    let folder = target().join("samples").join(source.name);
    fs::create_dir_all(folder.join("src"))?;
    let library = root.join("crates/portcullis").display().to_string();
    let name = source.name;
    let package = "[workspace]\n\n[package]\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    let stated = sample.dependencies.replace(STATED_PATH, &library);
    fs::write(
        folder.join("Cargo.toml"),
        format!("{package}name = \"{name}\"\n\n{stated}{PROFILE}"),
    )?;
    fs::write(folder.join("src/main.rs"), sample.program)?;
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
    fn samples_of_this_repository_are_found() {
        for source in &SOURCES {
            let text = fs::read_to_string(root().join(source.file)).unwrap();
            let sample = read(&unquoted(&text, source.prefix), source).unwrap();
            assert!(sample.program.contains("fn main()"), "{}", source.name);
        }
    }
}
