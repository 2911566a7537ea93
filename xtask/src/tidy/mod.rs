//! Structure, checked by machine: floors, sizes, headers, names, words.
//! Never: style that rustfmt and clippy check already.

mod floors; // which crates may depend on which
mod source; // one source file after another
mod marks; // marks of unfinished work and paths of one machine
mod links; // links between documents
mod asvs; // the page about OWASP ASVS
mod codes; // names of security records that nothing records
mod lock; // where components come from

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::root;

/// Folders that are made, not written.
const MADE: [&str; 7] =
    [".git", "target", "node_modules", "dist", "corpus", "portcullis-data", ".pictures"];
/// Endings of what people write here.
const TEXTS: [&str; 13] =
    ["rs", "toml", "md", "ts", "tsx", "mjs", "js", "json", "css", "html", "sh", "yml", "run"];

/// Checks everything that is written in this repository.
pub(crate) fn run() -> Result<()> {
    let root = root();
    let mut findings = floors::check(&root)?;
    findings.extend(codes::check(&root)?);
    findings.extend(asvs::check(&root)?);
    findings.extend(lock::check(&root)?);
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let names = files.iter().map(|file| name_of(&root, file)).collect::<Vec<_>>();
    let readme = links::read_below(&root, "README.md").unwrap_or_default();
    findings.extend(links::unlinked(&readme, &names));
    for (file, name) in files.iter().zip(names) {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let mut found = marks::check(&text);
        if name.ends_with(".rs") {
            found.extend(source::check(&name, &text));
        }
        if name.ends_with(".md") {
            let read = |name: &str| links::read_below(&root, name);
            found.extend(links::check(&name, &text, &read));
        }
        findings.extend(found.into_iter().map(|finding| format!("{name}{finding}")));
    }
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("tidy: {} to mend", findings.len());
    }
    println!("tidy: nothing to mend");
    Ok(())
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
        if kind.is_dir() && !MADE.contains(&name.as_str()) {
            collect(&path, files)?;
        } else if kind.is_file() && is_written(&name) {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether people wrote it: an ending we know, and no lock file.
fn is_written(name: &str) -> bool {
    let ending = name.rsplit('.').next().unwrap_or_default();
    TEXTS.contains(&ending) && name != "package-lock.json"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_is_looked_at() {
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
