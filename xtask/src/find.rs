//! Finds source files by their path and by their first line, which says what is in them.
//! Never: the content of a file; `rg` searches that.

use std::path::Path;

use anyhow::{Context, Result};

use crate::command::root;

/// Prints the path and the first line of each source file that contains all words in either.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let mut lines = Vec::new();
    collect(&root().join("crates"), &mut lines)?;
    lines.sort();
    for line in lines.iter().filter(|line| has_all(line, &words)) {
        println!("{line}");
    }
    Ok(())
}

fn has_all(line: &str, words: &[String]) -> bool {
    let line = line.to_lowercase();
    words.iter().all(|word| line.contains(word.as_str()))
}

fn collect(folder: &Path, lines: &mut Vec<String>) -> Result<()> {
    let entries = folder.read_dir().with_context(|| folder.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, lines)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path)?;
            let first = text.lines().next().unwrap_or_default();
            let shown = path.strip_prefix(root()).unwrap_or(&path);
            let says = first.trim_start_matches(['/', '!', ' ']);
            lines.push(format!("{}: {says}", shown.display()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_is_found_by_words_of_its_path_and_of_its_first_line() {
        let line = "crates/portcullis-accounts/src/login/known_device.rs: Cookies of known devices";
        let found = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|&word| String::from(word)).collect();
            has_all(line, &words)
        };
        assert!(found(&["login", "cookies"]));
        assert!(found(&[]));
        assert!(!found(&["login", "password"]));
    }
}
