//! `cargo xtask tidy`: checks of structure and language.
//! Never: style that rustfmt and clippy check already.

mod lexer; // a file, divided into code, comments and literals
mod exceptions; // what the checks accept, with reasons
mod floors; // dependencies between crates
mod source; // length, header and names of a source file
mod modules; // files that no module contains
mod rings; // imports in a circle
mod fields; // sizes of structs and folders
mod words; // plain English
mod marks; // marks of unfinished work and paths of one machine
pub(crate) mod links; // links between documents
mod map; // files that ARCHITECTURE.md names
mod asvs; // the page about OWASP ASVS
mod codes; // codes of security records
mod lock; // sources of dependencies

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use self::exceptions::Exceptions;
use self::words::Words;
use crate::command::root;

/// Folders with generated files.
const GENERATED: [&str; 7] =
    [".git", "target", "node_modules", "dist", "corpus", "portcullis-data", ".pictures"];
/// Endings of the files that people write.
const ENDINGS: [&str; 13] =
    ["rs", "toml", "md", "ts", "tsx", "mjs", "js", "json", "css", "html", "sh", "yml", "run"];

/// What a large folder needs.
const FOLDER_HINT: &str = "divide it into folders that show the parts";

/// Runs every check on every file of this repository.
pub(crate) fn run() -> Result<()> {
    let root = root();
    let mut findings = floors::check(&root)?;
    findings.extend(codes::check(&root)?);
    findings.extend(asvs::check(&root)?);
    findings.extend(lock::check(&root)?);
    let files = read_files(&root)?;
    let names = files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let readme = links::read_below(&root, "README.md").unwrap_or_default();
    findings.extend(links::unlinked(&readme, &names));
    let (words, mut exceptions) = (Words::open(&root)?, Exceptions::open(&root)?);
    findings.extend(modules::check(&files));
    findings.extend(rings::check(&files, &mut exceptions));
    findings.extend(fields::check(&files, &mut exceptions));
    for (name, text) in &files {
        let mut found = marks::check(text);
        if name.ends_with(".rs") {
            found.extend(source::check(name, text));
        }
        if name.ends_with(".md") {
            let read = |name: &str| links::read_below(&root, name);
            found.extend(links::check(name, text, &read));
        }
        if name == "ARCHITECTURE.md" {
            found.extend(map::check(text, &files));
        }
        let dialect = words.check(name, text);
        if !dialect.is_empty() && !exceptions.has_file("words", name) {
            found.extend(dialect);
        }
        findings.extend(found.into_iter().map(|finding| format!("{name}{finding}")));
    }
    findings.extend(exceptions.findings());
    for folder in fields::large_folders(&files) {
        println!("hint: {folder}; {FOLDER_HINT}");
    }
    report(&findings)
}

/// Lists what one check finds in a file or folder, without any exception.
pub(crate) fn run_one(check: &str, place: &str) -> Result<()> {
    let root = root();
    let files = read_files(&root)?;
    let place = place.trim_start_matches("./").trim_end_matches('/');
    let is_inside = |name: &str| {
        let rest = name.strip_prefix(place);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let inside: Vec<_> = files.iter().filter(|(name, _)| is_inside(name)).cloned().collect();
    if inside.is_empty() {
        bail!("there are no files in {place:?}: name a path below the repository's root");
    }
    let mut none = Exceptions::parse("");
    report(&match check {
        "words" => {
            let words = Words::open(&root)?;
            let found = inside.iter().flat_map(|(name, text)| {
                let found = words.check(name, text).into_iter();
                found.map(|finding| format!("{name}{finding}")).collect::<Vec<_>>()
            });
            found.collect()
        }
        "rings" => rings::list(&files, place),
        "fields" => fields::check(&inside, &mut none),
        _ => bail!("unknown check {check:?}: use words, rings or fields"),
    })
}

fn report(findings: &[String]) -> Result<()> {
    for finding in findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("tidy: {} findings", findings.len());
    }
    println!("tidy: no findings");
    Ok(())
}

/// Every written file with its path below the root and its text, in the order of the paths.
fn read_files(root: &Path) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    let read = |file: PathBuf| {
        let text = std::fs::read_to_string(&file);
        let text = text.with_context(|| format!("cannot read {}", file.display()))?;
        Ok((name_of(root, &file), text))
    };
    files.into_iter().map(read).collect()
}

/// The path of a file below the root.
fn name_of(root: &Path, file: &Path) -> String {
    file.strip_prefix(root).unwrap_or(file).display().to_string()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let name = entry.file_name().to_string_lossy().into_owned();
        if kind.is_dir() && !GENERATED.contains(&name.as_str()) {
            collect(&path, files)?;
        } else if kind.is_file() && is_written(&name) {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether people write this file: it has a known ending and is not a lock file.
fn is_written(name: &str) -> bool {
    let ending = name.rsplit('.').next().unwrap_or_default();
    ENDINGS.contains(&ending) && name != "package-lock.json"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_that_people_write_is_checked() {
        let cases = [
            ("main.rs", true),
            ("README.md", true),
            ("run", true),
            ("package.json", true),
            ("package-lock.json", false),
            ("Cargo.lock", false),
            ("favicon.png", false),
        ];
        for (name, expect) in cases {
            assert_eq!(is_written(name), expect, "{name}");
        }
    }
}
