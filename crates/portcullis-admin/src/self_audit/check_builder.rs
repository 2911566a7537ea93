//! Collects what a check of the regular audit finds.
//! Never: a finding without a remedy; a check that is left out without a reason.

use super::check::{AuditFinding, Check, CheckResult, FindingSeverity};
use super::check_id::CheckId;

/// Most facts and reasons of one check.
const FACTS_MAX: usize = 8;
/// Longest key of a finding, in bytes.
pub const KEY_MAX_BYTES: usize = 64;
/// Longest text, in bytes.
const TEXT_MAX_BYTES: usize = 300;

/// Collects what a check finds.
#[derive(Debug)]
pub struct CheckBuilder {
    id: CheckId,
    facts: Vec<String>,
    findings: Vec<AuditFinding>,
    not_checked: Vec<String>,
}

impl CheckBuilder {
    /// A check that has found nothing yet.
    #[must_use]
    pub fn new(id: CheckId) -> Self {
        Self { id, facts: Vec::new(), findings: Vec::new(), not_checked: Vec::new() }
    }

    /// A check that cannot run, and why.
    #[must_use]
    pub fn not_checked(id: CheckId, why: impl Into<String>) -> Check {
        let mut check = Self::new(id);
        check.skip(why);
        check.finish()
    }

    /// Something is in order.
    pub fn fact(&mut self, text: impl Into<String>) {
        self.facts.push(text.into());
    }

    /// A part cannot be checked.
    pub fn skip(&mut self, why: impl Into<String>) {
        self.not_checked.push(why.into());
    }

    /// A weakness that needs care soon. `name` names it within the check.
    pub fn warn(&mut self, name: &str, found: impl Into<String>, remedy: impl Into<String>) {
        self.add(FindingSeverity::Warning, name, found.into(), remedy.into());
    }

    /// A weakness that needs care now.
    pub fn alarm(&mut self, name: &str, found: impl Into<String>, remedy: impl Into<String>) {
        self.add(FindingSeverity::Critical, name, found.into(), remedy.into());
    }

    /// A weakness of a severity.
    pub fn add(&mut self, severity: FindingSeverity, name: &str, found: String, remedy: String) {
        let key = shortened(format!("{} {name}", self.id.name()), KEY_MAX_BYTES);
        if self.findings.iter().any(|finding| finding.key == key) {
            return;
        }
        let (found, remedy) = (shortened(found, TEXT_MAX_BYTES), shortened(remedy, TEXT_MAX_BYTES));
        self.findings.push(AuditFinding {
            key,
            severity,
            found,
            remedy,
            unseen_runs: 0,
            accepted: None,
        });
    }

    /// The check with its result.
    #[must_use]
    pub fn finish(self) -> Check {
        let bounded = |texts: Vec<String>| -> Vec<String> {
            let texts = texts.into_iter().take(FACTS_MAX);
            texts.map(|text| shortened(text, TEXT_MAX_BYTES)).collect()
        };
        let mut check = Check {
            id: self.id,
            title: String::from(self.id.title()),
            result: CheckResult::Ok,
            facts: bounded(self.facts),
            findings: self.findings,
            hidden: Vec::new(),
            uncounted: 0,
            not_checked: bounded(self.not_checked),
        };
        check.settle();
        check
    }
}

/// A text on one line, at most so long.
fn shortened(text: String, max_bytes: usize) -> String {
    let text = text.replace(char::is_control, " ");
    if text.len() <= max_bytes {
        return text;
    }
    let end = text.floor_char_boundary(max_bytes.saturating_sub(3));
    format!("{}...", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::check::{FINDINGS_MAX, SHOWN_MAX};
    use super::*;

    #[test]
    fn result_of_a_check_is_that_of_its_most_severe_finding() {
        let mut check = CheckBuilder::new(CheckId::D4);
        assert_eq!(CheckBuilder::new(CheckId::D4).finish().result, CheckResult::Ok);
        check.skip("no file");
        check.fact("all others");
        check.warn("a", "found", "mend");
        check.alarm("b", "found", "mend");
        check.alarm("b", "found again", "mend");
        let check = check.finish();
        assert_eq!(check.result, CheckResult::Critical);
        let keys: Vec<_> = check.findings.iter().map(|finding| finding.key.as_str()).collect();
        assert_eq!(keys, ["D4 b", "D4 a"]);
        let skipped = CheckBuilder::not_checked(CheckId::D6, "no backup");
        assert_eq!(skipped.result, CheckResult::NotChecked);
    }

    #[test]
    fn check_with_many_long_findings_stays_within_its_bounds() {
        let mut check = CheckBuilder::new(CheckId::D10);
        for number in 0..100 {
            let name = format!("{number} {}", "n\u{e9}".repeat(100));
            check.warn(&name, "f\n".repeat(1_000), "r".repeat(1_000));
            check.fact("x".repeat(1_000));
        }
        let mut check = check.finish();
        assert_eq!((check.findings.len(), check.facts.len()), (FINDINGS_MAX, FACTS_MAX));
        assert_eq!(check.uncounted, 100 - FINDINGS_MAX);
        check.hide_rest();
        assert_eq!(check.findings.len() + check.hidden.len(), FINDINGS_MAX);
        assert_eq!(check.findings.len(), SHOWN_MAX);
        for finding in &check.findings {
            assert!(finding.key.len() <= KEY_MAX_BYTES && finding.found.len() <= TEXT_MAX_BYTES);
            assert!(!finding.found.contains('\n'));
        }
    }
}
