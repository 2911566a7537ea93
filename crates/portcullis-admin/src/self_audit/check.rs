//! The checks of the regular audit, and what one of them found.
//! Never: a finding without a remedy; a check that is left out without a reason.

use serde::{Deserialize, Serialize};

/// Most findings of one check; a last one counts the others.
const FINDINGS_MAX: usize = 8;
/// Most findings with those that are kept.
const WITH_UNSEEN_MAX: usize = 12;
/// Most runs in which a finding is kept that its check could not confirm.
const UNSEEN_MAX: u32 = 14;
/// Most facts and reasons of one check.
const FACTS_MAX: usize = 8;
/// Longest key of a finding, in bytes.
const KEY_MAX_BYTES: usize = 64;
/// Longest text, in bytes.
const TEXT_MAX_BYTES: usize = 300;

/// One check of the regular audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CheckId {
    /// The configuration, and weakened guarantees.
    D1,
    /// TLS, as a client gets it.
    D2,
    /// The security headers of the server's own pages.
    D3,
    /// The modes of files.
    D4,
    /// The ages of keys.
    D5,
    /// The age of the last backup.
    D6,
    /// The security log.
    D7,
    /// The space on the disks.
    D8,
    /// Open files, memory and the clock.
    D9,
    /// Advisories about dependencies.
    D10,
    /// Administrators.
    D11,
    /// Exceptions that were meant for a while.
    D12,
    /// The channels of alerts.
    D13,
    /// The private listener.
    D14,
}

impl CheckId {
    /// All checks, in their order.
    pub const ALL: [Self; 14] = [
        Self::D1,
        Self::D2,
        Self::D3,
        Self::D4,
        Self::D5,
        Self::D6,
        Self::D7,
        Self::D8,
        Self::D9,
        Self::D10,
        Self::D11,
        Self::D12,
        Self::D13,
        Self::D14,
    ];

    /// The id in reports, records and alerts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::D1 => "D1",
            Self::D2 => "D2",
            Self::D3 => "D3",
            Self::D4 => "D4",
            Self::D5 => "D5",
            Self::D6 => "D6",
            Self::D7 => "D7",
            Self::D8 => "D8",
            Self::D9 => "D9",
            Self::D10 => "D10",
            Self::D11 => "D11",
            Self::D12 => "D12",
            Self::D13 => "D13",
            Self::D14 => "D14",
        }
    }

    /// The subject of the check.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::D1 => "Configuration",
            Self::D2 => "TLS as a client gets it",
            Self::D3 => "Security headers",
            Self::D4 => "File modes",
            Self::D5 => "Ages of keys",
            Self::D6 => "Backup",
            Self::D7 => "Security log",
            Self::D8 => "Disk space",
            Self::D9 => "Open files, memory, clock",
            Self::D10 => "Advisories",
            Self::D11 => "Administrators",
            Self::D12 => "Temporary exceptions",
            Self::D13 => "Alert channels",
            Self::D14 => "Private listener",
        }
    }
}

/// The result of a check, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    /// Nothing was found.
    Ok,
    /// The check could not run; it says why.
    NotChecked,
    /// A weakness that needs care soon.
    Warning,
    /// A weakness that needs care now.
    Critical,
}

impl CheckResult {
    /// The result in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotChecked => "not checked",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingSeverity {
    /// It needs care soon.
    Warning,
    /// It needs care now.
    Critical,
}

impl FindingSeverity {
    /// The word in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.result().words()
    }

    fn result(self) -> CheckResult {
        match self {
            Self::Warning => CheckResult::Warning,
            Self::Critical => CheckResult::Critical,
        }
    }
}

/// One weakness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditFinding {
    /// Names the weakness, equal in all reports until it is mended: `D4 sessions.secret`.
    pub key: String,
    /// Its severity.
    pub severity: FindingSeverity,
    /// The fault and its effect; without names of users or addresses of clients.
    pub found: String,
    /// The remedy.
    pub remedy: String,
    /// Since how many runs it is kept only because a part of its check could not run.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unseen_runs: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// One check with its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The check.
    pub id: CheckId,
    /// Its subject.
    pub title: String,
    /// The result.
    pub result: CheckResult,
    /// Facts that were checked and are in order.
    pub facts: Vec<String>,
    /// The weaknesses, the most severe first.
    pub findings: Vec<AuditFinding>,
    /// The reasons for parts that could not be checked.
    pub not_checked: Vec<String>,
}

impl Check {
    /// Keeps findings of the former run that this run may only have missed, because a part of the
    /// check could not run that ran before.
    pub(crate) fn keep_unseen(&mut self, former: &Self) {
        let has_new_gap = self.not_checked.iter().any(|why| !former.not_checked.contains(why));
        for finding in &former.findings {
            let is_seen = self.findings.iter().any(|one| one.key == finding.key);
            let may_exist = has_new_gap || finding.unseen_runs > 0;
            let unseen_runs = finding.unseen_runs.saturating_add(1);
            if self.findings.len() >= WITH_UNSEEN_MAX {
                break;
            }
            if is_seen || self.not_checked.is_empty() || !may_exist || unseen_runs > UNSEEN_MAX {
                continue;
            }
            self.findings.push(AuditFinding { unseen_runs, ..finding.clone() });
        }
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        if let Some(finding) = self.findings.first() {
            self.result = finding.severity.result();
        }
    }
}

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
        self.findings.push(AuditFinding { key, severity, found, remedy, unseen_runs: 0 });
    }

    /// The check with its result.
    #[must_use]
    pub fn finish(mut self) -> Check {
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        if self.findings.len() > FINDINGS_MAX {
            let more = self.findings.split_off(FINDINGS_MAX - 1);
            let severity = more.iter().map(|finding| finding.severity).max();
            let severity = severity.unwrap_or(FindingSeverity::Warning);
            let found = format!("{} more findings of this check", more.len());
            let remedy = String::from("mend the findings above, and run the check again");
            self.add(severity, "more", found, remedy);
        }
        let of_findings = self.findings.first().map(|finding| finding.severity.result());
        let result = match of_findings {
            Some(result) => result,
            None if self.facts.is_empty() && !self.not_checked.is_empty() => {
                CheckResult::NotChecked
            }
            None => CheckResult::Ok,
        };
        let bounded = |texts: Vec<String>| -> Vec<String> {
            let texts = texts.into_iter().take(FACTS_MAX);
            texts.map(|text| shortened(text, TEXT_MAX_BYTES)).collect()
        };
        Check {
            id: self.id,
            title: String::from(self.id.title()),
            result,
            facts: bounded(self.facts),
            findings: self.findings,
            not_checked: bounded(self.not_checked),
        }
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
        let check = check.finish();
        assert_eq!((check.findings.len(), check.facts.len()), (FINDINGS_MAX, FACTS_MAX));
        assert_eq!(check.findings[7].found, "93 more findings of this check");
        for finding in &check.findings {
            assert!(finding.key.len() <= KEY_MAX_BYTES && finding.found.len() <= TEXT_MAX_BYTES);
            assert!(!finding.found.contains('\n'));
        }
    }

    #[test]
    fn names_of_checks_are_those_of_their_json() {
        for id in CheckId::ALL {
            assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{}\"", id.name()));
        }
    }
}
