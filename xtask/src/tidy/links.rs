//! Links between documents: the file, the heading and the test of each link exist.
//! Never: fetches an address on the web.

use std::collections::BTreeMap;
use std::path::Path;

/// Reads a file by its path below the root. A folder has an empty text.
pub(crate) type Reader<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A link of a document: `[text](target)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link<'a> {
    pub(crate) text: &'a str,
    pub(crate) target: &'a str,
}

impl<'a> Link<'a> {
    /// The name of the test that the link refers to: its text is code, its target a source file.
    fn test(self) -> Option<&'a str> {
        let name = self.text.strip_prefix('`')?.strip_suffix('`')?;
        let is_name = name.contains(['_', ' ']) && !name.contains(['/', '[', '`', '.']);
        let is_source = [".rs", ".mjs", ".ts"].iter().any(|end| self.target.ends_with(end));
        (is_name && is_source).then_some(name)
    }
}

/// Reads a file or folder below a root.
pub(crate) fn read_below(root: &Path, name: &str) -> Option<String> {
    let path = root.join(name);
    if path.is_dir() {
        return Some(String::new());
    }
    let bytes = std::fs::read(path).ok()?;
    Some(String::from_utf8(bytes).unwrap_or_default())
}

/// What is wrong with the links of a document, each as `:line what`.
pub(crate) fn check(name: &str, text: &str, read: Reader<'_>) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in prose(text) {
        for link in links(line) {
            if let Some(fault) = fault(name, link, read) {
                findings.push(format!(":{number} [{}]({}): {fault}", link.text, link.target));
            }
        }
    }
    findings
}

/// The pages of `docs/` that the README does not link.
pub(crate) fn unlinked(readme: &str, pages: &[String]) -> Vec<String> {
    let linked: Vec<&str> = prose(readme).flat_map(|(_, line)| links(line)).map(target).collect();
    let pages = pages.iter().filter(|page| page.starts_with("docs/") && page.ends_with(".md"));
    let missing = pages.filter(|page| !linked.contains(&page.as_str()));
    missing.map(|page| format!("{page}: README.md does not link it")).collect()
}

/// The file that a link names, without the heading.
fn target(link: Link<'_>) -> &str {
    link.target.split_once('#').map_or(link.target, |(path, _)| path)
}

/// The links of a line, except those in code.
pub(crate) fn links(line: &str) -> Vec<Link<'_>> {
    let mut found = Vec::new();
    // Where the text of each open bracket begins.
    let (mut open, mut in_code) = (Vec::new(), false);
    for (at, sign) in line.char_indices() {
        match sign {
            '`' => in_code = !in_code,
            '[' if !in_code => open.push(at + 1),
            ']' if !in_code => {
                let start = open.pop();
                let rest = line.get(at + 1..).and_then(|rest| rest.strip_prefix('('));
                let target = rest.and_then(|rest| rest.split_once(')')).map(|(target, _)| target);
                if let (Some(start), Some(target)) = (start, target) {
                    found.push(Link { text: line.get(start..at).unwrap_or_default(), target });
                }
            }
            _ => {}
        }
    }
    found
}

/// The lines of a document that are not code, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = (1..).zip(text.lines()).zip(prose_mask(text));
    lines.filter(|(_, is_prose)| *is_prose).map(|(line, _)| line)
}

/// For each line, whether it is not code.
pub(crate) fn prose_mask(text: &str) -> impl Iterator<Item = bool> {
    let mut in_code = false;
    text.lines().map(move |line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    })
}

/// What is wrong with a link.
fn fault(name: &str, link: Link<'_>, read: Reader<'_>) -> Option<&'static str> {
    let is_web = |scheme: &&str| link.target.starts_with(scheme);
    if ["https://", "http://", "mailto:"].iter().any(is_web) {
        return None;
    }
    let (path, anchor) = match link.target.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (link.target, None),
    };
    let Some(file) = resolve(name, path) else {
        return Some("is outside the repository");
    };
    let Some(text) = read(&file) else { return Some("there is no such file") };
    if let Some(test) = link.test()
        && !holds_test(&file, &text, test)
    {
        return Some("the file has no such test");
    }
    match anchor {
        Some(anchor) if !anchors(&text).contains_key(anchor) => Some("there is no such heading"),
        Some(_) | None => None,
    }
}

/// The path below the root that a link of a document names.
pub(crate) fn resolve(name: &str, path: &str) -> Option<String> {
    if path.is_empty() {
        return Some(String::from(name));
    }
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" if path.starts_with('/') => return None,
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Whether a file holds a test of this name: a function under a test attribute, or a story's text.
fn holds_test(file: &str, text: &str, name: &str) -> bool {
    if !file.ends_with(".rs") {
        return text.contains(&format!("test(\"{name}"));
    }
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let head = format!("fn {name}(");
    lines.iter().enumerate().any(|(index, line)| {
        let before = lines.get(index.saturating_sub(6)..index).unwrap_or_default();
        let mut above = before.iter().rev().take_while(|line| !line.ends_with('}'));
        line.trim_start_matches("async ").starts_with(&head)
            && above.any(|line| line.starts_with("#[") && line.contains("test"))
    })
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    let headings: Vec<String> =
        prose(text).filter_map(|(_, line)| heading(line)).map(|text| slug(&text)).collect();
    for slug in headings {
        let before = *seen.get(&slug).unwrap_or(&0);
        seen.insert(slug.clone(), before + 1);
        if before > 0 {
            seen.insert(format!("{slug}-{before}"), 1);
        }
    }
    seen
}

/// The text of a heading: a linked one is known by its text alone.
fn heading(line: &str) -> Option<String> {
    let text = line.trim_start_matches('#');
    let depth = line.len() - text.len();
    if !(1..=6).contains(&depth) || !text.starts_with(' ') {
        return None;
    }
    let plain = links(text)
        .into_iter()
        .fold(String::from(text), |plain, link| plain.replace(&format!("]({})", link.target), "]"));
    Some(String::from(plain.trim()))
}

fn slug(heading: &str) -> String {
    let kept = |sign: &char| sign.is_alphanumeric() || [' ', '-', '_'].contains(sign);
    let lower = heading.chars().filter(kept).flat_map(char::to_lowercase);
    lower.map(|sign| if sign == ' ' { '-' } else { sign }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(name: &str) -> Option<String> {
        let text = match name {
            "README.md" => "# The start\n\n## `[audit]`\n\n## Twice\n\n## Twice\n",
            "docs/limits.md" => "# Limits\n\n```\n# not a heading\n```\n",
            "crates/x/src/x.rs" => {
                "fn helper() {\n}\n\n#[test]\nfn limit_holds() {}\n\
                 #[tokio::test]\nasync fn late_limit_holds() {}\n"
            }
            "tests/x.mjs" => "  test(\"two people talk\", () => {});\n",
            "docs" => "",
            _ => return None,
        };
        Some(String::from(text))
    }

    fn faults(line: &str) -> usize {
        check("docs/page.md", line, &repository).len()
    }

    #[test]
    fn links_to_missing_files_headings_and_tests_are_found() {
        let cases = [
            ("[a](limits.md), [b](../README.md#the-start)", 0),
            ("[a](../README.md#audit) [b](../README.md#twice-1) [c](limits.md#limits)", 0),
            ("[web](https://example.com/#x) [folder](../docs) [`[audit]`](../README.md)", 0),
            ("[a](missing.md)", 1),
            ("[a](limits.md#missing)", 1),
            ("[a](limits.md#not-a-heading)", 1),
            ("[a](../README.md#twice-2)", 1),
            ("[a](#missing)", 1),
            ("[a](../../other/x.md), [b](/README.md)", 2),
            ("[`limit_holds`](../crates/x/src/x.rs)", 0),
            ("[`late_limit_holds`](../crates/x/src/x.rs)", 0),
            ("[`other_helper`](../crates/x/src/x.rs)", 1),
            ("[`limit_hold`](../crates/x/src/x.rs)", 1),
            ("[`two people talk`](../tests/x.mjs), [`x.rs`](../crates/x/src/x.rs)", 0),
            ("[`three people talk`](../tests/x.mjs)", 1),
            ("[`some command`](../README.md)", 0),
            ("`[a](missing.md)` is code", 0),
            ("```\n[a](missing.md)\n```", 0),
        ];
        for (line, expect) in cases {
            assert_eq!(faults(line), expect, "{line}");
        }
    }

    #[test]
    fn page_without_a_link_in_the_readme_is_found() {
        let pages = ["docs/a.md", "docs/b.md", "bench/c.md", "docs/b.svg"].map(String::from);
        let readme = "[a](docs/a.md#part)\n```\n[b](docs/b.md)\n```\n";
        assert_eq!(unlinked(readme, &pages), ["docs/b.md: README.md does not link it"]);
    }

    #[test]
    fn function_without_a_test_attribute_is_not_a_test() {
        let text = "#[test]\nfn first_one() {\n    x();\n}\n\nfn later_one() {}\n";
        assert!(holds_test("x.rs", text, "first_one"));
        assert!(!holds_test("x.rs", text, "later_one"));
    }

    #[test]
    fn anchors_are_made_as_github_makes_them() {
        let cases = [
            ("## What's read, and when?", "whats-read-and-when"),
            ("## `[[token.issuer]]`", "tokenissuer"),
            ("### Roles of `admin`/`user`", "roles-of-adminuser"),
            ("## See [limits](limits.md)", "see-limits"),
        ];
        for (line, expect) in cases {
            assert!(anchors(line).contains_key(expect), "{line}");
        }
    }
}
