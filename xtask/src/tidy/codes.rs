//! Codes of security records: each is recorded by some code, and documented.
//! Never: accepts a code that only its own list contains.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};

const CODES: &str = "crates/portcullis-model/src/record/code.rs";
const TABLE: &str = "crates/portcullis-model/src/rejection/table.rs";
const DOCUMENT: &str = "docs/records.md";
/// Cells of a row: name, class, severity, meaning, what to do.
const CELLS: usize = 5;
/// Where each code that a client reads has a section.
const CLIENT_DOCUMENT: &str = "docs/codes.md";
/// The row of rejections by an application, whose answers have the application's own codes.
const APPLICATION_CODE: &str = "app";
/// Files that list every code. Being listed there does not count as recorded.
const LISTS: [&str; 2] = [CODES, "crates/portcullis-audit/src/record/encode.rs"];

/// What is wrong, each as `file: what`.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let read = |name: &str| {
        std::fs::read_to_string(root.join(name)).with_context(|| format!("cannot read {name}"))
    };
    let table = read(TABLE)?;
    let mut findings_of_table = client_findings(&table, &read(CLIENT_DOCUMENT)?);
    let mut sources = vec![table];
    collect(&root.join("crates"), root, &mut sources)?;
    findings_of_table.extend(findings(&read(CODES)?, &sources, &read(DOCUMENT)?));
    Ok(findings_of_table)
}

/// Codes that clients read and that have no section in the document.
fn client_findings(table: &str, document: &str) -> Vec<String> {
    let codes: BTreeSet<&str> = table.lines().filter_map(client_code).collect();
    let missing = codes.into_iter().filter(|code| {
        *code != APPLICATION_CODE && !document.contains(&format!("\n### `{code}`\n"))
    });
    missing.map(|code| format!("{CLIENT_DOCUMENT}: no section for {code}")).collect()
}

/// The client's code, of the second line of a row: `"code", status, close code, …`.
fn client_code(line: &str) -> Option<&str> {
    let (code, rest) = line.trim_start().strip_prefix('"')?.split_once("\", ")?;
    let status = rest.split(',').next()?;
    (status.len() == 3 && status.parse::<u16>().is_ok()).then_some(code)
}

fn findings(codes: &str, sources: &[String], document: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (variant, name) in codes.lines().filter_map(row) {
        let by_name = format!("Code::{variant}");
        let in_table = format!(" {variant}, ");
        let records = |text: &String| names(text, &by_name) || text.contains(&in_table);
        if !sources.iter().any(records) {
            findings.push(format!("{CODES}: no code records {name}"));
        }
        match document.lines().find(|line| line.starts_with(&format!("| `{name}` |"))) {
            None => findings.push(format!("{DOCUMENT}: has no row for {name}")),
            Some(line) if !has_all_cells(line) => {
                findings.push(format!("{DOCUMENT}: {name} has no meaning, or not what to do"));
            }
            Some(_) => {}
        }
    }
    findings
}

/// Whether a row has a class, a severity, a meaning, and what to do.
fn has_all_cells(line: &str) -> bool {
    let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
    cells.len() == CELLS && cells.iter().all(|cell| !cell.is_empty())
}

/// Whether the text contains the path as a whole, not as the start of a longer path.
fn names(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let next = text.get(at + path.len()..).and_then(|rest| rest.chars().next());
        next.is_none_or(|letter| !letter.is_alphanumeric())
    })
}

/// The variant and the name of a row of the list.
fn row(line: &str) -> Option<(&str, &str)> {
    let (variant, rest) = line.strip_prefix("    ")?.split_once(", \"")?;
    let plain = variant.chars().all(char::is_alphanumeric) && !variant.is_empty();
    let (name, _) = rest.split_once('"')?;
    plain.then_some((variant, name))
}

fn collect(folder: &Path, root: &Path, sources: &mut Vec<String>) -> Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        if path.is_dir() && !name.ends_with("/tests") {
            collect(&path, root, sources)?;
        } else if name.ends_with(".rs") && !LISTS.contains(&name.as_str()) {
            let text = std::fs::read_to_string(&path);
            let text = text.with_context(|| format!("cannot read {}", path.display()))?;
            // Records of a file's unit tests do not count.
            let code = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or_default();
            sources.push(String::from(code));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_code_without_a_section_is_found() {
        let table = "    8, Self::TooLarge =>\n        \"too_large\", 413, 1009, Kind, No,\n";
        assert!(client_findings(table, "\n### `too_large`\n").is_empty());
        assert_eq!(
            client_findings(table, "\n### `too`\n"),
            ["docs/codes.md: no section for too_large"]
        );
        assert!(client_findings("        \"app\", 400, 0, Kind,", "").is_empty());
    }

    #[test]
    fn code_without_recorder_or_document_row_is_found() {
        let codes = "    SysCrash, \"sys_crash\", Service, Critical,\n        \"It failed.\";\n";
        let source = String::from("Record::new(Code::SysCrash)");
        let longer = String::from("Record::new(Code::SysCrashLater)");
        let document = "| `sys_crash` | service | critical | It failed. | Read the log. |";
        assert!(findings(codes, std::slice::from_ref(&source), document).is_empty());
        let short = "| `sys_crash` | service | critical | It failed. |";
        let expect = "docs/records.md: sys_crash has no meaning, or not what to do";
        assert_eq!(findings(codes, &[source], short), [expect]);
        assert_eq!(findings(codes, &[longer], "").len(), 2);
    }
}
