//! Structs with too many fields, and folders with too many files.
//! Never: fields of tuples and of enum variants.

use std::collections::BTreeMap;

use super::exceptions::Exceptions;
use super::lexer::{Token, tokens};

/// The most fields of a struct, except configuration, table rows and sets of metrics.
const FIELDS_MAX: usize = 12;
/// The most files of a folder with sources.
const FILES_MAX: usize = 15;

/// What is wrong in the sources. The files are paths below the root with their text.
pub(crate) fn check(files: &[(String, String)], exceptions: &mut Exceptions) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, text) in files.iter().filter(|(name, _)| name.ends_with(".rs")) {
        for (structure, count) in structs(text) {
            let subject = format!("{}::{structure}", crate_of(name));
            if count > FIELDS_MAX && !exceptions.has("fields", &subject) {
                findings.push(format!(
                    "{name}: {subject} has {count} fields, more than {FIELDS_MAX}: \
                     give it named parts"
                ));
            }
        }
    }
    findings
}

/// Folders with more files than a reader can keep in view; a hint and no finding.
pub(crate) fn large_folders(files: &[(String, String)]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, _) in files {
        let Some((folder, file)) = name.rsplit_once('/') else { continue };
        if file.ends_with(".rs") && !file.ends_with("tests.rs") {
            *counts.entry(folder).or_default() += 1;
        }
    }
    let large = counts.into_iter().filter(|(_, count)| *count > FILES_MAX);
    large.map(|(folder, count)| format!("{folder}: {count} files in one folder")).collect()
}

/// The crate of a file: its folder below `crates/`, or the first folder.
fn crate_of(name: &str) -> &str {
    let below = name.strip_prefix("crates/").unwrap_or(name);
    below.split('/').next().unwrap_or(below)
}

/// The structs of a file with the number of their named fields.
fn structs(text: &str) -> Vec<(String, usize)> {
    let tokens = tokens(text);
    let mut structs = Vec::new();
    let mut rest = tokens.as_slice();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != Token::Word("struct") {
            continue;
        }
        let Some(Token::Word(name)) = behind.first() else { continue };
        let end = |token: &Token<'_>| {
            matches!(token, Token::Sign('{') | Token::Sign(';') | Token::Sign('('))
        };
        let Some(open) = behind.iter().position(end) else { continue };
        if behind.get(open) == Some(&Token::Sign('{')) {
            let body = behind.get(open + 1..).unwrap_or_default();
            structs.push((String::from(*name), fields(body)));
        }
    }
    structs
}

/// How many fields stand before the closing brace: each is a word before a single colon.
fn fields(body: &[Token<'_>]) -> usize {
    let (mut depth, mut count) = (0_usize, 0);
    for pair in body.windows(2) {
        match pair {
            [Token::Sign('{' | '(' | '['), _] => depth += 1,
            [Token::Sign('}' | ')' | ']'), _] if depth == 0 => return count,
            [Token::Sign('}' | ')' | ']'), _] => depth -= 1,
            [Token::Word(_), Token::Sign(':')] if depth == 0 => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_fields_are_counted() {
        let cases = [
            ("struct A;", None),
            ("struct A(u8, u8);", None),
            ("struct A {}", Some(0)),
            ("struct A { b: u8, pub(crate) c: Vec<d::E>, }", Some(2)),
            (
                "/// b: c\nstruct A<T: X> where T: Y { #[serde(default = \"b\")] b: fn(T) -> u8 }",
                Some(1),
            ),
            ("pub struct A<'a> { b: [u8; 4], c: &'a str, d: Box<dyn Fn(u8) -> u8> } x: 1", Some(3)),
        ];
        for (text, expect) in cases {
            assert_eq!(structs(text).first().map(|(_, count)| *count), expect, "{text}");
        }
    }

    #[test]
    fn struct_over_the_limit_needs_an_exception() {
        let file = |count: usize| {
            let fields: String = (0..count).map(|number| format!("f{number}: u8,\n")).collect();
            [(String::from("crates/x/src/a.rs"), format!("struct Big {{\n{fields}}}\n"))]
        };
        let check = |count, list| {
            let mut exceptions = Exceptions::parse(list);
            let found = check(&file(count), &mut exceptions);
            (found.len(), exceptions.findings().len())
        };
        let open = "fields x::Big: configuration\n";
        assert_eq!(check(12, ""), (0, 0));
        assert_eq!(check(13, ""), (1, 0));
        assert_eq!(check(13, open), (0, 0));
        assert_eq!(check(12, open), (0, 1));
    }

    #[test]
    fn folder_over_the_limit_is_listed() {
        let files = |count: usize| {
            let named =
                (0..count).map(|number| (format!("crates/x/src/f{number}.rs"), String::new()));
            named.collect::<Vec<_>>()
        };
        assert!(large_folders(&files(15)).is_empty());
        assert_eq!(large_folders(&files(16)), ["crates/x/src: 16 files in one folder"]);
    }
}
