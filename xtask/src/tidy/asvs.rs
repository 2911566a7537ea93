//! The page about OWASP ASVS: every requirement once, each verdict with its evidence or reason.
//! Never: decides whether a verdict is right; people check that.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use super::links::{Link, links};

const DOCUMENT: &str = "docs/asvs.md";
/// The requirements of levels 1 and 2 of version 5.0: an id and its level on each line.
const IDS: &str = include_str!("asvs_ids.txt");
/// Fewest letters of a reason, links aside.
const REASON_MIN_LETTERS: usize = 8;
const VERDICTS: [&str; 3] = ["met", "deviates", "not applicable"];

/// What is wrong, each as `file: what`.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join(DOCUMENT));
    let text = text.with_context(|| format!("cannot read {DOCUMENT}"))?;
    let found = findings(&text, IDS).into_iter();
    Ok(found.map(|finding| format!("{DOCUMENT}{finding}")).collect())
}

/// A row of a table of requirements.
struct Row<'a> {
    line: usize,
    id: &'a str,
    level: &'a str,
    verdict: &'a str,
    evidence: &'a str,
}

fn findings(text: &str, ids: &str) -> Vec<String> {
    let rows: Vec<Row<'_>> =
        (1..).zip(text.lines()).filter_map(|(line, text)| row(line, text)).collect();
    let expected: BTreeMap<&str, &str> =
        ids.lines().filter_map(|line| line.split_once(' ')).collect();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut findings = Vec::new();
    for row in &rows {
        *seen.entry(row.id).or_default() += 1;
        let level = expected.get(row.id).copied();
        if level.is_none() {
            findings.push(format!(":{} {} is not in asvs_ids.txt", row.line, row.id));
        } else if level != Some(row.level) {
            findings.push(format!(":{} {} has another level", row.line, row.id));
        }
        findings.extend(fault(row).map(|what| format!(":{} {} {what}", row.line, row.id)));
    }
    for id in expected.keys() {
        match seen.get(id) {
            Some(1) => {}
            Some(times) => findings.push(format!(": {id} has {times} rows")),
            None => findings.push(format!(": {id} has no row")),
        }
    }
    for level in ["1", "2"] {
        let counts = count(&rows, level);
        if !text.lines().any(|line| line == counts) {
            findings.push(format!(": the counts of level {level} are {counts}"));
        }
    }
    findings
}

/// Reads `| 1.2.3 | 1 | requirement | verdict | evidence |`.
fn row(line: usize, text: &str) -> Option<Row<'_>> {
    let cells = text.strip_prefix("| ")?.strip_suffix(" |")?;
    let cells: Vec<&str> = cells.splitn(5, " | ").collect();
    let [id, level, _, verdict, evidence] = cells.as_slice() else { return None };
    let is_id = id.contains('.') && id.chars().all(|sign| sign.is_ascii_digit() || sign == '.');
    is_id.then_some(Row { line, id, level, verdict, evidence })
}

/// What is wrong with a row by itself.
fn fault(row: &Row<'_>) -> Option<&'static str> {
    if !VERDICTS.contains(&row.verdict) {
        return Some("the verdict must be met, deviates or not applicable");
    }
    let links = links(row.evidence);
    if row.verdict == "met" {
        let is_web = |link: &Link<'_>| link.target.contains("://");
        return links
            .iter()
            .all(is_web)
            .then_some("the verdict is met, but the row links no evidence");
    }
    let words = links.iter().fold(String::from(row.evidence), |words, link| {
        words.replace(&format!("[{}]({})", link.text, link.target), "")
    });
    let letters = words.chars().filter(|letter| letter.is_alphabetic()).count();
    (letters < REASON_MIN_LETTERS).then_some("the verdict is not met, but the row gives no reason")
}

/// The line of the table of counts for a level.
fn count(rows: &[Row<'_>], level: &str) -> String {
    let of = |verdict: &str| {
        rows.iter().filter(|row| row.level == level && row.verdict == verdict).count()
    };
    let [met, deviates, other] = VERDICTS.map(of);
    format!("| {level} | {met} | {deviates} | {other} | {} |", met + deviates + other)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "1.1.1 2\n1.2.1 1\n";
    const COUNTS: &str = "| 1 | 1 | 0 | 0 | 1 |\n| 2 | 0 | 1 | 0 | 1 |\n";
    const MET: &str = "| 1.2.1 | 1 | Encode output. | met | [x](x.rs) |\n";
    const DEVIATES: &str = "| 1.1.1 | 2 | Decode once. | deviates | The protocol asks for it. |\n";

    #[test]
    fn complete_page_has_no_findings() {
        let page = format!("{COUNTS}{MET}{DEVIATES}");
        assert!(findings(&page, LIST).is_empty(), "{:?}", findings(&page, LIST));
        assert_eq!(IDS.lines().count(), 253);
    }

    #[test]
    fn missing_rows_reasons_and_evidence_are_found() {
        let cases = [
            (format!("{MET}{DEVIATES}"), 2, "no counts"),
            (format!("{COUNTS}{MET}"), 2, "a row and its count missing"),
            (format!("{COUNTS}{MET}{DEVIATES}{MET}"), 2, "a row twice"),
            (format!("{COUNTS}{MET}{DEVIATES}").replace("[x](x.rs)", "it is so"), 1, "no link"),
            (format!("{COUNTS}{MET}{DEVIATES}").replace("x.rs", "https://x.example"), 1, "web"),
            (format!("{COUNTS}{MET}{DEVIATES}").replace("The protocol asks for it.", "-"), 1, "-"),
            (format!("{COUNTS}{MET}{DEVIATES}").replace("met", "partly"), 2, "another verdict"),
            (format!("{COUNTS}{MET}{DEVIATES}").replace("| 2 | D", "| 1 | D"), 3, "a level"),
            (format!("{COUNTS}{MET}{DEVIATES}| 9.9.9 | 1 | x | met | [x](x) |\n"), 2, "unknown"),
        ];
        for (page, expect, what) in cases {
            let found = findings(&page, LIST);
            assert_eq!(found.len(), expect, "{what}: {found:?}");
        }
    }
}
