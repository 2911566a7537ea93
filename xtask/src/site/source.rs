//! Writes the pages as mdBook reads them: their links lead to pages and files of the site.
//! Never: a link to a file that the site does not have.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::summary::SUMMARY;
use crate::tidy::links::{links, prose_mask, resolve};

/// Documents outside of `docs/` that are pages of the site, and their names there.
const PROJECT_PAGES: [(&str, &str); 6] = [
    // The chapters are beside each page.
    (SUMMARY, "about.md"),
    ("README.md", "about.md"),
    ("ARCHITECTURE.md", "architecture.md"),
    ("CONTRIBUTING.md", "contributing.md"),
    ("SECURITY.md", "security.md"),
    ("CHANGELOG.md", "changelog.md"),
];
/// The folder of the site with copies of other files.
const FILES: &str = "files";

/// Writes all pages, and all files that they link.
pub(super) fn write(root: &Path, folder: &Path) -> Result<()> {
    let mut pages: Vec<(String, String)> = PROJECT_PAGES
        .iter()
        .filter(|(name, _)| *name != SUMMARY)
        .map(|(name, page)| (String::from(*name), String::from(*page)))
        .collect();
    for entry in root.join("docs").read_dir().context("cannot read docs/")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") {
            pages.push((format!("docs/{name}"), name));
        }
    }
    let mut linked = BTreeSet::new();
    for (name, page) in &pages {
        let text = read(root, name)?;
        let rewritten = rewrite(name, &text, &mut |file| {
            let address = address_of(file, root.join(file).is_dir());
            if address.is_copy {
                linked.insert(String::from(file));
            }
            address.path
        })?;
        save(&folder.join(page), rewritten.as_bytes())?;
    }
    for file in &linked {
        copy(root, file, folder)?;
    }
    Ok(())
}

/// Where the site has a file.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    path: String,
    /// Whether it is a copy and not a page.
    is_copy: bool,
}

/// The address of a file or folder of the repository, below the root of the site.
fn address_of(file: &str, is_folder: bool) -> Address {
    let page = PROJECT_PAGES.iter().find(|(name, _)| *name == file);
    if let Some((_, page)) = page {
        return Address { path: String::from(*page), is_copy: false };
    }
    match file.strip_prefix("docs/") {
        Some(page) if page.ends_with(".md") => Address { path: String::from(page), is_copy: false },
        Some(other) => Address { path: String::from(other), is_copy: true },
        // Browsers show plain text, and download what they do not know.
        None if is_folder => Address { path: format!("{FILES}/{file}/index.html"), is_copy: true },
        None => {
            // mdBook takes `.md` anywhere in a link for a page.
            let name = file
                .strip_suffix(".md")
                .map_or(String::from(file), |stem| format!("{stem}.markdown"));
            Address { path: format!("{FILES}/{name}.txt"), is_copy: true }
        }
    }
}

/// The text with the links that `address` gives for each file of the repository.
fn rewrite(name: &str, text: &str, address: &mut dyn FnMut(&str) -> String) -> Result<String> {
    let mut lines = Vec::new();
    for (line, is_prose) in text.lines().zip(prose_mask(text)) {
        let mut line = String::from(line);
        if is_prose {
            for link in links(&line.clone()) {
                if let Some(target) = rewrite_target(name, link.target, address)? {
                    let (from, to) = (format!("]({})", link.target), format!("]({target})"));
                    line = line.replace(&from, &to);
                }
            }
        }
        lines.push(line);
    }
    Ok(lines.join("\n") + "\n")
}

/// The new target of a link; none if it stays.
fn rewrite_target(
    name: &str,
    target: &str,
    address: &mut dyn FnMut(&str) -> String,
) -> Result<Option<String>> {
    let is_web = ["https://", "http://", "mailto:"].iter().any(|start| target.starts_with(start));
    if is_web || target.starts_with('#') {
        return Ok(None);
    }
    let (path, anchor) = match target.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (target, None),
    };
    let Some(file) = resolve(name, path) else {
        bail!("{name}: the link {target:?} leads out of the repository");
    };
    let path = address(&file);
    // Only pages have headings.
    Ok(Some(match anchor.filter(|_| path.ends_with(".md")) {
        Some(anchor) => format!("{path}#{anchor}"),
        None => path,
    }))
}

/// Copies a file, or lists the files of a folder.
fn copy(root: &Path, file: &str, folder: &Path) -> Result<()> {
    let from = root.join(file);
    let to = folder.join(address_of(file, from.is_dir()).path);
    if !from.is_dir() {
        let bytes = std::fs::read(&from).with_context(|| format!("cannot read {file}"))?;
        return save(&to, &bytes);
    }
    let mut items = Vec::new();
    for entry in from.read_dir().with_context(|| format!("cannot read {file}/"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_file() {
            let path = format!("{file}/{name}");
            copy(root, &path, folder)?;
            let address = address_of(&path, false).path;
            let link = address.rsplit('/').next().unwrap_or_default();
            items.push(format!("<li><a href=\"{link}\">{name}</a></li>"));
        }
    }
    items.sort();
    let head = format!("<meta charset=\"utf-8\"><title>{file}</title><h1>{file}</h1>");
    save(&to, format!("<!doctype html>{head}<ul>{}</ul>\n", items.concat()).as_bytes())
}

fn read(root: &Path, name: &str) -> Result<String> {
    let text = std::fs::read_to_string(root.join(name));
    text.with_context(|| format!("cannot read {name}"))
}

fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_pages_and_copies_of_files() {
        let mut address = |file: &str| address_of(file, file == "monitoring").path;
        for (line, expect) in [
            ("[a](limits.md#shares)", "[a](limits.md#shares)"),
            (
                "[a](../README.md), [b](../SECURITY.md#report)",
                "[a](about.md), [b](security.md#report)",
            ),
            ("[a](../crates/x/src/x.rs)", "[a](files/crates/x/src/x.rs.txt)"),
            ("[a](../crates/x/src/x.rs#L3)", "[a](files/crates/x/src/x.rs.txt)"),
            ("[a](../fuzz/README.md#x)", "[a](files/fuzz/README.markdown.txt)"),
            ("[a](SUMMARY.md)", "[a](about.md)"),
            ("[a](../monitoring)", "[a](files/monitoring/index.html)"),
            ("![a](images/chat.png)", "![a](images/chat.png)"),
            ("[a](https://example.com/#x) [b](#here)", "[a](https://example.com/#x) [b](#here)"),
            ("`[a](../README.md)` is code", "`[a](../README.md)` is code"),
            ("```\n[a](../README.md)\n```", "```\n[a](../README.md)\n```"),
        ] {
            let rewritten = rewrite("docs/page.md", line, &mut address).unwrap();
            assert_eq!(rewritten.trim_end(), expect);
        }
        assert!(rewrite("docs/page.md", "[a](../../x)", &mut address).is_err());
        let rewritten = rewrite("README.md", "[a](docs/limits.md) ![b](docs/b.svg)", &mut address);
        assert_eq!(rewritten.unwrap(), "[a](limits.md) ![b](b.svg)\n");
    }
}
