//! The licences of the components: whether they are permitted, and their texts.
//! Never: a component without a licence.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::components::{Component, Registry};

/// The licences that a component can have. All of them permit use in a program under Apache-2.0.
const PERMITTED: [&str; 15] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "OpenSSL",
    "Unicode-3.0",
    "Zlib",
];
/// How names of files with a licence begin.
const NAMES: [&str; 5] = ["licen", "copying", "notice", "unlicense", "copyright"];

/// Fails if a component has a licence that is not permitted.
pub(crate) fn check(components: &[Component]) -> Result<()> {
    for one in components {
        ensure!(
            is_permitted(&one.licence),
            "{} has the licence {:?}, which is not permitted: use another component, or add the \
             licence to PERMITTED after a review",
            one.reference(),
            one.licence
        );
    }
    Ok(())
}

/// Whether an SPDX expression permits the use: all parts of an AND, one part of an OR.
fn is_permitted(expression: &str) -> bool {
    let expression = expression.trim();
    let outside = split_outside(expression, " OR ");
    if outside.len() > 1 {
        return outside.iter().any(|part| is_permitted(part));
    }
    let outside = split_outside(expression, " AND ");
    if outside.len() > 1 {
        return outside.iter().all(|part| is_permitted(part));
    }
    match expression.strip_prefix('(').and_then(|inside| inside.strip_suffix(')')) {
        Some(inside) => is_permitted(inside),
        None => PERMITTED.contains(&expression),
    }
}

/// Splits at a word that is not in parentheses.
fn split_outside<'a>(expression: &'a str, word: &str) -> Vec<&'a str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (index, character) in expression.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 && index >= start && expression[index..].starts_with(word) => {
                parts.push(&expression[start..index]);
                start = index + word.len();
            }
            _ => {}
        }
    }
    parts.push(&expression[start..]);
    parts
}

/// Lists all components with their licences, and the text of each licence once.
pub(crate) fn list(components: &[Component]) -> Result<String> {
    let mut text = String::from(
        "Portcullis contains these components. The texts of their licences follow.\n\n",
    );
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in components.iter().filter(|one| one.registry != Registry::Own) {
        let named = format!("{} {}", one.name, one.version);
        writeln!(text, "{named}: {}", one.licence)?;
        for licence in texts_in(&one.folder)? {
            texts.entry(licence).or_default().push(named.clone());
        }
    }
    for (licence, names) in texts {
        write!(text, "\n{}\n{}\n\n{licence}\n", "=".repeat(72), names.join(", "))?;
    }
    Ok(text)
}

/// The texts of the files with a licence in a folder.
fn texts_in(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("read {}: run `cargo fetch` and `npm ci`", folder.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if entry.path().is_file() && NAMES.iter().any(|start| name.starts_with(start)) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    let read = |path| Ok(String::from_utf8_lossy(&std::fs::read(path)?).trim_end().to_owned());
    paths.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::components::components;

    #[test]
    fn licence_expression_is_permitted_by_one_choice_or_all_parts() {
        let cases = [
            ("MIT", true),
            ("MIT OR GPL-3.0", true),
            ("GPL-3.0 OR LGPL-3.0", false),
            ("MIT AND GPL-3.0", false),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("(MIT OR Apache-2.0) AND GPL-3.0", false),
            ("ISC AND (Apache-2.0 OR ISC) AND OpenSSL", true),
            ("Apache-2.0 WITH LLVM-exception OR MIT", true),
            ("", false),
            ("MITX", false),
        ];
        for (expression, expect) in cases {
            assert_eq!(is_permitted(expression), expect, "{expression:?}");
        }
    }

    // T-275
    #[test]
    fn t275_licences_of_all_components_are_permitted_and_listed() {
        let all = components().unwrap();
        check(&all).unwrap();
        let text = list(&all).unwrap();
        assert!(text == list(&all).unwrap(), "two runs differ");
        for expect in ["tokio 1.", "aws-lc-sys ", "socket.io-client 4.", "Permission is hereby"] {
            assert!(text.contains(expect), "{expect}");
        }
        let mut forbidden = all[0].clone();
        forbidden.licence = String::from("AGPL-3.0");
        let error = check(&[forbidden]).unwrap_err().to_string();
        assert!(error.contains("is not permitted"), "{error}");
    }
}
