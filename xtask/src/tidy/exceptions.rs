//! The exceptions of the checks, each with its reason; an unused exception is a finding.
//! Never: an exception that holds for every check.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};

/// Where the exceptions are listed.
pub(crate) const FILE: &str = "xtask/tidy/exceptions.txt";

/// The exceptions of all checks, and those that a check has used.
#[derive(Debug)]
pub(crate) struct Exceptions {
    rows: Vec<Row>,
    used: BTreeSet<usize>,
    findings: Vec<String>,
}

/// One line of the file: `CHECK SUBJECT: REASON`.
#[derive(Debug)]
struct Row {
    line: usize,
    check: String,
    subject: String,
}

impl Exceptions {
    /// Reads the list of this repository.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(root.join(FILE));
        Ok(Self::parse(&text.with_context(|| format!("cannot read {FILE}"))?))
    }

    /// Reads a list. Empty lines and lines that begin with `#` are comments.
    pub(crate) fn parse(text: &str) -> Self {
        let (mut rows, mut findings) = (Vec::new(), Vec::new());
        for (line, text) in (1..).zip(text.lines()) {
            if text.trim().is_empty() || text.starts_with('#') {
                continue;
            }
            let parsed = text.split_once(": ").and_then(|(start, reason)| {
                let (check, subject) = start.split_once(' ')?;
                (reason.trim().len() >= 4).then(|| Row {
                    line,
                    check: String::from(check),
                    subject: String::from(subject),
                })
            });
            match parsed {
                Some(row) => rows.push(row),
                None => findings.push(format!("{FILE}:{line} write `CHECK SUBJECT: REASON`")),
            }
        }
        Self { rows, used: BTreeSet::new(), findings }
    }

    /// Whether a check accepts exactly this subject. The exception counts as used.
    pub(crate) fn has(&mut self, check: &str, subject: &str) -> bool {
        self.is_listed(check, |listed| listed == subject)
    }

    /// Whether a check accepts a file because of its folder or its name. The exception counts as
    /// used.
    pub(crate) fn has_file(&mut self, check: &str, file: &str) -> bool {
        self.is_listed(check, |listed| {
            file == listed || (listed.ends_with('/') && file.starts_with(listed))
        })
    }

    fn is_listed(&mut self, check: &str, matches: impl Fn(&str) -> bool) -> bool {
        let rows = self.rows.iter();
        let found = rows.enumerate().find(|(_, row)| row.check == check && matches(&row.subject));
        let Some((index, _)) = found else { return false };
        self.used.insert(index);
        true
    }

    /// The lines that are not readable, and the exceptions that no check has used.
    pub(crate) fn findings(&self) -> Vec<String> {
        let unused = self.rows.iter().enumerate().filter(|(index, _)| !self.used.contains(index));
        let unused = unused.map(|(_, row)| {
            let Row { line, check, subject } = row;
            format!("{FILE}:{line} nothing needs `{check} {subject}` any more: remove this line")
        });
        self.findings.iter().cloned().chain(unused).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unused_exception_is_a_finding() {
        let list = "# comment\n\nwords crates/x/: open\nfields x::Big: configuration\n";
        let mut exceptions = Exceptions::parse(list);
        assert_eq!(exceptions.findings().len(), 2);
        assert!(exceptions.has_file("words", "crates/x/src/a.rs"));
        assert!(!exceptions.has_file("words", "crates/xy/src/a.rs"));
        assert!(!exceptions.has_file("rings", "crates/x/src/a.rs"));
        assert_eq!(exceptions.findings().len(), 1);
        assert!(exceptions.has("fields", "x::Big"));
        assert!(!exceptions.has("fields", "x::Bigger"));
        assert!(exceptions.findings().is_empty());
    }

    #[test]
    fn exception_without_a_reason_is_a_finding() {
        for line in ["words crates/x/", "words crates/x/: ", "words: open", "crates/x/"] {
            assert_eq!(Exceptions::parse(line).findings().len(), 1, "{line}");
        }
    }
}
