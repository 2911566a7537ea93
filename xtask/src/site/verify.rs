//! Links of the pages that mdBook has built: the file and the heading of each link exist.
//! Never: fetches an address on the web.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};

/// A page that was built: the targets of its links, and the ids that links can lead to.
#[derive(Debug, Default)]
struct Page {
    targets: BTreeSet<String>,
    ids: BTreeSet<String>,
}

/// The number of pages, and what is wrong with their links.
pub(super) fn check(site: &Path) -> Result<(usize, Vec<String>)> {
    let mut files = BTreeMap::new();
    collect(site, "", &mut files)?;
    let pages = files.values().filter(|page| page.is_some()).count();
    Ok((pages, faults(&files)))
}

/// All files below the site by their paths; those in HTML with their links.
fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Option<Page>>) -> Result<()> {
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
            continue;
        }
        let page = match name.ends_with(".html") {
            true => Some(Page::read(&std::fs::read_to_string(entry.path())?)),
            false => None,
        };
        files.insert(name, page);
    }
    Ok(())
}

fn faults(files: &BTreeMap<String, Option<Page>>) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, page) in files {
        for target in page.iter().flat_map(|page| &page.targets) {
            if let Some(fault) = fault(name, target, files) {
                faults.push(format!("{name}: {target}: {fault}"));
            }
        }
    }
    faults
}

fn fault(name: &str, target: &str, files: &BTreeMap<String, Option<Page>>) -> Option<&'static str> {
    let is_elsewhere = |start: &&str| target.starts_with(start);
    if ["https:", "http:", "mailto:", "data:", "javascript:"].iter().any(is_elsewhere) {
        return None;
    }
    let (path, anchor) = match target.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (target, None),
    };
    let Some(file) = resolve(name, path) else { return Some("leads out of the site") };
    let Some(page) = files.get(&file) else { return Some("there is no such file") };
    match (anchor, page) {
        (Some(anchor), Some(page)) if !anchor.is_empty() && !page.ids.contains(anchor) => {
            Some("the page has no such heading")
        }
        (_, _) => None,
    }
}

/// The file that a link of a page names.
fn resolve(name: &str, path: &str) -> Option<String> {
    if path.is_empty() {
        return Some(String::from(name));
    }
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" if path.starts_with('/') => return None,
            "." | "" => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

impl Page {
    /// Reads the values of `href`, `src` and `id` within tags.
    fn read(html: &str) -> Self {
        let mut page = Self::default();
        for tag in html.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
            if tag.starts_with("base ") || tag.starts_with("!--") {
                continue;
            }
            for (name, value) in attributes(tag) {
                // Entities of HTML in addresses: only the ampersand occurs.
                let value = value.replace("&amp;", "&");
                match name {
                    "href" | "src" => drop(page.targets.insert(value)),
                    "id" => drop(page.ids.insert(value)),
                    _ => {}
                }
            }
        }
        page
    }
}

/// The attributes of a tag whose values are in double quotes.
fn attributes(tag: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = tag;
    while let Some((before, after)) = rest.split_once("=\"") {
        let Some((value, next)) = after.split_once('"') else { break };
        let name = before.rsplit(char::is_whitespace).next().unwrap_or(before);
        found.push((name, value));
        rest = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_links_of_built_pages_are_found() {
        let page = |html: &str| Some(Page::read(html));
        for (link, expect) in [
            ("<a href=\"b.html#part\">", 0),
            ("<a class=\"x\" href=\"sub/c.txt\"><img src=\"./sub/c.txt\">", 0),
            ("<h1 id=\"top\"><a href=\"#top\">", 0),
            ("<a href=\"https://example.com/x\"><a href=\"mailto:a@example.com\">", 0),
            ("<p>a href=\"none.html\" is text</p>", 0),
            ("<a href=\"none.html\">", 1),
            ("<a href=\"b.html#none\">", 1),
            ("<img src=\"sub/none.png\">", 1),
            ("<a href=\"../b.html\">", 1),
            ("<a href=\"/b.html\">", 1),
            ("<a href=\"b.html\" title=\"x\"><a href=\"#none\">", 1),
        ] {
            let files = BTreeMap::from([
                (String::from("a.html"), page(link)),
                (String::from("b.html"), page("<h2 id=\"part\"><a href=\"a.html\">")),
                (String::from("sub/c.txt"), None),
            ]);
            assert_eq!(faults(&files).len(), expect, "{link}: {:?}", faults(&files));
        }
    }
}
