//! The chapters of the site: `docs/SUMMARY.md`.
//! Never: a page that no chapter has.

use std::path::Path;

use anyhow::{Context, Result};

use crate::tidy::links::links;

/// The list of chapters.
pub(super) const SUMMARY: &str = "docs/SUMMARY.md";

/// Pages of `docs/` that the summary lacks, and pages that it lists twice.
pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join(SUMMARY));
    let text = text.with_context(|| format!("cannot read {SUMMARY}"))?;
    let mut pages = Vec::new();
    for entry in root.join("docs").read_dir().context("cannot read docs/")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") && name != "SUMMARY.md" {
            pages.push(name);
        }
    }
    pages.sort();
    Ok(faults(&text, &pages))
}

fn faults(summary: &str, pages: &[String]) -> Vec<String> {
    let listed: Vec<&str> = summary.lines().flat_map(links).map(|link| link.target).collect();
    let times = |page: &str| listed.iter().filter(|target| **target == page).count();
    let missing = pages.iter().filter(|page| times(page) == 0);
    let mut faults: Vec<String> =
        missing.map(|page| format!("{SUMMARY}: docs/{page} is in no chapter")).collect();
    for (index, page) in listed.iter().enumerate() {
        if listed.iter().take(index).any(|before| before == page) {
            faults.push(format!("{SUMMARY}: {page} is listed twice"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_in_no_chapter_or_in_two_is_a_fault() {
        let pages = ["a.md", "b.md"].map(String::from);
        for (summary, expect) in [
            ("# Summary\n\n- [A](a.md)\n  - [B](b.md)\n- [R](../README.md)\n", 0),
            ("- [A](a.md)\n", 1),
            ("- [A](a.md)\n- [B](b.md)\n- [A again](a.md)\n", 1),
            ("", 2),
        ] {
            assert_eq!(faults(summary, &pages).len(), expect, "{summary:?}");
        }
    }
}
